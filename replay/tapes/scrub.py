"""A tape without what was said on it: same lines, same milliseconds, same lengths, other words. Pure.

Every text is replaced unless its field is known to hold none of a person's: a field that a later version of a
protocol adds is scrubbed without anybody thinking of it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from attrs import define, evolve, field, frozen

from bridge.heart.audio import SILENCE
from bridge.settings.filler import Clip
from bridge.tapes.header import Header
from bridge.tapes.masking import PRESSED
from bridge.tapes.reader import Tape
from bridge.tapes.redact import silenced
from bridge.tapes.tape import MODEL, PHONE, SHADOW_NOTE, Line, decode, encode
from bridge.wire.twilio_http import HUNG_UP
from replay.tapes.player import is_shed_note, retold

KEPT: Final = frozenset({
    # Twilio
    "event", "streamSid", "callSid", "accountSid", "sequenceNumber", "protocol", "version", "track", "tracks",
    "chunk", "timestamp", "encoding", "payload",
    # Realtime
    "type", "id", "event_id", "object", "role", "status", "code", "model", "voice", "language", "eagerness",
    "tool_choice", "truncation", "output_modalities", "modalities", "max_output_tokens", "phase", "name",
    "required", "$schema", "param",
    # the tape's own
    "kind", "method", "status_code", "digit", "call_id",
})  # fmt: skip
"""Fields whose text is the protocol's, not a person's: kinds, ids, counters, names of tools and voices."""

CAUSES: Final = frozenset({"turn_detected", "client_cancelled", "max_output_tokens", "content_filter"})
"""What may stand in `reason`, word for word; another reason is somebody's own words."""

ARGUMENTS: Final = ("response.function_call_arguments", "response.mcp_call_arguments")
ARGUMENTS_DONE: Final = tuple(f'"{kind}.done"'.encode() for kind in ARGUMENTS)
ARGUMENTS_DELTA: Final = tuple(f'"{kind}.delta"'.encode() for kind in ARGUMENTS)
DONE_ALREADY: Final = frozenset({"response.output_audio.delta", *(f"{kind}.delta" for kind in ARGUMENTS)})
FORM_KEPT: Final = frozenset({
    "ApiVersion", "CallStatus", "Direction", "DialCallStatus", "DialBridged", "QueueResult", "ReferCallStatus",
    "ErrorCode",
})  # fmt: skip
"""Parameters of Twilio's own words: what became of somebody, which decides what is done next."""

ASKED: Final = frozenset({"who", "text", "summary"})
"""What a person at the daemon says, or is called."""

SETTINGS: Final = ("instructions", "greeting", "failure_sentence", "goodbye_sentence")
LISTS: Final = ("still_there_sentences",)
OFF_THE_LINE: Final = ("transfer", "voicemail", "collect", "failure")
SETTINGS_KEPT: Final = frozenset({"name", "tool"})
"""Within those: what names a place or a tool, for the model's wishes name them too."""

JSON_TEXTS: Final = frozenset({"arguments", "output"})
TAG: Final = re.compile(r"<[^>]*>")
TOKEN: Final = re.compile(r'("(?:[^"\\]|\\.)*"\s*:)|"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*')
"""What stands in JSON: the name of a property, a text, or a number."""

ESCAPE: Final = re.compile(r"(\\[^u])|(\\u[0-9a-fA-F]{4})|[^\\]+")
DIGIT: Final = re.compile(r"\d")
Change = Callable[[str], str]


