"""The caller of a recorded call as a script for the phone stand-in: the same words, on the recorded clock or in turn.

It calls nobody. What the caller says in a pause of the agent is theirs word for word; how the line sounded between
their utterances is kept by the mode "clock" alone.
"""

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias, assert_never

from bridge.heart.audio import bytes_of
from bridge.heart.keys import HIDDEN
from bridge.tapes.reader import Tape
from replay.callers.recorded_line import Deed, Moment, RecordedCall, recorded_call
from replay.phone.line import REPLY_GAP_MS
from replay.phone.script import (
    Caller,
    HangUp,
    InterruptAfter,
    Menu,
    Press,
    Say,
    Step,
    Wait,
    WaitForEnd,
    WaitForQuiet,
)

Mode: TypeAlias = Literal["clock", "turns"]
"""Everything at its recorded moment, or each turn in answer to the agent's."""

LONGEST_GAP_MS: Final = 5000
"""A caller who was silent for longer waited for something that another conversation does not have."""

OVERLAP_MS: Final = 200
"""People begin to answer so long before the other has finished: that is no interruption yet."""

SAT_OUT_MS: Final = 300
"""How much longer than the longest pause within an answer the caller waits to be sure that it is over."""

KEYS_TOGETHER_MS: Final = 2000
"""Keys that come so close to each other are one number, whatever the agent says meanwhile."""

UNKNOWN_KEY: Final = "0"
"""What is pressed for a key that the tape has hidden."""

ANSWER_MS: Final = 45_000
"""The longest answer that is listened to. A bridge whose agent says nothing at all ends the call before that."""

END_MS: Final = 20_000
"""How long the caller waits for an ending that was the agent's; then they hang up."""

PATIENCE_MS: Final = 100
"""What is left to wait for after that; not 0, with which a caller who hung up would do so twice in one tick."""


def caller_of(tape: Tape, *, mode: Mode) -> Caller:
    """Return the caller of a recorded call.

    "clock" says everything at the recorded moment, whatever is heard. "turns" says it after the agent's answer, or into
    it where the caller interrupted. Raises `NoCallerError` when nobody can be heard on the tape, and `TapeError`.
    """
    call = recorded_call(tape)
    match mode:
        case "clock":
            steps = _by_the_clock(call)
        case "turns":
            steps = _in_turn(call)
        case _:
            assert_never(mode)
    ending = () if call.hung_up else (WaitForEnd(END_MS),)
    delay_ms = min(call.ring_ms, LONGEST_GAP_MS)
    return Caller(steps=(*steps, *ending), answer_delay_ms=delay_ms, patience_ms=PATIENCE_MS)


def longest_ms(caller: Caller) -> int:
    """Return how long a call with this caller can last: all they say, and every wait to its end."""
    return caller.answer_delay_ms + caller.patience_ms + sum(map(_longest_ms, caller.steps)) + 10_000


def _longest_ms(step: Step) -> int:
    if isinstance(step, Say):
        return len(step.audio) // bytes_of(1)
    if isinstance(step, Menu):
        levels = step.levels.values()
        return sum(level.tries * (_longest_ms(level.prompt) + level.wait_ms) for level in levels)
    return step.ms if isinstance(step, Wait) else getattr(step, "timeout_ms", 0)


# ---------------------------------------------------------------- on the recorded clock


def _by_the_clock(call: RecordedCall) -> Iterator[Step]:
    """Say everything in one breath, silences included; keys and the hang-up come where they came."""
    said = 0
    for deed in call.deeds:
        if deed.audio:
            continue
        place = bytes_of(deed.begin_ms)
        if call.audio[said:place]:
            yield Say(call.audio[said:place], "(as recorded)")
        yield _act(deed)
        said = max(said, place)
    if call.audio[said:]:
        yield Say(call.audio[said:], "(as recorded)")


# ---------------------------------------------------------------- in turn


def _in_turn(call: RecordedCall) -> Iterator[Step]:
    """Wait before each deed for what the caller had waited for."""
    before: Deed | None = None
    for deed, moment in zip(call.deeds, call.moments, strict=True):
        yield _wait(before, deed, moment)
        yield _act(deed)
        before = deed


def _wait(before: Deed | None, deed: Deed, moment: Moment) -> Step:
    gap_ms = max(0, deed.begin_ms - (before.end_ms if before else 0))
    is_one_number = before is not None and bool(before.key and deed.key) and gap_ms <= KEYS_TOGETHER_MS
    if is_one_number or not moment.was_heard:
        return Wait(min(gap_ms, LONGEST_GAP_MS))
    quiet_ms = _quiet_ms(moment)
    if moment.unheard_ms > OVERLAP_MS:
        return InterruptAfter(moment.spoken_ms, timeout_ms=ANSWER_MS, quiet_ms=quiet_ms)
    return WaitForQuiet(quiet_ms, timeout_ms=ANSWER_MS)


def _quiet_ms(moment: Moment) -> int:
    """Return how long the agent must be quiet to have finished: as long as recorded, and no pause within an answer."""
    recorded_ms = 0 if moment.unheard_ms else moment.quiet_ms
    patient_ms = moment.pause_ms + SAT_OUT_MS if moment.pause_ms else 0
    return min(max(recorded_ms, patient_ms, REPLY_GAP_MS), LONGEST_GAP_MS)


def _act(deed: Deed) -> Step:
    if deed.audio:
        return Say(deed.audio, deed.words)
    return Press(UNKNOWN_KEY if deed.key == HIDDEN else deed.key) if deed.key else HangUp()
