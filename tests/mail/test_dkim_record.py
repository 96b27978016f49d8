"""A key's record as it stands in DNS, against the one it needs."""

from __future__ import annotations

import pytest

from digest.mail.dkim_record import KeyFault, compare_key

KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"
WANTED = f"v=DKIM1; k=rsa; p={KEY}"


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ((WANTED,), None),
        ((f"p={KEY}",), None),
        ((f"v=DKIM1;p={KEY};",), None),
        ((f"v=DKIM1; k=rsa; p={KEY[:10]} {KEY[10:]}",), None),
        ((f"v=DKIM1; h=sha1:sha256; s=email; p={KEY}",), None),
        ((), KeyFault.MISSING),
        ((WANTED, WANTED.replace("A", "B")), KeyFault.SEVERAL),
        (("v=spf1 -all",), KeyFault.UNREADABLE),
        ((f"v=DKIM2; p={KEY}",), KeyFault.UNREADABLE),
        (("v=DKIM1; p=",), KeyFault.REVOKED),
        ((f"v=DKIM1; k=ed25519; p={KEY}",), KeyFault.TYPE),
        ((f"v=DKIM1; h=sha1; p={KEY}",), KeyFault.NO_SHA256),
        ((f"v=DKIM1; s=tlsrpt; p={KEY}",), KeyFault.NOT_MAIL),
        ((f"v=DKIM1; p={KEY[:20]}",), KeyFault.CUT),
        ((f'v=DKIM1; p={KEY[:10]}" "{KEY[10:]}',), KeyFault.QUOTED),
        ((f"v=DKIM1; p={KEY.swapcase()}",), KeyFault.OTHER),
    ],
)
def test_a_record_is_compared_as_verifiers_read_it(
    answers: tuple[str, ...], fault: KeyFault | None
) -> None:
    assert compare_key(answers, WANTED) is fault
