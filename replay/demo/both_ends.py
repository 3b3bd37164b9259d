"""A whole call as sound: left the caller, right what they hear; and whoever is rung, until the two can talk."""

import sys
import wave
from array import array
from pathlib import Path
from typing import Final

from bridge.heart.audio import bytes_of
from bridge.sound.g711 import LINEAR
from replay.phone.leg import Leg
from replay.phone.report import CallReport
from replay.tapes.beside import written_beside

RATE: Final = 8000
QUIETER: Final = 4
"""By how much what the caller hears is turned down while somebody else is told who calls: it rings."""


def write_both_ends(report: CallReport, path: Path) -> None:
    """Write a call as a stereo WAV of 16 bits at 8 kHz, from the moment at which its line was up. Raises `OSError`."""
    left, right = _samples(report.said), _samples(report.heard)
    for leg in report.far_ends:
        _mix_in(right, leg, _alone(leg, report))
    length = max(len(left), len(right))
    both = array("h", bytes(4 * length))
    both[0 : 2 * len(left) : 2], both[1 : 2 * len(right) : 2] = left, right
    if sys.byteorder == "big":
        both.byteswap()
    with written_beside(path) as part, part.open("wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(both.tobytes())


def _samples(audio: bytes) -> "array[int]":
    return array("h", map(LINEAR.__getitem__, audio))


def _alone(leg: Leg, report: CallReport) -> range:
    """Return when, in samples, somebody who answered was not yet connected to the caller."""
    if leg.answered_ms is None:
        return range(0)
    began_ms = report.line_began_ms or 0
    bridged = [
        event.t_ms - began_ms
        for event in report.events
        if event.kind == "bridged" and event.detail["to"] == leg.name
    ]
    until_ms = min([*bridged, leg.ended_ms or leg.now_ms])
    return range(bytes_of(leg.answered_ms), bytes_of(until_ms))


def _mix_in(right: "array[int]", leg: Leg, when: range) -> None:
    """Let it be heard what this telephone's holder hears and says meanwhile."""
    heard, said = _samples(bytes(leg.line.heard)), _samples(bytes(leg.line.said))
    for at in when[: len(right) - when.start]:
        other = sum(side[at] for side in (heard, said) if at < len(side))
        right[at] = max(-32768, min(32767, right[at] // QUIETER + other))
