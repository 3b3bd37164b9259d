"""The forms with which a call is asked for by REST, and told what to do: read, or refused with Twilio's own number."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

import attrs

from replay.phone.instructions.orders import (
    BAD_REQUEST,
    INVALID_URL,
    NOT_IN_PROGRESS,
    UNKNOWN_PARAMETERS,
    Order,
    Orders,
    Redirection,
    RestError,
)
from replay.phone.instructions.verbs import Verb
from replay.phone.script import Account
from replay.phone.twiml import TwilioError, parse

MAX_TWIML_CHARS = 4_000
MAX_DIGITS = 32
EVENTS = ("initiated", "ringing", "answered", "completed")
TEST_CALLEES = {"+15005550001": 21217, "+15005550002": 21214, "+15005550003": 21215, "+15005550004": 21216}
TEST_CALLERS = {"+15005550001": 21212}
GOOD_CALLER = "+15005550006"
NOT_OURS, BAD_FROM, BAD_TO = 21210, 21212, 21211
BAD_DIGITS, BAD_TIMEOUT, NO_CALLBACK = 21206, 21208, 21262

UNANSWERED = ("queued", "initiated", "ringing")

Form = Mapping[str, Sequence[str]]


@attrs.frozen(kw_only=True)
class Placed:
    """A call that was asked for, and can be made."""

    to_number: str
    from_number: str
    url: str = ""
    twiml: str = ""
    method: str = "POST"
    status_callback: str | None = None
    status_events: frozenset[str] = frozenset({"completed"})
    timeout_s: int = 60
    time_limit_s: int = 14_400
    send_digits: str = ""
    detects: str = ""  # Enable or DetectMessageEnd
    is_async: bool = False
    amd_callback: str | None = None


def placed(form: Form, account: Account) -> Placed:
    """Return what a form asks for; RestError with the number Twilio would give."""
    digits = _one(form, "SendDigits")
    detects = _one(form, "MachineDetection")
    url, twiml = _document(form)
    return Placed(
        to_number=_callee(_one(form, "To")),
        from_number=_caller(_one(form, "From"), account),
        url=url,
        twiml=twiml,
        method=_one(form, "Method", "POST").upper(),
        status_callback=_url(form, "StatusCallback") or None,
        status_events=_events(form),
        timeout_s=_whole(form, "Timeout", 60, 600, BAD_TIMEOUT),
        time_limit_s=_whole(form, "TimeLimit", 14_400, 86_400, UNKNOWN_PARAMETERS),
        send_digits=_digits(digits),
        detects="" if digits else _detects(detects),  # to send digits switches detection off
        is_async=_one(form, "AsyncAmd").lower() == "true",
        amd_callback=_url(form, "AsyncAmdStatusCallback") or None,
    )


def _one(form: Form, name: str, default: str = "") -> str:
    values = form.get(name, ())
    return values[-1] if values else default


def _callee(number: str) -> str:
    if number in TEST_CALLEES:
        raise RestError(400, TEST_CALLEES[number], f"{number} can't be called: a test number")
    if not re.fullmatch(r"\+[1-9]\d{6,14}|sip:[^\s]+|client:[^\s]+", number):
        raise RestError(400, BAD_TO, f"The 'To' number {number[:40]} is not a valid phone number")
    return number


def _caller(number: str, account: Account) -> str:
    if number in TEST_CALLERS or not re.fullmatch(r"\+[1-9]\d{6,14}|client:[^\s]+|sip:[^\s]+", number):
        raise RestError(400, BAD_FROM, f"The 'From' number {number[:40]} is not a valid phone number")
    if number not in (account.number, GOOD_CALLER):
        raise RestError(400, NOT_OURS, f"'From' phone number {number} is neither ours nor verified")
    return number


def _document(form: Form) -> tuple[str, str]:
    """The URL that is asked when the call is answered, or the TwiML that was sent along: the URL wins."""
    url, twiml = _url(form, "Url"), _one(form, "Twiml")
    if url:
        return url, ""
    if not twiml:
        raise RestError(400, INVALID_URL, "Url parameter is required")
    if len(twiml) > MAX_TWIML_CHARS:
        raise RestError(400, BAD_REQUEST, f"Twiml has {len(twiml)} characters, {MAX_TWIML_CHARS} fit")
    try:
        parse(twiml, "")
    except TwilioError as error:
        raise RestError(400, error.code, error.text) from error
    return "", twiml


def _url(form: Form, name: str) -> str:
    url = _one(form, name)
    if url and not is_url(url):
        raise RestError(400, INVALID_URL, f"{name} {url[:200]!r} is not a valid URL")
    return url


def is_url(url: str) -> bool:
    """Whether something can be asked for there."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _events(form: Form) -> frozenset[str]:
    """The events to be told, as repeated keys: several words in one value are no event at all."""
    return frozenset(form.get("StatusCallbackEvent", ("completed",))) & frozenset(EVENTS)


