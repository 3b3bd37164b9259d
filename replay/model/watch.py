"""What a running Realtime stand-in shows of its sessions: a line for people, an object for machines.

It only looks on. Audio, and the deltas that a done event repeats, are left out of both.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import msgspec
from attrs import define, field, frozen
from rich.console import Console
from rich.text import Text

from bridge.screen.output import STYLES
from bridge.text.visible import visible
from replay.model.wire import Message

Who = Literal["socket", "client", "model"]
LONGEST_TEXT: Final = 4000
"""Characters of one value for machines: a frame of 16 MiB that was sent on purpose is not printed."""
MS_PER_TOKEN: Final = 50
PAUSE_IN_A_SENTENCE_MS: Final = 600
"""Whoever goes on after less than this had not finished; the longest pause inside the lab's own callers has 488 ms."""
DEFAULT_SILENCE_MS: Final = 200
"""What the service takes where a session says nothing of it; its reference says 500."""
COLOURS: Final = STYLES | {"model": STYLES["agent"], "error": STYLES["log"]}


@frozen
class Happening:
    """One message of a session, or how its connection fares; t_ms counts from the session's beginning."""

    session: int
    t_ms: int
    who: Who
    what: Message

    @property
    def kind(self) -> str:
        """The message's type."""
        return str(self.what.get("type"))

    @property
    def is_shown(self) -> bool:
        """Whether it is more than a piece of audio or text."""
        return not self.kind.endswith((".delta", "input_audio_buffer.append"))


