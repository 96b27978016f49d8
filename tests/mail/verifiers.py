"""Three programs of others that verify DKIM: dkimpy (Python), OpenDKIM (C), mailauth (JavaScript).

Each takes many messages at once and the one record there is, and asks no network. A fourth is ours,
made of RFC 6376 alone: it reads a hundred thousand messages in the time dkimpy reads a few.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import dkim
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.repo.tree import ROOT

Verifier = Callable[[Sequence[bytes], str], list[bool]]

_AT_ONCE = 200  # files named in one call of OpenDKIM
_SCRIPT = ROOT / "tests" / "node" / "dkim.mjs"


def dkimpy(messages: Sequence[bytes], record: str) -> list[bool]:
    """What dkimpy says of each message."""
    return [_by_dkimpy(message, record) for message in messages]


def _by_dkimpy(message: bytes, record: str) -> bool:
    try:
        return bool(dkim.verify(message, dnsfunc=lambda name, timeout=5: record.encode("ascii")))
    except dkim.DKIMException:
        return False


def quick(messages: Iterable[bytes], record: str) -> list[bool]:
    """Whether each has one signature that holds: rsa-sha256, relaxed (RFC 6376 §3.4.2), over a body
    that is its own canonical form.
    """
    found = re.search(r"p=([^;]*)", record)
    assert found is not None
    key = load_der_public_key(base64.b64decode(found[1]))
    assert isinstance(key, RSAPublicKey)
    return [_holds(message, key) for message in messages]


def _holds(message: bytes, key: RSAPublicKey) -> bool:
    head, _, body = message.partition(b"\r\n\r\n")
    fields = [_relaxed(one) for one in re.split(rb"\r\n(?![ \t])", head)]
    (signature,) = (value for name, value in fields if name == b"dkim-signature")
    tags = dict(re.findall(rb"([a-z]+)=([^;]*)", signature))
    covered = []
    for name in re.sub(rb"\s", b"", tags[b"h"]).lower().split(b":"):
        at = [number for number, field in enumerate(fields) if field[0] == name]
        if at:  # the last of them; a name more than there are fields: none may be added
            covered.append(b":".join(fields.pop(at[-1])))
    covered.append(b"dkim-signature:" + re.sub(rb"(\bb=)[^;]*", rb"\1", signature))
    try:
        key.verify(_bytes(tags[b"b"]), b"\r\n".join(covered), PKCS1v15(), SHA256())
        return _bytes(tags[b"bh"]) == hashlib.sha256(body).digest()
    except (InvalidSignature, ValueError):
        return False


def _bytes(tag: bytes) -> bytes:
    return base64.b64decode(re.sub(rb"\s", b"", tag))


def _relaxed(field: bytes) -> tuple[bytes, bytes]:
    name, _, value = field.partition(b":")
    return name.strip().lower(), re.sub(rb"[ \t\r\n]+", b" ", value).strip()


def opendkim_program() -> str | None:
    """Where OpenDKIM is installed."""
    return shutil.which("opendkim", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def opendkim(folder: Path, name: str) -> Verifier:
    """OpenDKIM, working in ``folder``; ``name`` is that of the record in DNS."""
    program = opendkim_program()
    assert program is not None, "ask for it first"

    def verify(messages: Sequence[bytes], record: str) -> list[bool]:
        (folder / "keys").write_text(f"{name} {record}\n", encoding="ascii")
        settings = folder / "conf"
        settings.write_text(f"Mode v\nSyslog no\nTestPublicKeys {folder / 'keys'}\n", "ascii")
        verdicts: list[bool] = []
        for start in range(0, len(messages), _AT_ONCE):
            share = messages[start : start + _AT_ONCE]
            names = [str(number) for number in range(len(share))]
            for number, message in zip(names, share, strict=True):
                (folder / number).write_bytes(message)
            command = [program, "-x", str(settings), "-t", ",".join(names)]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            told = _told(done.stdout + done.stderr)
            verdicts += [told.get(number, False) for number in names]
        return verdicts

    return verify


def _told(output: str) -> dict[str, bool]:
    """Each file OpenDKIM says anything of, and whether its one signature holds."""
    told: dict[str, bool] = {}
    for line in output.splitlines():
        found = re.match(r"opendkim: (\d+): (verification .* succeeded$)?", line)
        if found:
            told[found[1]] = bool(found[2]) and told.get(found[1], True)
    return told


def mailauth(messages: Sequence[bytes], record: str) -> list[bool]:
    """What mailauth says of each message."""
    lines = [record, *(base64.b64encode(message).decode("ascii") for message in messages)]
    done = subprocess.run(
        ["node", str(_SCRIPT)],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    verdicts = done.stdout.splitlines()
    assert len(verdicts) == len(messages)
    return [verdict == "pass" for verdict in verdicts]
