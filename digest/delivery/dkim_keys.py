"""The keys that sign our mail: files of this machine, one folder for each sending domain.

``<folder>/<domain>/<selector>.pem`` holds a private key (PKCS #8), ``selectors.json`` says which
one signs and since when earlier ones do not. Keys lie outside the database: a backup of it signs no
mail. A file that anybody but its owner may read is refused, as SSH does with its keys.

A key is changed in two steps, so that every signature finds its record (RFC 6376 §3.1): the next
key is made and its record published while the old one signs on; then the next one signs, and the
old record stays until the last signature under it has run out (``mail.dkim.LIFETIME``).
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from digest.errors import AddressError, ConflictError, InputError, NotFoundError, SettingsError
from digest.mail.address import parse_address
from digest.mail.dkim import KEY_BITS, LIFETIME, Signer, check_key_size, record_value

_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700
_OPEN = stat.S_IRWXG | stat.S_IRWXO
_STATES_FILE = "selectors.json"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class KeyState(StrEnum):
    """What a key is for, now."""

    ACTIVE = "active"  # signs
    NEXT = "next"  # its record is to be published; it signs once it is activated
    RETIRED = "retired"  # signs no more; its record is still needed for what is under way


@dataclass(frozen=True, slots=True)
class DkimKey:
    """One key of a domain. ``record`` is the value of its TXT record, under ``name``.

    ``remove_at`` is when nobody needs the record of a retired key any more.
    """

    domain: str
    selector: str
    state: KeyState
    record: str
    bits: int
    remove_at: datetime | None = None

    @property
    def name(self) -> str:
        """Where the record stands in DNS."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class _Domain:
    """The folder of one domain, as ``selectors.json`` and the names of its files say."""

    folder: Path
    active: str
    retired: Mapping[str, datetime]
    selectors: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def next(self) -> str | None:
        waiting = [s for s in self.selectors if s != self.active and s not in self.retired]
        return waiting[0] if waiting else None

    def path(self, selector: str) -> Path:
        return self.folder / f"{selector}.pem"


class KeyFolder:
    """All keys of an installation; ``DIGEST_DKIM__FOLDER`` names the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def domains(self) -> list[str]:
        """The domains that have a key."""
        try:
            return sorted(p.name for p in self._folder.iterdir() if (p / _STATES_FILE).is_file())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unusable(self._folder, error) from None

    def keys(self, domain: str) -> list[DkimKey]:
        """The keys of ``domain``: the one that signs, the next one, those that signed before.

        NotFoundError where it has none, SettingsError for a file that cannot be used.
        """
        found = self._domain(domain)
        keys = [self._described(found, selector) for selector in found.selectors]
        return sorted(keys, key=lambda key: (list(KeyState).index(key.state), key.selector))

    def create(self, domain: str, *, now: datetime) -> DkimKey:
        """Make the first key of ``domain``, which signs from now on; ConflictError where it has
        one.
        """
        domain = normal_domain(domain)
        if domain in self.domains():
            raise ConflictError(
                f"There is a DKIM key for {domain} already.",
                where=str(self._folder / domain),
                fix=f"Show its record: digest dkim show-dns {domain}. "
                f"Change it: digest dkim rotate {domain}.",
            )
        folder = _private_folder(_private_folder(self._folder) / domain)
        empty = _Domain(folder, "", {}, ())
        selector = self._make(empty, now)
        _write_states(replace(empty, active=selector))
        return self._described(self._domain(domain), selector)

    def prepare_next(self, domain: str, *, now: datetime) -> DkimKey:
        """The key that will sign next; made now where there is none yet.

        Keys whose records nobody needs any more go.
        """
        found = self._domain(domain)
        gone = {name for name, since in found.retired.items() if since + LIFETIME <= now}
        if gone:
            left = {name: since for name, since in found.retired.items() if name not in gone}
            _write_states(replace(found, retired=left), forgotten=gone)
            found = self._domain(domain)
        selector = found.next or self._make(found, now)
        return self._described(self._domain(domain), selector)

    def activate_next(self, domain: str, *, now: datetime) -> DkimKey:
        """Sign with the next key from now on; NotFoundError where none was made."""
        found = self._domain(domain)
        if found.next is None:
            raise NotFoundError(
                f"There is no next key for {found.name}.",
                where=str(found.folder),
                fix=f"Make one: digest dkim rotate {found.name}.",
            )
        retired = {**found.retired, found.active: now}
        _write_states(replace(found, active=found.next, retired=retired))
        return self._described(self._domain(domain), found.next)

    def signers(self) -> Signers:
        """What signs for every domain; every file is checked. SettingsError names a bad one."""
        signers = []
        for domain in self.domains():
            found = self._domain(domain)
            key = _read_key(found.path(found.active))
            signers.append(Signer(key, domain=found.name, selector=found.active))
        return Signers(signers)

    def export(self) -> dict[str, bytes]:
        """Every file of every domain, by ``<domain>/<file>``; SettingsError names a bad key."""
        files: dict[str, bytes] = {}
        for domain in self.domains():
            found = self._domain(domain)
            for selector in found.selectors:
                _read_key(found.path(selector))
            paths = [found.folder / _STATES_FILE, *map(found.path, found.selectors)]
            files |= {f"{found.name}/{path.name}": path.read_bytes() for path in paths}
        return files

    def differing(self, files: Mapping[str, bytes]) -> list[str]:
        """The domains among ``files`` that have other keys, or other files, here."""
        here = self.export()
        domains = {name.partition("/")[0] for name in files} & set(self.domains())
        return sorted(one for one in domains if _of(one, files) != _of(one, here))

    def take_in(self, files: Mapping[str, bytes]) -> None:
        """Put files back that ``export`` gave, over those of the same domains."""
        for domain in {name.partition("/")[0] for name in files}:
            folder = _private_folder(_private_folder(self._folder) / normal_domain(domain))
            for path in folder.glob("*.pem"):
                if f"{domain}/{path.name}" not in files:
                    path.unlink()
            # What says which key signs comes last: until then there is no domain.
            parts = _of(domain, files)
            for name, data in sorted(parts.items(), key=lambda part: part[0] == _STATES_FILE):
                _write_private(folder / name, data)

    def _make(self, found: _Domain, now: datetime) -> str:
        """A new key file; its selector."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        selector = _free_selector(found.selectors, now)
        _write_private(found.path(selector), pem)
        return selector

    def _domain(self, domain: str) -> _Domain:
        domain = normal_domain(domain)
        folder = self._folder / domain
        path = folder / _STATES_FILE
        try:
            states = json.loads(path.read_text(encoding="utf-8"))
            retired = {name: datetime.fromisoformat(at) for name, at in states["retired"].items()}
            active = str(states["active"])
            selectors = tuple(sorted(file.stem for file in folder.glob("*.pem")))
        except FileNotFoundError:
            raise NotFoundError(
                f"There is no DKIM key for {domain}.",
                where=str(folder),
                fix=f"Make one: digest dkim new {domain}.",
            ) from None
        except OSError as error:
            raise _unusable(path, error) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SettingsError(
                "This does not say which key signs.",
                where=str(path),
                fix='Restore the file, or write {"active":"SELECTOR","retired":{}} into it.',
            ) from None
        return _Domain(folder, active, retired, selectors)

    def _described(self, found: _Domain, selector: str) -> DkimKey:
        key = _read_key(found.path(selector))
        since = found.retired.get(selector)
        state = KeyState.RETIRED if since else KeyState.NEXT
        return DkimKey(
            domain=found.name,
            selector=selector,
            state=KeyState.ACTIVE if selector == found.active else state,
            record=record_value(key.public_key()),
            bits=key.key_size,
            remove_at=since + LIFETIME if since and selector != found.active else None,
        )