@frozen
class Scrub:
    """What to take out: `audio` becomes silence, `text` loses its letters, `numbers` their digits."""

    audio: bool = True
    text: bool = True
    numbers: bool = True
    places: frozenset[str] = frozenset()
    """Names of the agent's places, which stay what they are as names of tools do."""

    def words(self, text: str) -> str:
        """Return a text of the same length and shape: x for letters, 0 for digits, the rest as it is."""
        return "".join(map(self._char, text))

    def _char(self, char: str) -> str:
        if self.numbers and char.isnumeric():
            return "0"
        return "x" if self.text and char.isalpha() else char

    # ------------------------------------------------------------ the tape

    def header(self, header: Header) -> Header:
        """Return the header without words and numbers; without audio it says so."""
        settings = dict(header.settings)
        settings |= {
            name: self.words(settings[name]) for name in SETTINGS if isinstance(settings.get(name), str)
        }
        settings |= {
            name: [self.words(text) for text in settings[name]] for name in LISTS if name in settings
        }
        settings |= {name: self._setting(settings[name]) for name in OFF_THE_LINE if name in settings}
        if isinstance(filler := settings.get("filler"), dict):
            settings["filler"] = filler | {"clip": self._clip(filler["clip"])}
        if isinstance(variables := settings.get("variables"), dict):
            settings["variables"] = self._texts(variables)
        return msgspec.structs.replace(
            header, settings=settings, filled=self._texts(header.filled), tools=self.value(header.tools),
            caller=self.words(header.caller), called=self.words(header.called),
            has_audio=header.has_audio and not self.audio,
        )  # fmt: skip

    def _texts(self, texts: Mapping[str, Any]) -> dict[str, str]:
        return {name: self.words(str(text)) for name, text in texts.items()}

    def _clip(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Return a clip of ours under the same name, for where it was heard is a decision."""
        size = len(msgspec.convert(raw, Clip).sound)
        return raw | {"sound": SILENCE * size} if self.audio else raw

    def lines(self, tape: Tape) -> Iterator[bytes]:
        """Yield a tape's lines; what the bridge decided is to be told anew from them."""
        arguments = _Arguments.of(tape)
        scrub = evolve(self, places=frozenset(tape.header.agent_settings().transfer))
        for line in map(decode, tape.lines):
            if not line.is_decision:
                yield encode(scrub.line(arguments.told(line, scrub._payload)))
            elif is_shed_note(line):
                yield encode(line)

    def line(self, line: Line) -> Line:
        """Return a line without what was asked to be taken out of it."""
        if line.msg:
            line = silenced(line) if self.audio and _carries_audio(line) else line
            return msgspec.structs.replace(line, msg=self._message(line))
        changed: dict[str, Any] = {}
        for name, change in self._fields().items():
            if (value := getattr(line, name)) is not None:
                changed[name] = change(value)
        return msgspec.structs.replace(line, **changed)

    def _fields(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "text": self.words, "binary": lambda binary: bytes(len(binary)), "http": self._http, "resp": self._response,
            "upgrade": self._request, "accept": self.value, "close": self._close, "refused": self.words,
            "try_failed": lambda failed: failed | {"why": self.words(failed["why"])},
            "tool": self._tool, "note": self._note,
            "asked": lambda asked: asked | {name: self.words(asked[name]) for name in ASKED & asked.keys()},
            "stopped": lambda stopped: stopped | {"why": self.words(stopped["why"])},
        }  # fmt: skip

    def _setting(self, value: Any, name: str = "") -> Any:
        """Return a table of the settings without words and numbers, and with what makes a decision."""
        if isinstance(value, dict):
            return {key: self._setting(part, key) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._step(part) for part in value]
        return self.words(value) if isinstance(value, str) and name not in SETTINGS_KEPT else value

    def _step(self, text: str) -> str:
        """Return a step of a failure plan, with its kind and its place."""
        kind, colon, rest = text.partition(":")
        return f"{kind}{colon}{rest if kind == 'dial' else self.words(rest)}"

    # ------------------------------------------------------------ messages

    def _message(self, line: Line) -> msgspec.Raw:
        message = msgspec.json.decode(line.msg) if line.msg else None
        scrubbed = self.value(message)
        if line.leg == MODEL and str(line.message.get("type")) in DONE_ALREADY and "delta" in line.message:
            scrubbed["delta"] = line.message["delta"]
        return msgspec.Raw(msgspec.json.encode(scrubbed))

    def value(self, value: Any, name: str = "") -> Any:
        """Return a protocol's JSON value with its free texts scrubbed."""
        if isinstance(value, dict):
            return {key: self.value(part, key) for key, part in value.items()}
        if isinstance(value, list):
            return [self.value(part, name) for part in value]
        if not isinstance(value, str):
            return value
        return self._text(value, name)

    def _text(self, text: str, name: str) -> str:
        if name == "digit":
            return (
                "0" if self.numbers and text not in "*#" else text
            )  # # ends an entry, so it decides something
        if name in KEPT or name.endswith("_id") or (name == "reason" and text in CAUSES):
            return text
        return self._payload(text) if name in JSON_TEXTS else self.words(text)

    def _payload(self, text: str) -> str:
        """Return a tool's arguments or answer, as long as it was: JSON stays JSON with the same properties."""
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return self.words(text)
        return TOKEN.sub(self._token, text)

    def _token(self, found: re.Match[str]) -> str:
        """Return a text or number in JSON of which nothing but the names of properties is known."""
        token = found[0]
        if found[1] or token[1:-1] in self.places:
            return token
        if token.startswith('"'):
            return ESCAPE.sub(self._piece, token)
        return DIGIT.sub("1", token) if self.numbers else token  # 007 would be no number

    def _piece(self, found: re.Match[str]) -> str:
        """Return a piece of a JSON text: an escape that is no letter stays one."""
        if found[2]:
            return "x" * len(found[2]) if self.text else found[2]
        return found[1] or self.words(found[0])

    # ------------------------------------------------------------ everything else

    def _http(self, http: dict[str, Any]) -> dict[str, Any]:
        form = http.get("form") or {}
        is_key = AWAY_KEY in http.get("url", "")
        kept = {
            name: value
            if _is_kept(name) or (name == PRESSED and (is_key or value == HUNG_UP))
            else self.words(value)
            for name, value in form.items()
        }
        return self._request(http) | {"form": kept}

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        url = request.get("url", "")
        host = urlsplit(url).netloc
        return request | {"url": url.replace(host, self.words(host), 1) if host else url}

    def _response(self, response: dict[str, Any]) -> dict[str, Any]:
        """Return our answer to a webhook: TwiML keeps its tags, though not the addresses in them."""
        return {
            name: (self.words(value) if name == "say" else self._twiml(value))
            if isinstance(value, str)
            else value
            for name, value in response.items()
        }

    def _twiml(self, text: str) -> str:
        if "<" not in text:
            return self.words(text) if " " in text else text
        texts, tags = TAG.split(text), [*map(self._tag, TAG.findall(text)), ""]
        return "".join(self.words(words) + tag for words, tag in zip(texts, tags, strict=True))

    def _tag(self, tag: str) -> str:
        return re.sub(r'"[^"]*"', lambda found: self.words(found[0]), tag)

    def _close(self, close: dict[str, Any]) -> dict[str, Any]:
        return close | {"reason": self.words(close["reason"])}

    def _tool(self, tool: dict[str, Any]) -> dict[str, Any]:
        changes: dict[str, Change] = {"output": self._payload, "message": self.words, "progress": self.words}
        return tool | {name: change(tool[name]) for name, change in changes.items() if name in tool}

    def _note(self, note: dict[str, Any]) -> dict[str, Any]:
        """Return a note that is no decision; a shadow's may tell what a peer said, a mark what somebody thinks."""
        if note.get("kind") == "mark":
            return note | {name: self.words(note[name]) for name in ("by", "label", "text")}
        return self.value(note) if note.get("kind") == SHADOW_NOTE else note


@define
class _Arguments:
    """The arguments of tool calls come in pieces before they come whole: both must say the same."""

    whole: dict[str, str]
    taken: Counter[str] = field(factory=Counter)

    @classmethod
    def of(cls, tape: Tape) -> "_Arguments":
        """Return those of a tape, by item."""
        lines = [decode(raw) for raw in tape.lines if any(kind in raw[:200] for kind in ARGUMENTS_DONE)]
        messages = [line.message for line in lines if line.leg == MODEL]
        return cls({message["item_id"]: message["arguments"] for message in messages if _is_whole(message)})

    def told(self, line: Line, scrub: Change) -> Line:
        """Return a line, with the same piece of the scrubbed arguments if it brings one."""
        begins = bytes(line.msg)[:200] if line.leg == MODEL and line.msg else b""
        if not any(kind in begins for kind in ARGUMENTS_DELTA):
            return line
        message = line.message
        item_id, piece = str(message.get("item_id")), str(message.get("delta"))
        whole = scrub(self.whole.get(item_id, ""))
        start = self.taken[item_id]
        self.taken[item_id] += len(piece)
        message["delta"] = whole[start : start + len(piece)].ljust(len(piece), "x")
        return msgspec.structs.replace(line, msg=msgspec.Raw(msgspec.json.encode(message)))


def _is_whole(message: dict[str, Any]) -> bool:
    return isinstance(message.get("item_id"), str) and isinstance(message.get("arguments"), str)


def _carries_audio(line: Line) -> bool:
    start = bytes(line.msg)[:400] if line.msg else b""
    marks = (b'"event":"media"',) if line.leg == PHONE else (b'"response.output_audio.delta"',)
    return any(mark in start for mark in marks)


AWAY_KEY: Final = "/key"
"""Where the key of the person who answers comes: it says whether they have taken the call."""


def _is_kept(name: str) -> bool:
    return name.endswith("Sid") or name in FORM_KEPT


def parting(was: Iterable[bytes], now: Iterable[bytes]) -> int | None:
    """Return when two tellings of a call first decide otherwise, or at other times, whatever the words; else None."""
    for one, other in zip_longest(map(_outline, was), map(_outline, now)):
        if one != other:
            return min(outline[0] for outline in (one, other) if outline is not None)
    return None


def _outline(raw: bytes) -> tuple[int, str, str]:
    line = decode(raw)
    message = line.message
    kinds = [name for name in ("audio", "append", "run", "note", "end") if getattr(line, name) is not None]
    return line.t_ms, line.leg, str(message.get("type") or message.get("event") or kinds)


def redacted_tape(tape: Tape, scrub: Scrub) -> Tape:
    """Return a tape without what `scrub` takes out, with the decisions that follow from it."""
    bare = Tape(tape.path, scrub.header(tape.header), list(scrub.lines(tape)), is_torn=False)
    return Tape(bare.path, bare.header, list(retold(bare)), is_torn=False)
