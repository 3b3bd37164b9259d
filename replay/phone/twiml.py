"""TwiML as Twilio reads it: a document in, verbs out, or the error number Twilio would log. It runs nothing.

It is stricter than Twilio where Twilio only warns (unknown verbs and attributes), because our own TwiML has
no excuse for them."""

from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit, urlunsplit
from xml.etree import ElementTree

import attrs

MAX_PARAMETER_CHARS = 500  # name and value of a <Parameter> must stay under this together

BAD_URL = 11100
BAD_DOCUMENT = 12100
BAD_SCHEMA = 12200
BAD_SCHEME = 31922
BAD_STREAM_URL = 31923

_ATTRIBUTES = {
    "Connect": {"action", "method"},
    "Stream": {"url", "name", "track", "statusCallback", "statusCallbackMethod"},
    "Parameter": {"name", "value"},
    "Redirect": {"method"},
    "Hangup": set(),
    "Say": {"voice", "language", "loop"},
    "Pause": {"length"},
    "Reject": {"reason"},
    "Play": {"loop", "digits"},
    "Dial": {
        "action",
        "method",
        "callerId",
        "timeout",
        "timeLimit",
        "answerOnBridge",
        "record",
        "hangupOnStar",
    },
    "Number": {"sendDigits", "url", "method", "statusCallback", "statusCallbackEvent"},
    "Sip": {"username", "password"},
    "Client": {"url", "method"},
}


@attrs.frozen
class TwilioError(Exception):
    """Something Twilio would log as an error of the account: its number, and what was found."""

    code: int
    text: str
    http_status: int | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


@attrs.frozen
class Stream:
    """A media stream to open: an absolute wss URL without a query, and what `start` will carry."""

    url: str
    parameters: Mapping[str, str] = attrs.field(factory=dict)
    name: str | None = None
    status_callback: str | None = None
    status_method: str = "POST"
    dropped_query: str = ""


@attrs.frozen
class Connect:
    """Blocks until the stream ends, then `action` is requested; without one the next verb runs."""

    stream: Stream
    action: str | None = None
    method: str = "POST"


@attrs.frozen
class Redirect:
    """Go on with the TwiML found at url."""

    url: str
    method: str = "POST"


@attrs.frozen
class Hangup:
    """The call ends."""


@attrs.frozen
class Reject:
    """The call is refused before it is answered."""

    reason: str = "rejected"


@attrs.frozen
class Say:
    """Twilio speaks this text to the caller."""

    text: str
    language: str | None = None


@attrs.frozen
class Pause:
    """Silence, in seconds."""

    length_s: int = 1


@attrs.frozen
class Play:
    """A recording, or keys pressed towards the caller."""

    url: str = ""
    digits: str = ""


@attrs.frozen
class Dial:
    """The caller is connected to somebody else."""

    numbers: tuple[str, ...]
    action: str | None = None
    caller_id: str | None = None


Verb = Connect | Redirect | Hangup | Reject | Say | Pause | Play | Dial


def parse(document: str | bytes, base_url: str) -> tuple[Verb, ...]:
    """The verbs of a TwiML document, URLs made absolute against base_url; TwilioError for anything wrong."""
    try:
        root = ElementTree.fromstring(document)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the latter two: its encoding
        raise TwilioError(BAD_DOCUMENT, f"not XML: {error}") from error
    if root.tag != "Response":
        raise TwilioError(BAD_DOCUMENT, f"the root is <{root.tag}>, not <Response>")
    _check_text(root)
    return tuple(_verb(element, base_url) for element in root)


def _verb(element: ElementTree.Element, base_url: str) -> Verb:
    reader = _VERBS.get(element.tag)
    if reader is None:
        raise TwilioError(BAD_SCHEMA, f"<{element.tag}> is not a verb known here")
    _check_attributes(element)
    return reader(element, base_url)


def _connect(element: ElementTree.Element, base_url: str) -> Connect:
    _check_text(element)
    children = list(element)
    if [child.tag for child in children] != ["Stream"]:
        raise TwilioError(
            BAD_SCHEMA, f"<Connect> holds {[child.tag for child in children]}, not one <Stream>"
        )
    return Connect(_stream(children[0], base_url), _url(element, "action", base_url), _method(element))


def _stream(element: ElementTree.Element, base_url: str) -> Stream:
    _check_attributes(element)
    _check_text(element)
    if element.get("track", "inbound_track") != "inbound_track":
        raise TwilioError(BAD_SCHEMA, f"track={element.get('track')!r}: <Connect> streams inbound_track only")
    url, query = _stream_url(element.get("url", ""), base_url)
    return Stream(
        url,
        dict(_parameter(child) for child in element),
        element.get("name"),
        _url(element, "statusCallback", base_url),
        _method(element, "statusCallbackMethod"),
        query,
    )


