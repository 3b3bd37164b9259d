"""A tape to be looked at: its lines in short, without those that only carry sound, which are counted. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from attrs import define, field

from bridge.tapes.tape import MODEL, OPENAI, PHONE, TWILIO, Line, decode

MOST_CHARACTERS: Final = 300
"""Of a line; a session's settings take several thousand."""

MOST_LINES: Final = 4000
"""Of a call: an hour of talk has some ten thousand, of half of which nobody wants to see more than that they were."""

DELTAS: Final = (
    b'"response.output_audio.delta"', b'"response.function_call_arguments.delta"',
    b'"response.output_audio_transcript.delta"', b'"conversation.item.input_audio_transcription.delta"',
)  # fmt: skip
"""What comes in pieces, and whole afterwards."""

KINDS: Final = {
    "caller_frames": "frames of the caller's",
    "to_model": "of them given to the model",
    "deltas": "pieces of sound and words of the model's",
    "to_phone": "pieces of sound sent to the phone",
    "marks": "marks",
}


def lines_in_short(lines: Iterable[bytes]) -> dict[str, Any]:
    """Return a tape's lines that say something: number, ms, leg, who, and the line as it stands. Raises `TapeError`."""
    told = TapeLines()
    for raw in lines:
        told.take(decode(raw), raw)
    return told.finish()


@define
class TapeLines:
    """Told lines of a tape in order, it keeps those that say something. `number` is that of the line before them."""

    _number: int = 1
    _rows: list[tuple[int, int, str, str, str]] = field(factory=list)
    _counts: Counter[str] = field(factory=Counter)
    _left_out: int = 0

    def take(self, line: Line, raw: bytes) -> None:
        """Take in one line."""
        self._number += 1
        kind = _kind_of_sound(line)
        if kind:
            self._counts[kind] += 1
        elif len(self._rows) >= MOST_LINES:
            self._left_out += 1
        else:
            self._rows.append((self._number, line.t_ms, line.leg, line.sender, _shortened(raw)))

    def skip(self) -> None:
        """Take in that there is a line more."""
        self._number += 1

    def finish(self) -> dict[str, Any]:
        """Return the lines, and how many are left out."""
        counts = {KINDS[name]: count for name, count in self._counts.items()}
        return {"rows": self._rows, "counted": counts, "left_out": self._left_out}


def _kind_of_sound(line: Line) -> str:
    """Return which sound a line carries, or nothing."""
    if line.append is not None:
        return "to_model"
    if line.audio is not None:
        return "to_phone"
    if not line.msg or line.leg not in (PHONE, MODEL):
        return ""
    start = bytes(line.msg)[:60]
    if line.leg == PHONE:
        if b'"mark"' in start:
            return "marks"
        return "caller_frames" if line.sender == TWILIO and b'"media"' in start else ""
    return "deltas" if line.sender == OPENAI and any(one in start for one in DELTAS) else ""


def _shortened(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace").rstrip("\n")
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}\u2026"
