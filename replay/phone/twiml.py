"""TwiML as Twilio reads it: a document in, verbs out, or the error number Twilio would log. It runs nothing.

What Twilio only warns of (unknown verbs, attributes and values) is warned of and left out. What it can't do anything
with is an error."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit
from xml.etree import ElementTree

import attrs

from replay.phone.instructions.attributes import ATTRIBUTES
from replay.phone.instructions.verbs import (
    ANY_KEY,
    Connect,
    Dial,
    Enqueue,
    Gather,
    Hangup,
    Leave,
    Noun,
    NounKind,
    Pause,
    Play,
    Prompt,
    Record,
    Redirect,
    Refer,
    Reject,
    Say,
    Stream,
    Verb,
)
from replay.phone.signing import Signed

__all__ = [
    "Connect",
    "Dial",
    "Enqueue",
    "Gather",
    "Hangup",
    "Leave",
    "Noun",
    "Pause",
    "Play",
    "Record",
    "Redirect",
    "Refer",
    "Reject",
    "Say",
    "Stream",
    "TwilioError",
    "Verb",
    "parse",
]

MAX_PARAMETER_CHARS = 500  # name and value of a <Parameter> must stay under this together
MAX_DOCUMENT_BYTES = 65_536
MAX_NOUNS = 10

BAD_URL = 11100
TOO_LARGE = 11750
BAD_DOCUMENT = 12100
BAD_SCHEMA = 12200
UNROUTABLE = 13224
EMPTY_SAY = 13520
RELATIVE_ACTION = 15004
BAD_SCHEME = 31922
BAD_STREAM_URL = 31923
BAD_TRACK = 31941

_NOUNS: Final[dict[str, NounKind]] = {
    "Number": "number",
    "Sip": "sip",
    "Client": "client",
    "Queue": "queue",
    "Conference": "conference",
}

Warn = Callable[[int, str], None]
Element = ElementTree.Element


@attrs.frozen
class TwilioError(Exception):
    """Something Twilio would log as an error of the account: its number, and what was found."""

    code: int
    text: str
    http_status: int | None = None
    url: str = ""
    """The address whose answer could not be used."""
    signed: Signed | None = None
    """What was signed in the request that was refused."""

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


def _ignore(_code: int, _text: str) -> None:
    """Warn nobody."""


def parse(document: str | bytes, base_url: str, warn: Warn = _ignore) -> tuple[Verb, ...]:
    """The verbs of a TwiML document, URLs made absolute against base_url; TwilioError where Twilio would give up.

    Without a base_url, as in TwiML given by REST, every `action` must be absolute."""
    size = len(document if isinstance(document, bytes) else document.encode(errors="replace"))
    if size > MAX_DOCUMENT_BYTES:
        raise TwilioError(TOO_LARGE, f"the document has {size} bytes: {MAX_DOCUMENT_BYTES} fit")
    try:
        root = ElementTree.fromstring(document)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the latter two: its encoding
        raise TwilioError(BAD_DOCUMENT, f"not XML: {error}") from error
    if root.tag != "Response":
        raise TwilioError(BAD_DOCUMENT, f"the root is <{root.tag}>, not <Response>")
    reader = _Reader(base_url, warn)
    reader.check_text(root)
    return reader.verbs(root)


@attrs.frozen
class _Reader:
    """Reads the elements of one document."""

    base_url: str
    warn: Warn

    # ---------------------------------------------------------------- verbs

    def verbs(self, parent: Element) -> tuple[Verb, ...]:
        """The verbs inside an element; what is none is warned of and left out."""
        read: dict[str, Callable[[Element], Verb]] = {
            "Connect": self._connect,
            "Redirect": lambda one: Redirect(self._joined(_text(one)), self._method(one)),
            "Hangup": lambda _one: Hangup(),
            "Leave": lambda _one: Leave(),
            "Reject": lambda one: Reject(one.get("reason", "rejected")),
            "Say": self._say,
            "Pause": lambda one: Pause(self._whole(one, "length", 1)),
            "Play": self._play,
            "Gather": self._gather,
            "Record": self._record,
            "Dial": self._dial,
            "Enqueue": self._enqueue,
            "Refer": self._refer,
        }
        found: list[Verb] = []
        for element in parent:
            if element.tag not in read:
                self.warn(BAD_SCHEMA, f"<{element.tag}> is not a verb known here")
                continue
            self._check_attributes(element)
            found.append(read[element.tag](element))
        return tuple(found)

    def _connect(self, element: Element) -> Connect:
        self.check_text(element)
        children = list(element)
        if [child.tag for child in children] != ["Stream"]:
            raise TwilioError(
                BAD_SCHEMA, f"<Connect> holds {[child.tag for child in children]}, not one <Stream>"
            )
        return Connect(self._stream(children[0]), self._action(element), self._method(element))

    def _stream(self, element: Element) -> Stream:
        self._check_attributes(element)
        self.check_text(element)
        if element.get("track", "inbound_track") != "inbound_track":
            raise TwilioError(
                BAD_TRACK, f"track={element.get('track')!r}: <Connect> streams inbound_track only"
            )
        url, query = self._stream_url(element.get("url", ""))
        return Stream(
            url,
            dict(self._parameter(child) for child in element),
            element.get("name"),
            self._url(element, "statusCallback"),
            self._method(element, "statusCallbackMethod"),
            query,
        )

    def _stream_url(self, text: str) -> tuple[str, str]:
        """The absolute URL without its query, and the query: Twilio drops it, nothing in it arrives."""
        if not text:
            raise TwilioError(BAD_STREAM_URL, "<Stream> without url")
        try:
            parts = urlsplit(text)
            if not parts.scheme:
                parts = urlsplit(urljoin(self.base_url, text))._replace(scheme="wss")
        except ValueError as error:
            raise TwilioError(BAD_STREAM_URL, f"<Stream url={text!r}>: {error}") from error
        if parts.scheme != "wss":
            raise TwilioError(BAD_SCHEME, f"<Stream url={text!r}>: only wss:// is supported")
        if not parts.hostname:
            raise TwilioError(BAD_STREAM_URL, f"<Stream url={text!r}>: no host")
        return urlunsplit(parts._replace(query="", fragment="")), parts.query

    def _parameter(self, element: Element) -> tuple[str, str]:
        if element.tag != "Parameter":
            raise TwilioError(BAD_SCHEMA, f"<{element.tag}> inside <Stream>")
        self._check_attributes(element)
        name, value = element.get("name"), element.get("value")
        if not name or value is None:
            raise TwilioError(BAD_SCHEMA, "<Parameter> needs name and value")
        if len(name) + len(value) >= MAX_PARAMETER_CHARS:
            raise TwilioError(
                BAD_SCHEMA, f"<Parameter name={name!r}>: {len(name) + len(value)} characters, 499 fit"
            )
        return name, value

    def _say(self, element: Element) -> Say:
        text = _text(element)
        if not text:
            self.warn(EMPTY_SAY, "<Say> without a text")
        return Say(text, element.get("language"), self._whole(element, "loop", 1))

    def _play(self, element: Element) -> Play:
        text = _text(element)
        url = self._joined(text) if text else ""
        return Play(url, element.get("digits", ""), self._whole(element, "loop", 1))

    def _gather(self, element: Element) -> Gather:
        prompts: list[Prompt] = []
        for verb in self.verbs(element):
            if isinstance(verb, Say | Play | Pause) and not (isinstance(verb, Play) and verb.digits):
                prompts.append(verb)
            else:
                self.warn(BAD_SCHEMA, f"{verb} inside <Gather>")
        return Gather(
            prompts=tuple(prompts),
            action=self._action(element),
            method=self._method(element),
            num_digits=self._whole(element, "numDigits", 0) or None,
            timeout_s=self._whole(element, "timeout", 5),
            finish_on_key=element.get("finishOnKey", "#"),
            action_on_empty_result=self._is_true(element, "actionOnEmptyResult"),
        )

    def _record(self, element: Element) -> Record:
        if not self.base_url and element.get("action") is None:
            raise TwilioError(BAD_URL, "<Record> without action in TwiML that came by REST")
        return Record(
            action=self._action(element),
            method=self._method(element),
            max_length_s=self._whole(element, "maxLength", 3600),
            timeout_s=self._whole(element, "timeout", 5),
            finish_on_key=element.get("finishOnKey", ANY_KEY),
            plays_beep=self._is_true(element, "playBeep", default=True),
            callback=self._url(element, "recordingStatusCallback"),
            callback_events=_words(element, "recordingStatusCallbackEvent"),
        )

    def _dial(self, element: Element) -> Dial:
        nouns = [self._noun(child) for child in element if self._is_noun(child)]
        if text := _text(element):
            nouns.insert(0, Noun(to=text))
        if not 0 < len(nouns) <= MAX_NOUNS or not all(noun.to for noun in nouns):
            raise TwilioError(UNROUTABLE, f"<Dial> rings {[noun.to for noun in nouns]}: use 1 to {MAX_NOUNS}")
        return Dial(
            nouns=tuple(nouns),
            action=self._action(element),
            method=self._method(element),
            caller_id=element.get("callerId"),
            timeout_s=min(max(self._whole(element, "timeout", 30), 5), 600),
            time_limit_s=self._whole(element, "timeLimit", 14_400),
            hangup_on_star=self._is_true(element, "hangupOnStar"),
            is_sequential=self._is_true(element, "sequential"),
            is_recorded=element.get("record", "do-not-record") not in ("do-not-record", "false"),
            recording_callback=self._url(element, "recordingStatusCallback"),
        )

    def _is_noun(self, element: Element) -> bool:
        if element.tag in _NOUNS:
            return True
        self.warn(BAD_SCHEMA, f"<{element.tag}> inside <Dial>")
        return False

    def _noun(self, element: Element) -> Noun:
        self._check_attributes(element)
        return Noun(
            kind=_NOUNS[element.tag],
            to=_text(element),
            url=self._url(element, "url"),
            method=self._method(element),
            status_callback=self._url(element, "statusCallback"),
            status_callback_method=self._method(element, "statusCallbackMethod"),
            status_callback_events=_words(element, "statusCallbackEvent"),
            send_digits=element.get("sendDigits", ""),
            machine_detection=element.get("machineDetection", ""),
            amd_status_callback=self._url(element, "amdStatusCallback"),
        )

    def _enqueue(self, element: Element) -> Enqueue:
        wait_url = element.get("waitUrl")
        return Enqueue(
            queue=_text(element),
            action=self._action(element),
            method=self._method(element),
            wait_url=self._joined(wait_url) if wait_url else wait_url,
            wait_method=self._method(element, "waitUrlMethod"),
        )

    def _refer(self, element: Element) -> Refer:
        places = [_text(child) for child in element if child.tag == "Sip"]
        if len(places) != 1 or len(element) != 1:
            raise TwilioError(BAD_SCHEMA, f"<Refer> holds {[child.tag for child in element]}, not one <Sip>")
        return Refer(places[0], self._action(element), self._method(element))

    # ---------------------------------------------------------------- attributes

    def _action(self, element: Element) -> str | None:
        text = element.get("action")
        if text is not None and not self.base_url and not text.startswith(("http://", "https://")):
            raise TwilioError(
                RELATIVE_ACTION, f"<{element.tag} action={text!r}>: it must be absolute in TwiML by REST"
            )
        return self._url(element, "action")

    def _url(self, element: Element, name: str) -> str | None:
        text = element.get(name)
        return self._joined(text) if text is not None else None

    def _joined(self, text: str) -> str:
        try:
            return urljoin(self.base_url, text)
        except ValueError as error:
            raise TwilioError(BAD_URL, f"{text!r}: {error}") from error

    def _method(self, element: Element, name: str = "method") -> str:
        method = element.get(name, "POST").upper()
        if method in ("GET", "POST"):
            return method
        self.warn(BAD_SCHEMA, f"<{element.tag} {name}={method!r}>: GET or POST")
        return "POST"

    def _whole(self, element: Element, name: str, default: int) -> int:
        text = element.get(name)
        if text is None:
            return default
        if text.isdecimal() and len(text) <= 5:
            return int(text)
        self.warn(BAD_SCHEMA, f"<{element.tag} {name}={text!r}> is no number")
        return default

    def _is_true(self, element: Element, name: str, *, default: bool = False) -> bool:
        text = element.get(name)
        if text in (None, "true", "false"):
            return default if text is None else text == "true"
        self.warn(BAD_SCHEMA, f"<{element.tag} {name}={text!r}>: true or false")
        return default

    def _check_attributes(self, element: Element) -> None:
        for name in sorted(set(element.attrib) - ATTRIBUTES.get(element.tag, set())):
            self.warn(BAD_SCHEMA, f"<{element.tag}> has no attribute {name}")

    def check_text(self, element: Element) -> None:
        """Warn of words where only elements belong."""
        loose = [element.text, *(child.tail for child in element)]
        if any(text and text.strip() for text in loose):
            self.warn(BAD_SCHEMA, f"text between the elements of <{element.tag}>")


def _text(element: Element) -> str:
    return (element.text or "").strip()


def _words(element: Element, name: str) -> tuple[str, ...]:
    return tuple(element.get(name, "completed").split())
