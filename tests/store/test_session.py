from digest.store.session import Database


async def test_an_open_database_reads_and_writes(database: Database):
    async with database.begin() as session:
        await session.exec_driver_sql("INSERT INTO destinations (domain) VALUES ('example.org')")
    async with database.read() as session:
        found = await session.exec_driver_sql("SELECT domain FROM destinations")
    assert found.scalar_one() == "example.org"