class Signers:
    """The signers of an installation, found by the domain of a From field."""

    def __init__(self, signers: Sequence[Signer] = ()) -> None:
        self._by_domain = {signer.domain: signer for signer in signers}

    def __bool__(self) -> bool:
        return bool(self._by_domain)

    def of(self, domain: str) -> Signer | None:
        """The signer of ``domain``, else of the nearest domain above it, which is aligned too."""
        return next(
            (found for name in _upwards(domain.lower()) if (found := self._by_domain.get(name))),
            None,
        )


def _of(domain: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {
        name.partition("/")[2]: data
        for name, data in files.items()
        if name.partition("/")[0] == domain
    }


def normal_domain(text: str) -> str:
    """A domain in A-labels and lower case; InputError for what is none."""
    try:
        return parse_address(f"a@{text.strip().rstrip('.')}").domain
    except AddressError:
        raise InputError(
            f"{text[:80]!r} is no domain.", where="DOMAIN", fix="Like news.example.org."
        ) from None


def _upwards(domain: str) -> Iterator[str]:
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]


def _free_selector(taken: Sequence[str], now: datetime) -> str:
    """``d20261126``, with a letter behind it where it is taken: a name never comes back, for
    resolvers remember the key it had.
    """
    day = f"d{now.astimezone(UTC):%Y%m%d}"
    names = (day, *(day + letter for letter in _LETTERS))
    free = next((name for name in names if name not in taken), None)
    if free is None:
        raise ConflictError("There were too many new keys today.", fix="Go on tomorrow.")
    return free


def _read_key(path: Path) -> rsa.RSAPrivateKey:
    """The private key in a file that nobody else can read; SettingsError says what is wrong."""
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            data = file.read(64 << 10)
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        key = serialization.load_pem_private_key(data, password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("it is no RSA key")
        check_key_size(key.key_size)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"This is no key DKIM mail can be signed with: {str(error).splitlines()[0]}.",
            where=str(path),
            fix="Restore the file, or remove its folder and run `digest dkim new`.",
        ) from None
    return key


def _check_private(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise SettingsError(
            "The key belongs to another user of this machine.",
            where=str(path),
            fix=f"Run as that user, or: chown {os.geteuid()} {path}",
        )
    if found.st_mode & _OPEN:
        raise SettingsError(
            f"Others on this machine may read the key (mode {stat.S_IMODE(found.st_mode):04o}).",
            where=str(path),
            fix=f"chmod 600 {path}",
        )


def _private_folder(path: Path) -> Path:
    try:
        path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from None
    return path


def _write_states(found: _Domain, *, forgotten: set[str] | None = None) -> None:
    retired = {name: at.astimezone(UTC).isoformat() for name, at in found.retired.items()}
    text = json.dumps({"active": found.active, "retired": retired}, indent=1) + "\n"
    _write_private(found.folder / _STATES_FILE, text.encode("ascii"))
    for selector in forgotten or ():
        found.path(selector).unlink(missing_ok=True)


def _write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step; nobody else can read it at any moment."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), _PRIVATE_FILE)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unusable(path, error) from None


def _unusable(path: Path, error: OSError) -> SettingsError:
    reason = error.strerror or str(error)
    return SettingsError(
        f"The DKIM keys cannot be used: {reason}.", where=str(path), fix="Check its permissions."
    )
