"""Callers who were recorded, as calls of a card: they say what they said, and the agent talks for as long as it did."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from bridge.errors import TapeError
from bridge.tapes.odd_tapes import gone_through
from bridge.tapes.reader import Tape, read_tape
from bridge.text.wording import short_id
from replay.callers.recorded_caller import caller_of, longest_ms
from replay.callers.recorded_line import Moment, NoCallerError, recorded_call
from replay.conformance.situations import Situation
from replay.model.script import Reply, Say, Script
from replay.phone.line import FRAME_MS
from replay.phone.script import Caller, WaitForStream
from replay.sound.formats import murmur

SHORTEST_MS: Final = 800
LONGEST_MS: Final = 30_000
"""An answer is not made longer than that: a caller who heard more had long understood."""


def call_of(tape: Tape) -> Situation:
    """Return the call of a tape's caller. Raises `NoCallerError` when nobody can be heard on it, and `TapeError`."""
    caller, heard = caller_of(tape, mode="turns"), recorded_call(tape).moments
    answers = [_answer(moment) for moment in heard if moment.was_heard]
    script = Script(
        opening=answers[0] if answers else (),
        turns=tuple(answers[1:]),
        fallback=(Say(murmur(SHORTEST_MS), "(an answer)"),),
    )
    call_id = short_id(tape.header.call_id)
    return Situation(
        name=f"caller-{call_id}",
        title=f"the caller of {call_id} rings again",
        caller=Caller(
            steps=(WaitForStream(), *caller.steps),
            answer_delay_ms=caller.answer_delay_ms,
            patience_ms=caller.patience_ms,
        ),
        script=script,
        longest_ms=longest_ms(caller),
    )


def calls_of(
    paths: Iterable[Path], faults: list[TapeError], silent: list[NoCallerError]
) -> Iterator[Situation]:
    """Yield the call of each tape's caller; the other lists are given the tapes that can't be read, and nobody's."""

    def call(path: Path) -> Situation | None:
        try:
            return call_of(read_tape(path))
        except NoCallerError as error:
            silent.append(error)
            return None

    yield from (made for made in gone_through(paths, call, faults) if made is not None)


def _answer(moment: Moment) -> Reply:
    """What the agent says, of the length of what it said then: heard and unheard."""
    ms = min(max(moment.spoken_ms + moment.unheard_ms, SHORTEST_MS), LONGEST_MS)
    return (Say(murmur(ms // FRAME_MS * FRAME_MS), "(as long as recorded)"),)
