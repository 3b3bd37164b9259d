"""What a signed form says, read from the text that was signed. Pure.

Twilio signs the URL and then each name and value of the form, sorted, with no borders between them. So one signature
fits many forms: the text of a form with `From=sip:aCallSidCA...` is also that of a form with another CallSid. What is
read here is read from that text alone, so under one signature it has one meaning, wherever the borders are; a form
that says something else is refused. Whatever else a form holds, free text from callers included, is not read.
"""

import hmac
import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from attrs import frozen

Form = Sequence[tuple[str, str]]

MARK_LETTERS: Final = 32

CALL_SID: Final = re.compile(r"CA[0-9a-f]{32}")
ONCE: Final = ("CallSid", "AccountSid", "From", "To")
"""What we read of a form: with two values it would mean one thing here and another to whoever looks next."""

PATH: Final = re.compile(r"[a-z0-9/_-]*")
"""A path of ours ends where the form's first name begins, with a capital, or a query does."""

ACCOUNT: Final = re.compile(r"AccountSid(AC[0-9a-fA-F]{32})")
CALL: Final = re.compile(r"CallSid(CA[0-9a-f]{32})")

QUERY: Final = re.compile(
    r"\?(?:(?:turn=(?P<turn>\d)&)?leg=(?P<leg>\d{1,4})|n=(?P<n>[A-Za-z0-9_-]{43})|hop=(?P<hop>\d))"
)
PASSED_ON: Final = re.compile(r"\?hop=\d(?=[A-Z]|$)")
"""What we write behind a path of ours; a nonce has one length, so that it ends in one place."""

HIDDEN: Final = "anonymous|blocked|private|restricted|unavailable|unknown"
PARTY: Final = rf"(\+?\d{{3,20}}(?!\d)|(?i:{HIDDEN})|(?=(?:sips?|client|sim|whatsapp):))"
"""How a party is written: a number, which ends with its digits; a word in its place; or another address."""

FROM: Final = re.compile(rf"(?<!Forwarded)From{PARTY}")
TO: Final = re.compile(rf"(?<![_-])To{PARTY}")
"""Behind `_` or `-` it would be the end of a SIP header's name."""


@frozen
class Reading:
    """What a form says of the call it is about; a caller or called number that can't be told for sure is empty."""

    account_sid: str
    call_sid: str
    caller: str
    called: str


def read_form(target: str, form: Form) -> Reading | None:
    """Return what a form that came to this raw target says; None when it can be read in another way too."""
    names = [name for name, _ in form]
    if any(names.count(name) > 1 for name in ONCE):
        return None
    text, said = signed_text(target, form), dict(form)
    at = PATH.match(text).end()  # type: ignore[union-attr]  # it matches nothing at all, too
    if text[:at] != target.partition("?")[0]:
        return None
    account, at = _next(ACCOUNT, text, at)
    call, at = _next(CALL, text, at)
    caller, behind = _address(FROM, "Caller", text, at, twins_at=at)
    called, _ = _address(TO, "Called", text, behind, twins_at=at)
    reading = Reading(account, call, caller, called)
    is_sure = (said.get("AccountSid", ""), said.get("CallSid", "")) == (account, call)
    return (
        reading if is_sure and caller in ("", said.get("From")) and called in ("", said.get("To")) else None
    )


def signed_text(target: str, form: Form) -> str:
    """Return what Twilio signs behind the host's name: a name that comes twice with one value is signed once."""
    return target + "".join(name + value for name, value in sorted(set(form)))


def query_of(target: str, form: Form) -> dict[str, str]:
    """Return what the query of this raw target says; nothing when it is none of ours, or can be read in another way."""
    path, mark, query = target.partition("?")
    found = QUERY.match(signed_text(target, form), len(path))
    if found is None or found[0] != mark + query:
        return {}
    return {name: value for name, value in found.groupdict().items() if value is not None}


def marks_of(tokens: Sequence[str], target: str, form: Form) -> tuple[str, ...]:
    """Return what a signed request is known by when it comes again, however it is cut up, for each of our tokens.

    Keyed, so that nobody finds out a number in it by trying them all; and of other bytes than the signature.
    """
    path = len(target.partition("?")[0])
    signed = signed_text(target, form)
    passed_on = PASSED_ON.match(signed, path)
    if passed_on is not None:  # by a host of several: it is the same request, wherever the next cut is
        signed = signed[:path] + signed[passed_on.end() :]
    text = f"bridge {signed}".encode("utf-8", "replace")
    return tuple(
        hmac.digest(token.encode(), text, "sha256").hex()[:MARK_LETTERS] for token in tokens or ("",)
    )


def _next(pattern: re.Pattern[str], text: str, at: int) -> tuple[str, int]:
    """Return the first match from here on, and where it ends."""
    found = pattern.search(text, at)
    return (found[1], found.end()) if found else ("", at)


def _address(pattern: re.Pattern[str], twin: str, text: str, at: int, *, twins_at: int) -> tuple[str, int]:
    """Return an address and where it ends.

    One that is no number has no end of its own. Twilio says it twice, as `twin` before, with another name behind: it
    ends where the two texts begin to differ. Said once, it can't be told.
    """
    found = pattern.search(text, at)
    if found is None:
        return "", at
    if found[1]:
        return found[1], found.end()
    before = text.find(twin + text[found.end() : found.end() + 4], twins_at, found.start())
    same = zip(text[before + len(twin) :], text[found.end() :], strict=False) if before >= 0 else ()
    address = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], same))
    return address, found.end() + len(address)