@define
class Pauses:
    """Whether a session's turns end in the middle of what the caller says."""

    _detection: Message = field(factory=dict)
    _ended_ms: int | None = None
    """When the last turn's speech ended, in ms of audio, its silence taken off."""

    def notice(self, what: Message) -> Message | None:
        """Take an event of the model's; it is said when a turn goes on that was ended by a pause."""
        match what:
            case {"type": "session.created" | "session.updated", "session": dict(session)}:
                self._detection = session["audio"]["input"].get("turn_detection") or {}
            case {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": int(end_ms)}:
                self._ended_ms = end_ms - self._silence_ms if self._silence_ms else None
            case {"type": "input_audio_buffer.speech_started", "audio_start_ms": int(start_ms)}:
                return self._pause_until(start_ms + self._detection.get("prefix_padding_ms", 0))
        return None

    @property
    def _silence_ms(self) -> int:
        return int(self._detection.get("silence_duration_ms") or 0)

    def _pause_until(self, start_ms: int) -> Message | None:
        if self._ended_ms is None or start_ms - self._ended_ms >= PAUSE_IN_A_SENTENCE_MS:
            return None
        pause = {"pause_ms": start_ms - self._ended_ms, "silence_duration_ms": self._silence_ms}
        return {"type": "turn_split", **pause}


@define
class Watcher:
    """Takes frames as `replay.model.server.serve_model` tells them, and passes on what they are."""

    _tell: Callable[[Happening], None]
    _clock: Callable[[], float]
    """Seconds, from anywhere."""
    sessions: int = 0
    """So many were accepted."""
    _began: dict[int, float] = field(factory=dict, init=False)
    _pauses: dict[int, Pauses] = field(factory=dict, init=False)

    def __call__(self, number: int, who: Who, frame: str | bytes) -> None:
        """Look at one frame."""
        what, now = _decoded(frame), self._clock()
        if who == "socket" and what["type"] == "opened":
            self._began[number] = now
            self.sessions += 1
        t_ms = round((now - self._began.get(number, now)) * 1000)
        happening = Happening(number, t_ms, who, what)
        if who == "socket" and what["type"] == "closed":
            self._began.pop(number, None)
            self._pauses.pop(number, None)
        if happening.is_shown:
            self._tell(happening)
        if who == "model" and (split := self._pauses.setdefault(number, Pauses()).notice(what)):
            self._tell(Happening(number, t_ms, "socket", split))


def _decoded(frame: str | bytes) -> Message:
    try:
        what = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        what = None
    return what if isinstance(what, dict) else {"type": "(not an event)", "length": len(frame)}


def as_json(happening: Happening) -> dict[str, Any]:
    """Return a happening for machines."""
    what = {
        key: value
        if not isinstance(value, str) or len(value) <= LONGEST_TEXT
        else f"({len(value)} characters)"
        for key, value in happening.what.items()
    }
    where = {"session": happening.session, "t_ms": happening.t_ms, "from": happening.who}
    return where | {"type": happening.kind, "msg": what}


# ---------------------------------------------------------------- for people


def narrate(screen: Console) -> Callable[[Happening], None]:
    """Return a teller that prints a line for each thing a person would ask about."""

    def tell(happening: Happening) -> None:
        for who, what in told_of(happening):
            line = Text(f"#{happening.session:<3} {happening.t_ms / 1000:7.2f}  ", style="dim")
            line.append(f"{who:8s}", style=COLOURS.get(who, "dim"))
            screen.print(line.append(visible(what), style="none"), soft_wrap=True)

    return tell


def told_of(happening: Happening) -> Iterator[tuple[str, str]]:
    """Yield who said what; nothing where nobody would ask about it."""
    match happening.who:
        case "socket":
            yield "socket", _of_socket(happening.what)
        case "client":
            yield _of_client(happening.kind, happening.what)
        case "model" if happening.kind == "response.done":
            yield from _of_response(happening.what["response"])
        case "model" if said := _of_model(happening.kind, happening.what):
            yield said


def _of_socket(what: Message) -> str:
    match what["type"]:
        case "opened":
            client = what["headers"].get("user-agent", "a client without a name")
            return f"opened for model {what['model'] or '(none)'} by {client}"
        case "rejected":
            return f"rejected with HTTP {what['status']} on {what['path']}"
        case "kept_shut":
            return f"kept out: {what['how']}"
        case "turn_split":
            silence_ms = what["silence_duration_ms"]
            whose = ", the service's default" if silence_ms == DEFAULT_SILENCE_MS else ""
            return (
                f"a pause of {what['pause_ms']} ms made two turns of one: "
                f"silence_duration_ms is {silence_ms}{whose}"
            )
    return f"closed with {what['code']}"


def _of_client(kind: str, what: Message) -> tuple[str, str]:
    match what:
        case {"type": "conversation.item.create", "item": {"type": "function_call_output", "output": output}}:
            return "tool", f"answers {output}"
        case {"type": "conversation.item.create", "item": {"content": [{"text": words}, *_]}}:
            return "client", f"types: {words}"
        case {"type": "conversation.item.truncate", "item_id": item, "audio_end_ms": ms}:
            return "client", f"heard {ms} ms of {item}, and no more"
        case {"type": "session.update", "session": dict()}:
            return "client", f"sets {', '.join(_settings(what['session'])) or 'nothing'}"
    return "client", kind


def _settings(settings: Message) -> Iterator[str]:
    audio = settings.get("audio") or {}
    heard, spoken = audio.get("input") or {}, audio.get("output") or {}
    for side in (heard, spoken):
        if isinstance(side.get("format"), dict):
            yield str(side["format"].get("type"))
    if "voice" in spoken:
        yield f"voice {spoken['voice']}"
    if "turn_detection" in heard:
        yield f"turns by {(heard['turn_detection'] or {'type': 'the client'}).get('type')}"
    if settings.get("tools"):
        yield f"tools {', '.join(str(tool.get('name')) for tool in settings['tools'])}"
    shown = ("audio", "tools", "type")
    yield from (key for key in settings if key not in shown)


def _of_response(response: Message) -> Iterator[tuple[str, str]]:
    for item in response["output"]:
        if item["type"] == "function_call":
            yield "tool", f"{item['name']}({item['arguments']})"
        else:
            part = (item["content"] or [{}])[0]
            cut = "" if item["status"] == "completed" else " ..."
            yield "model", f"{part.get('transcript') or part.get('text') or '(no words)'}{cut}"
    details = response["status_details"] or {}
    why = details.get("reason") or (details.get("error") or {}).get("code") or ""
    seconds = response["usage"]["output_token_details"]["audio_tokens"] * MS_PER_TOKEN / 1000
    yield (
        "",
        f"response {response['status']} {why}".rstrip() + (f", {seconds:.1f} s of audio" if seconds else ""),
    )


def _of_model(kind: str, what: Message) -> tuple[str, str] | None:
    match kind:
        case "input_audio_buffer.speech_started":
            return "caller", f"begins to speak, at {what['audio_start_ms']} ms of audio"
        case "input_audio_buffer.speech_stopped":
            return "caller", f"is quiet, at {what['audio_end_ms']} ms of audio"
        case "conversation.item.input_audio_transcription.completed":
            return "caller", what["transcript"]
        case "conversation.item.input_audio_transcription.failed":
            return "caller", "(not understood)"
        case "conversation.item.truncated":
            return "", f"{what['item_id']} truncated at {what['audio_end_ms']} ms"
        case "error":
            return "error", f"{what['error']['code']}: {what['error']['message']}"
        case "(not an event)":
            return "error", f"a frame that is no event, of {what['length']} bytes or characters"
    return None
