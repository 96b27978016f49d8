"""Where a report for people ends, whom it names, and what it says of each.

Addresses stand in a list below a phrase, each followed by its diagnosis, or in one sentence with
it. Items of a list have one shape: the same indentation, the same brackets. That tells the next
recipient from an address inside a diagnosis, whatever program wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from digest.mail.bounce import families
from digest.mail.mime import LINE_MAX
from digest.mail.scan import addresses, clean_address, first_address

TEXT_MAX = 48 << 10  # characters of a report for people; a long one is a returned mail
LINES_MAX = 1_500
RECIPIENTS_MAX = 100
DIAGNOSIS_MAX = 1_500
# Who answers questions about a report, in whose text they stand.
CONTACTS = ("postmaster@", "mailer-daemon@", "abuse@", "support@", "helpdesk@", "admin@", "root@")
_SENTENCE_MAX = 300
_NEAR = 700  # characters between a phrase and the first address it introduces
_SHORT_LIST = 12  # lines
_LABEL_WORDS = 6  # a name or a label before an address has fewer
_EXAMPLES = ("e.g.", "for example", "such as")
_LEADING = frozenset("to for address user recipient mailbox account rcpt".split())

# The returned mail starts here, where no MIME part says so.
_RETURNED = re.compile(
    r"^(?:> ?){0,3}(?:Received|Return-[Pp]ath|DKIM-Signature|Delivered-To|X-Received"
    r"|DomainKey-Signature|X-Google-Smtp-Source|X-Envelope-From|X-Gm-Message-State|ARC-Seal"
    r"|MIME-[Vv]ersion|Message-I[Dd]):[ \t]",
    re.MULTILINE,
)
_MARKS = (
    "below this line is a copy",
    "below the next line is a copy",
    "this is a copy of the message",
    "this is a copy of your message",
    "here is a copy of",
    "copy of the original message",
    "copy of your message",
    "original message follows",
    "original message is attached",
    "original message attached",
    "original message as received",
    "original mail as follows",
    "original message -----",
    "original message ----",
    "--original message",
    "-original message",
    "original mail info",
    "original message headers",
    "original message header",
    "returned message",
    "returned mail follows",
    "returned mail ---",
    "start of returned message",
    "unsent message",
    "message headers follow",
    "message header follows",
    "message text follows",
    "header of the source mail",
    "headers of the original",
    "text of your message",
    "the text of the message",
    "contents of your message",
    "your original message",
    "the first part of the message",
    "message body follows",
    "original headers",
    "ursprüngliche nachricht",
    "message d'origine",
    "mensaje original",
    "messaggio originale",
)
_LABELS = re.compile(
    r"(?:(?:failed |final |original |intended )?(?:recipient|user|address|mailbox|account|to|smtp"
    r"|rfc822|addr|e-?mail|rcpt)s?(?: address)?\s{0,4}[:;=]\s{0,4})",
    re.IGNORECASE,
)
_TRANSCRIPT = re.compile(r"\brcpt to:[ \t]{0,8}<?([^\s<>]{3,320})>?", re.IGNORECASE)
_REFUSED = re.compile(r"^[\s<>*:+-]{0,12}(?:\w{1,12}[ :]{1,3}){0,2}[45]\d\d[ -]", re.MULTILINE)
_NUMBERED = re.compile(r"^\s{0,8}\d{1,3}[.)]\s")
_NAME = re.compile(r"\s{0,8}[\"']?\w[\w.,' -]{0,60}[\"']?\s{0,4}[<(\[]")  # Anne Meyer <
_HEADER = re.compile(r"[> ]{0,4}[A-Z][A-Za-z-]{1,40}: ")
_ANGLES = re.compile(r"^[ \t]{0,1}<([^<>\s]{1,128}@[^<>\s]{1,255})>:?[ \t]{0,8}", re.MULTILINE)
_ENDS = (":", "-", "=", "*", ".", ";")
_STAMP = re.compile(r"^(?:> ?)+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Named:
    """A recipient a report for people names, and what it says of it."""

    address: str
    text: str
    family: str


def split_returned(text: str) -> tuple[str, str]:
    """The report for people and the returned mail behind it, which may be empty."""
    text = unquoted(text)
    text = "\n".join(line[:LINE_MAX] for line in text[:TEXT_MAX].split("\n", LINES_MAX)[:LINES_MAX])
    header = _RETURNED.search(text)
    end = header.start() if header and header.start() > 0 else len(text)
    lowered = text[:end].lower()
    mark = min((at for at in (lowered.find(m) for m in _MARKS) if at > 0), default=-1)
    if mark > 0:
        start = text.rfind("\n", 0, mark) + 1
        after = text.find("\n", mark)
        # Reports announce a copy in their first lines, too; only what is followed by nothing more
        # of the report is the end of it.
        if after > 0 and first_address(text[:start]) and _is_end(text[start:after], text[after:]):
            return text[:start], text[after + 1 :].lstrip("\n")
    return text[:end], text[end:]


def _is_end(line: str, rest: str) -> bool:
    """Whether a line that speaks of the returned mail parts it from the report."""
    if line.lstrip(" >")[:1] in ("-", "=", "*", "_", "+", "#") or line.rstrip().endswith("-"):
        return True
    return any(_HEADER.match(below) for below in rest[:600].split("\n")[1:6])


def unquoted(text: str) -> str:
    """A forwarded report without the marks of quotation, where most of its lines have them."""
    lines = text.split("\n")
    quoted = sum(line.startswith(">") for line in lines)
    return _STAMP.sub("", text) if quoted * 2 > len(lines) else text


def forwarded_statuses(text: str) -> str:
    """The delivery-status block of a report that somebody forwarded in a quotation, or ""."""
    block = unquoted(text[:TEXT_MAX])
    at = block.lower().find("\nfinal-recipient:") if block != text[:TEXT_MAX] else -1
    return block[at + 1 : at + 1 + DIAGNOSIS_MAX] if at >= 0 else ""


def named_recipients(text: str, *, own: Sequence[str], domain: str) -> list[Named]:
    """The recipients a report names, by the first family whose phrase leads to one.

    ``own`` are addresses that are ours (where the report was sent), never taken from loose
    sentences; ``domain`` is the reporting system's, for families that leave it out.
    """
    found = _angle_list(text)
    if found:
        return [Named(address, said, "angles") for address, said in found]
    flat = text.lower().replace("\n", " ")
    listed = _bare_items(text, own)
    for family in families.FAMILIES:
        if listed and family.name == "sentence":
            return [Named(address, said, "list") for address, said in listed]
        for phrase in family.phrases:
            at = _find(flat, phrase)
            if at is None:
                continue
            start, end = at
            if family.before:
                found = _before(text, start, end, own)
            elif family.bare:
                found = _bare_list(text, end, domain)
            else:
                found = _below(text, start, end, own, strict=family.name == "sentence")
            if found:
                return [Named(address, said, family.name) for address, said in found]
    return []


def transcript_recipients(text: str) -> list[Named]:
    """Recipients of a session's transcript whose RCPT command, or what came after, was refused."""
    found: list[Named] = []
    commands = list(_limited(_TRANSCRIPT, text))
    for number, command in enumerate(commands):
        end = commands[number + 1].start() if number + 1 < len(commands) else len(text)
        said = text[command.end() : min(end, command.end() + DIAGNOSIS_MAX)]
        address = clean_address(command[1])
        if address and _REFUSED.search(said) and all(address != n.address for n in found):
            found.append(Named(address, said, "transcript"))
    return found