def _stream_url(text: str, base_url: str) -> tuple[str, str]:
    """The absolute URL without its query, and the query: Twilio drops it, nothing in it arrives."""
    if not text:
        raise TwilioError(BAD_STREAM_URL, "<Stream> without url")
    try:
        parts = urlsplit(text)
        if not parts.scheme:
            parts = urlsplit(urljoin(base_url, text))._replace(scheme="wss")
    except ValueError as error:
        raise TwilioError(BAD_STREAM_URL, f"<Stream url={text!r}>: {error}") from error
    if parts.scheme != "wss":
        raise TwilioError(BAD_SCHEME, f"<Stream url={text!r}>: only wss:// is supported")
    if not parts.hostname:
        raise TwilioError(BAD_STREAM_URL, f"<Stream url={text!r}>: no host")
    return urlunsplit(parts._replace(query="", fragment="")), parts.query


def _parameter(element: ElementTree.Element) -> tuple[str, str]:
    if element.tag != "Parameter":
        raise TwilioError(BAD_SCHEMA, f"<{element.tag}> inside <Stream>")
    _check_attributes(element)
    name, value = element.get("name"), element.get("value")
    if not name or value is None:
        raise TwilioError(BAD_SCHEMA, "<Parameter> needs name and value")
    if len(name) + len(value) >= MAX_PARAMETER_CHARS:
        raise TwilioError(
            BAD_SCHEMA, f"<Parameter name={name!r}>: {len(name) + len(value)} characters, 499 fit"
        )
    return name, value


def _redirect(element: ElementTree.Element, base_url: str) -> Redirect:
    return Redirect(_joined(base_url, _text(element)), _method(element))


def _say(element: ElementTree.Element, _base_url: str) -> Say:
    return Say(_text(element), element.get("language"))


def _pause(element: ElementTree.Element, _base_url: str) -> Pause:
    length = element.get("length", "1")
    if not (length.isdecimal() and len(length) <= 5):
        raise TwilioError(BAD_SCHEMA, f"<Pause length={length!r}> is no number of seconds")
    return Pause(int(length))


def _play(element: ElementTree.Element, base_url: str) -> Play:
    text = _text(element)
    return Play(_joined(base_url, text) if text else "", element.get("digits", ""))


def _dial(element: ElementTree.Element, base_url: str) -> Dial:
    for child in element:
        if child.tag not in ("Number", "Sip", "Client"):
            raise TwilioError(BAD_SCHEMA, f"<{child.tag}> inside <Dial>")
        _check_attributes(child)
    numbers = tuple(text for text in (_text(element), *map(_text, element)) if text)
    if not numbers:
        raise TwilioError(BAD_SCHEMA, "<Dial> without a number")
    return Dial(numbers, _url(element, "action", base_url), element.get("callerId"))


def _text(element: ElementTree.Element) -> str:
    return (element.text or "").strip()


def _url(element: ElementTree.Element, name: str, base_url: str) -> str | None:
    text = element.get(name)
    return _joined(base_url, text) if text is not None else None


def _joined(base_url: str, text: str) -> str:
    try:
        return urljoin(base_url, text)
    except ValueError as error:
        raise TwilioError(BAD_URL, f"{text!r}: {error}") from error


def _method(element: ElementTree.Element, name: str = "method") -> str:
    method = element.get(name, "POST").upper()
    if method not in ("GET", "POST"):
        raise TwilioError(BAD_SCHEMA, f"<{element.tag} {name}={method!r}>: GET or POST")
    return method


def _check_attributes(element: ElementTree.Element) -> None:
    unknown = set(element.attrib) - _ATTRIBUTES.get(element.tag, set())
    if unknown:
        raise TwilioError(BAD_SCHEMA, f"<{element.tag}> has no attribute {', '.join(sorted(unknown))}")


def _check_text(element: ElementTree.Element) -> None:
    loose = [element.text, *(child.tail for child in element)]
    if any(text and text.strip() for text in loose):
        raise TwilioError(BAD_SCHEMA, f"text between the elements of <{element.tag}>")


_VERBS: dict[str, Callable[[ElementTree.Element, str], Verb]] = {
    "Connect": _connect,
    "Redirect": _redirect,
    "Hangup": lambda _element, _base: Hangup(),
    "Reject": lambda element, _base: Reject(element.get("reason", "rejected")),
    "Say": _say,
    "Pause": _pause,
    "Play": _play,
    "Dial": _dial,
}
