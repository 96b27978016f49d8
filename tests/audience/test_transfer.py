import io
from datetime import UTC, datetime
from digest.audience.transfer import import_readers
from digest.store.newsletters import create_newsletter
from digest.store.session import Database
NOW = datetime(2026,11,23,tzinfo=UTC)
async def test_smoke(database: Database):
    async with database.begin() as session:
        n = await create_newsletter(session, "weekly", now=NOW, name="W", from_address="h@news.example.org", return_path="b-{token}@b.example.org")
    f = io.BytesIO(b"email,name\nanne@example.org,Anne\nbart@example.net,Bart\nanne@example.org,\nnope,x\n")
    r = await import_readers(database, n, f, consent="x", now=NOW)
    print(r)
    assert (r.imported, r.duplicates, r.invalid_count)==(2,1,1)
    f.seek(0)
    r = await import_readers(database, n, f, consent="x", now=NOW)
    assert (r.imported, r.already)==(0,2)