def said_of(text: str, address: str, others: Sequence[str]) -> str:
    """What ``text`` says after it names ``address``, up to the next of the ``others``."""
    lowered = text.lower()
    at = lowered.find(address.lower())
    if at < 0:
        at = lowered.find(address.lower().partition("@")[0])
    if at < 0:
        return ""
    start = at + len(address)
    last = start + DIAGNOSIS_MAX
    ends = [last]
    for other in others:
        if other != address:
            ends += [lowered.find(f"\n{mark}{other.lower()}", start, last) for mark in ("  ", "<")]
    return text[start : min(end for end in ends if end > 0)]


def _limited(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    for number, found in enumerate(pattern.finditer(text)):
        if number == RECIPIENTS_MAX:
            return
        yield found


def _find(flat: str, phrase: str) -> tuple[int, int] | None:
    first, star, second = phrase.partition("*")
    start = flat.find(first)
    if start < 0:
        return None
    if not star:
        return start, start + len(phrase)
    end = flat.find(second, start, start + _SENTENCE_MAX)
    return None if end < 0 else (start, end + len(second))


def _below(
    text: str, start: int, end: int, own: Sequence[str], *, strict: bool
) -> list[tuple[str, str]]:
    """Addresses after a phrase: the items of a list, or the one of the sentence."""
    near = text[end : end + (_SENTENCE_MAX if strict else _NEAR)]
    for at, after, address in addresses(near):
        line_start = near.rfind("\n", 0, at) + 1
        before = near[line_start:at]
        if any(word in near[max(0, at - _SENTENCE_MAX) : at] for word in _EXAMPLES):
            return []
        if line_start > 0 and (_is_item(before) or _NAME.fullmatch(before)):
            return _items(text[end:], line_start)
        if strict and near[:at].count("\n") > 2:
            return []
        if address.lower() in own:
            continue
        if line_start > 0 and not strict and not _leads(before):
            continue  # an address in a sentence between the phrase and its list
        sentence = text[text.rfind("\n", 0, start) + 1 : end]
        said = f"{sentence} {text[end + after : end + after + DIAGNOSIS_MAX]}"
        more = [(one, said) for one in _beside(near[after:])]
        return [(address, said), *more, *_again(text, text[start:end], end + after)]
    return []


def _leads(before: str) -> bool:
    """Whether what stands before an address in its line leads to it: a name, a label, a word."""
    words = before.split()
    if not words or words[-1][-1] in "<([:=;,":
        return len(words) < _LABEL_WORDS
    return words[-1].lower() in _LEADING


def _beside(text: str) -> Iterator[str]:
    """The addresses that ``text`` goes on with, behind another one and a comma or semicolon."""
    text, last = text[:TEXT_MAX], 0
    for at, after, address in addresses(text):
        if text[last:at].strip(" \t\n<>()[]\"'") not in (",", ";"):
            return
        last = after
        yield address


def _again(text: str, phrase: str, start: int) -> Iterator[tuple[str, str]]:
    """Further recipients, each in a line of its own that starts with the same phrase."""
    for _ in range(RECIPIENTS_MAX):
        at = text.find("\n" + phrase, start)
        if at < 0:
            return
        start = at + 1 + len(phrase)
        line = text[start : text.find("\n", start) % (len(text) + 1)]
        address = first_address(line)
        if address:
            yield address, text[at : start + DIAGNOSIS_MAX]


def _angle_list(text: str) -> list[tuple[str, str]]:
    """Lines that start with ``<anne@example.org>:``, as qmail, Postfix and their kin write them."""
    for found in _limited(_ANGLES, text):
        above = text[: found.start()].rstrip("\n")
        # Not the last words of a sentence: "please write to\n<postmaster@…>".
        if text[: found.start()].endswith("\n\n") or above.endswith(_ENDS) or not above:
            return _items(text, found.start())
    return []


def _bare_items(text: str, own: Sequence[str]) -> list[tuple[str, str]]:
    """A list that nothing introduces: two lines or more of one shape, none of them ours."""
    start = 0
    for line in text.split("\n"):
        if _item(line):
            found = _items(text, start)
            ours = any(address in own for address, _ in found)
            return found if len(found) > 1 and not ours else []
        start += len(line) + 1
    return []


def _is_item(before: str) -> bool:
    """Whether what stands before an address makes it the first thing of its line."""
    rest = _LABELS.sub("", _NUMBERED.sub("", before).strip(" \t<>\"'*-•·[(=|"))
    return not rest.strip(" \t<>\"'*-•·[(|:")


def _items(text: str, start: int) -> list[tuple[str, str]]:
    """The items of the list whose first line starts at ``start``: address and diagnosis."""
    found: list[tuple[str, list[str]]] = []
    shape = None
    for line in text[start : start + TEXT_MAX].split("\n"):
        item = _item(line)
        if item is not None and (shape is None or item[0] == shape):
            if len(found) == RECIPIENTS_MAX:
                break
            shape = item[0]
            if all(item[1] != address for address, _ in found):
                said = [item[2]]
                found += [(address, said) for address in (item[1], *_beside(item[2]))]
                continue
        if found and len(found[-1][1]) < 40:
            found[-1][1].append(line)
    told = ((address, "\n".join(said)[:DIAGNOSIS_MAX]) for address, said in found)
    return list(told)[:RECIPIENTS_MAX]


def _item(line: str) -> tuple[tuple[str, str], str, str] | None:
    """Shape, address and rest of a line that starts with an address."""
    if "@" not in line:
        return None
    for at, after, address in addresses(line):
        before, rest = _NUMBERED.sub("", line[:at]), line[after:].lstrip(">\"' ")
        if _NAME.fullmatch(before) and not address.startswith(CONTACTS):
            return ("a name", before[-1]), address, rest
        if not _is_item(before):
            return None
        return (before, rest[:1] if rest[:1] in (":", "") else " "), address, rest
    return None


def _before(text: str, start: int, end: int, own: Sequence[str]) -> list[tuple[str, str]]:
    """The last address before a phrase, in the same sentence."""
    said = text[max(0, start - _SENTENCE_MAX) : start]
    found = [address for _, _, address in addresses(said) if address.lower() not in own]
    return [(found[-1], said + text[start : end + DIAGNOSIS_MAX])] if found else []


def _bare_list(text: str, end: int, domain: str) -> list[tuple[str, str]]:
    """The names of one domain in the lines below a phrase."""
    found: list[tuple[str, str]] = []
    sentence = text[max(0, end - 200) : end + _SENTENCE_MAX]
    for line in text[end:].split("\n")[1 : _SHORT_LIST + 1]:
        word = line.strip()
        if line[:1] in (" ", "\t") and word and " " not in word:
            found.append(((word if "@" in word else f"{word}@{domain}").lower(), sentence))
    return found
