"""All facts of one call as one plain value: what its page is drawn from, and what whoever asks for JSON gets. Pure.

Every time is in ms since the webhook was accepted, sound included: its first byte is that moment.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import asdict

from bridge.heart.audio import SILENCE, bytes_of
from bridge.objects.names import name_of
from bridge.page.costs import costs_of
from bridge.page.next_steps import next_steps
from bridge.page.spans import moments_of, spans_of
from bridge.page.tape_lines import lines_in_short
from bridge.page.waterfall import waits_of
from bridge.page.words import lines_of
from bridge.store.line_sound import Sound
from bridge.store.peaks import PEAK_MS, WINDOW
from bridge.store.trace import Trace, traced
from bridge.tapes.reader import Tape

Record: TypeAlias = Mapping[str, Any]


def document(tape: Tape, *, run: str = "") -> dict[str, Any]:
    """Return all facts of a call, from its tape alone. Raises `TapeError`."""
    return told(tape, run=run)[0]


def told(tape: Tape, *, run: str = "", is_live: bool = False) -> tuple[dict[str, Any], Sound]:
    """Return all facts of a call, and its sound from the call's first moment on. Raises `TapeError`."""
    made = traced(tape.header, tape.lines, is_torn=tape.is_torn)
    rows = asdict(made.records, recurse=False)
    call = {"call_id": tape.header.call_id, **rows.pop("call"), "tape": name_of(tape.path)}
    facts = document_of({"call": call, **rows}, made.trace, run=run, is_live=is_live)
    return facts | {"tape": lines_in_short(tape.lines)}, from_zero(made.sound)


def document_of(record: Record, trace: Trace, *, run: str = "", is_live: bool = False) -> dict[str, Any]:
    """Return all facts of a call, from its records and its trace; without the tape's lines, which only it has.

    Of a call that goes on, `is_live`, what is not settled yet is neither heard nor unheard.
    """
    before, length_ms = bytes(trace.begins_ms // PEAK_MS), length_of(record["call"]["duration_ms"], trace)
    caller, agent = (
        (before + side).ljust(length_ms // PEAK_MS, b"\0") for side in (trace.caller, trace.agent)
    )
    return {
        "call": record["call"],
        "is_live": is_live,
        "length_ms": length_ms,
        "has_audio": trace.has_audio,
        "peaks": {"ms": PEAK_MS, "caller": _base64(caller), "agent": _base64(agent)},
        "spans": spans_of(record, trace, is_live=is_live),
        "moments": moments_of(record),
        "lines": lines_of(record, trace, is_live=is_live),
        "waits": waits_of(record, trace.responses),
        "tools": record["tool_calls"],
        "log": record["log"],
        "legs": record["legs"],
        "sessions": trace.sessions,
        "items": record["items"],
        "cost": costs_of(record["call"], trace.prices),
        "tape": None,
        "next_steps": next_steps(record["call"], run=run),
    }


def length_of(duration_ms: int | None, trace: Trace) -> int:
    """Return how long a call's page is: as the call, or as what was on its line; whole windows of the waveform."""
    lasted = -(-(duration_ms or 0) // PEAK_MS)
    return max(lasted, trace.begins_ms // PEAK_MS + max(len(trace.caller), len(trace.agent))) * PEAK_MS


def from_zero(sound: Sound) -> Sound:
    """Return a sound that begins with the call, not with its first stream; whole windows of its waveform."""
    before = SILENCE * bytes_of(sound.begins_ms)
    length = -(-(len(before) + len(sound.caller)) // WINDOW) * WINDOW
    caller, agent = ((before + side).ljust(length, SILENCE) for side in (sound.caller, sound.agent))
    return Sound(caller, agent, 0, sound.pieces)


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
