"""The demo as it happens, a line each: what the tape gets to know, and what only those on the telephones hear."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from rich.console import Console

from bridge.screen.output import STYLES
from bridge.tapes.lines import Leave
from bridge.tapes.tape import MODEL, OPENAI, Line
from bridge.text.visible import visible
from replay.phone.leg import CALLER

MILESTONES: Final = {
    "webhook_accepted": ("webhook", "signed by Twilio's token: accepted; the model leg connects at once"),
    "model_ready": ("model", "session updated: it can be asked to speak"),
    "call_asked_for": (
        "call",
        "asked for: allowed, in its hours, and not on the list of who must not be called",
    ),
    "ringing": ("call", "it rings; the model waits, and is asked for nothing"),
    "call_answered": ("call", "somebody, or something, has answered"),
    "callee_judged": ("call", "it is a person: now the greeting is asked for, and heard"),
    "stream_started": ("stream", "Twilio's media stream has started"),
    "first_audio_heard": ("heard", "the caller hears the first word"),
    "barge_in": ("barge-in", "the caller cuts in: playback cleared, the model told what was heard"),
    "hang_up_asked": ("tool", "hang_up: waits until the last words were heard"),
    "leave_asked": ("tool", "off the line: waits until the last words were heard"),
    "returned": ("stream", "the caller is back: a new media stream, the same conversation"),
}

Told = tuple[str, str]


def narrate(screen: Console) -> Callable[[Line], None]:
    """Return a watcher of a tape that prints what goes on."""

    def tell(line: Line) -> None:
        if (said := _told(line)) is not None:
            _print(screen, line.t_ms, *said)

    return tell


def narrate_telephones(screen: Console) -> Callable[[str, Mapping[str, Any], int], None]:
    """Return a watcher of the telephones that prints what happens off the media stream."""

    def overhear(kind: str, detail: Mapping[str, Any], t_ms: int) -> None:
        if (said := _overheard(kind, detail)) is not None:
            _print(screen, t_ms, *said)

    return overhear


def _print(screen: Console, t_ms: int, who: str, what: str) -> None:
    screen.print(f"[dim]{t_ms / 1000:6.2f}[/]  [{STYLES.get(who, 'dim')}]{who:9s}[/] ", end="")
    screen.print(visible(what), markup=False)


# ---------------------------------------------------------------- the tape


def _told(line: Line) -> Told | None:
    if line.note is not None:
        return _noted(line.note)
    if line.run is not None:
        return "tool", f"{line.run['name']}({line.run['arguments']})"
    if line.tool is not None:
        return "tool", f"  -> {line.tool.get('output') or line.tool}"
    if line.leave is not None:
        return "leaves", _left(line.leave)
    if line.end is not None:
        return "end", f"by {line.end['by']}: {line.end['why']}"
    if line.leg == MODEL and line.sender == OPENAI and line.msg:
        return _words(msgspec.json.decode(line.msg))
    return None


def _noted(note: Mapping[str, Any]) -> Told | None:
    if note.get("name") == "excursion_ended":
        return "comes", f"{note['outcome']}, after {note['seconds']} s" if note["seconds"] else str(
            note["outcome"]
        )
    return MILESTONES.get(str(note.get("name")))


def _left(leave: Leave) -> str:
    what = {"dial": "Twilio dials", "digits": "Twilio presses", "voicemail": "Twilio takes a message"}.get(
        leave["kind"], leave["kind"]
    )
    return f"the media stream is closed; {what} {leave.get('to') or leave.get('digits') or ''}".rstrip()


def _words(message: dict[str, Any]) -> Told | None:
    match message.get("type"):
        case "response.output_audio_transcript.done":
            return "agent", message["transcript"]
        case "conversation.item.input_audio_transcription.completed":
            return "caller", message["transcript"]
    return None


# ---------------------------------------------------------------- the telephones


def _overheard(kind: str, detail: Mapping[str, Any]) -> Told | None:
    """Return what nobody hears on the media stream."""
    who = detail.get("who") or detail.get("by") or detail.get("to")
    match kind:
        case "twilio_says":
            return "twilio", f"to {detail['to']}: {detail['text']}"
        case "answered":
            return "far end", f"{who} answers"
        case "bridged":
            return "far end", f"{who} and the caller are connected"
        case "says" if detail.get("text"):
            return ("caller" if who == CALLER else "far end"), str(detail["text"])
        case "presses":
            return ("caller" if who == CALLER else "far end"), f"presses {detail['digit']}"
        case "key_played":
            return "twilio", f"plays the tones of {detail['digit']}"
        case "recorded":
            return "twilio", f"has a message of {detail['ms'] / 1000:.1f} s"
    return None
