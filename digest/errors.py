"""Everything that can go wrong, as one tree.

::

    DigestError                      exit 2
    ├── InputError                   a file, row or field that cannot be used
    │   ├── IssueFileError           an issue file: path:line:column
    │   ├── ThemeError               an MJML template of a theme: path:line:column
    │   └── ReaderFileError          a file of readers
    ├── AddressError                 an address no mail can be sent to
    ├── SettingsError                a setting that is missing, wrong or contradicts the database
    ├── NotFoundError                no such newsletter, issue or reader
    ├── ConflictError                something else already has this name, number or state
    ├── DatabaseError                the database cannot be used as it is
    ├── FetchError                   a page could not be fetched: what the trouble is
    ├── DnsError                     nobody could tell what the DNS says
    ├── RefusedError                 exit 1: the answer is "no"
    └── RelayError                   the relay gave no reply: phase and blame

A class's docstring is its message where none is given. ``exit_code`` is what the command line
returns; ``where`` says which file, row or field to look at, ``fix`` what to do.
"""

from __future__ import annotations

from typing import ClassVar


class DigestError(Exception):
    """Something went wrong."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str = "", *, where: str = "", fix: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.where = where
        self.fix = fix
        super().__init__(self.message)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" {self.fix}" if self.fix else ""
        return f"{place}{self.message}{advice}"


class InputError(DigestError):
    """The input cannot be used."""


class IssueFileError(InputError):
    """The issue file cannot be used."""


class ThemeError(InputError):
    """The theme cannot be used."""


class ReaderFileError(InputError):
    """The file of readers cannot be used."""


class AddressError(DigestError):
    """No mail can be sent to this address."""


class SettingsError(DigestError):
    """A setting is missing or wrong."""


class NotFoundError(DigestError):
    """There is nothing by that name."""


class ConflictError(DigestError):
    """Something by that name is there already."""


class DatabaseError(DigestError):
    """The database cannot be used as it is."""


class FetchError(DigestError):
    """The page could not be fetched. ``trouble`` is one of rules.link.Trouble."""

    def __init__(self, message: str = "", *, trouble: str, where: str = "") -> None:
        super().__init__(message, where=where)
        self.trouble = trouble


class DnsError(DigestError):
    """Nobody could tell what the DNS says."""


class RefusedError(DigestError):
    """The answer is no."""

    exit_code = 1


class RelayError(DigestError):
    """The relay gave no reply to a message. ``code``: of what it said instead, if anything."""

    def __init__(
        self,
        message: str = "",
        *,
        phase: str,
        blame: str,
        where: str = "",
        code: int | None = None,
    ) -> None:
        super().__init__(message, where=where)
        self.phase = phase
        self.blame = blame
        self.code = code