def _whole(form: Form, name: str, default: int, most: int, code: int) -> int:
    text = _one(form, name, str(default))
    if not text.isdecimal() or len(text) > 6 or not 0 < int(text) <= most:
        raise RestError(400, code, f"{name} {text[:40]!r}: a number from 1 to {most}")
    return int(text)


def _digits(digits: str) -> str:
    if not re.fullmatch(r"[0-9A-Da-d*#wW]{0,32}", digits):
        raise RestError(400, BAD_DIGITS, f"SendDigits {digits[:40]!r}: up to {MAX_DIGITS} of 0-9 A-D * # w W")
    return digits


def _detects(word: str) -> str:
    if word not in ("", "Enable", "DetectMessageEnd"):
        raise RestError(
            400, UNKNOWN_PARAMETERS, f"MachineDetection {word[:40]!r}: Enable or DetectMessageEnd"
        )
    return word


# ---------------------------------------------------------------- a call there is


def form_of(body: bytes) -> Form:
    """Return the fields of a body or a query; RestError when it has none."""
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise RestError(400, BAD_REQUEST, f"not a form: {error}") from error


def order_of(fields: Form, orders: Orders) -> Order:
    """Return what a form asks of a call; RestError unless it is one thing that can be done."""
    form = {name: values[-1] for name, values in fields.items()}
    asked = [name for name in ("Status", "Twiml", "Url") if form.get(name)]
    if len(asked) != 1:
        raise RestError(400, UNKNOWN_PARAMETERS, f"one of Status, Twiml and Url is needed, found {asked}")
    match asked[0]:
        case "Status" if form["Status"] == "completed":
            return ()
        case "Status" if form["Status"] == "canceled":
            if orders.status in UNANSWERED:
                return ()
            raise RestError(400, NOT_IN_PROGRESS, "Call is already in-progress: it can't be canceled")
        case "Status":
            text = f"Status {form['Status'][:20]!r}: completed or canceled"
            raise RestError(400, UNKNOWN_PARAMETERS, text)
        case "Twiml":
            return _twiml(form["Twiml"])
        case _:
            return _redirection(form["Url"], form.get("Method", "POST").upper())


def _twiml(text: str) -> tuple[Verb, ...]:
    if len(text) > MAX_TWIML_CHARS:
        raise RestError(400, UNKNOWN_PARAMETERS, f"Twiml has {len(text)} characters, {MAX_TWIML_CHARS} fit")
    try:
        return parse(text, "")  # it came from nowhere: a relative URL in it leads nowhere
    except TwilioError as error:
        raise RestError(400, error.code, error.text) from error


def _redirection(url: str, method: str) -> Redirection:
    if not is_url(url) or method not in ("GET", "POST"):
        raise RestError(400, INVALID_URL, f"Url {url[:200]!r}, Method {method[:20]!r}")
    return Redirection(url, method)
