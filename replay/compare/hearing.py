"""The same turn of a caller with every variant, to be listened to side by side: cut from tapes, within a bound."""

from collections.abc import Iterator, Mapping, Sequence
from operator import add
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import frozen

from bridge.errors import BridgeError
from bridge.heart.audio import bytes_of
from bridge.page.facts import told
from bridge.page.sound_file import head_of
from bridge.sound.g711 import LINEAR, ulaw_of
from bridge.store.line_sound import Sound
from bridge.tapes.reader import read_tape
from replay.judge.call import Call

MOST_BYTES: Final = 2 * 2**20
"""Of sound in a page, which is a single file that people mail: some thirty turns."""

MOST_CALLERS: Final = 12
"""Whose tapes are read: a page shall not take minutes to write."""

MOST_TURNS: Final = 3
"""Of one caller."""

BEFORE_MS, AFTER_MS = 2000, 400
MOST_MS: Final = 10_000
"""Of a turn: what comes first tells variants apart."""

Row: TypeAlias = dict[str, Any]


@frozen
class Answer:
    """One answer of the agent's: how long it was waited for, what was said, and where it is to be heard."""

    asked: str
    said: str
    waited_ms: int
    from_ms: int
    to_ms: int


@frozen
class Heard:
    """An answer with its sound, both sides together."""

    variant: str
    tape: str
    answer: Answer
    wave: bytes


@frozen
class Turn:
    """What every variant answered to the same words of the same caller."""

    caller: str
    number: int
    heard: tuple[Heard, ...]

    @property
    def size(self) -> int:
        """Return the bytes of its sound."""
        return sum(len(one.wave) for one in self.heard)


def turns_to_hear(calls: Sequence[Call], baseline: str) -> list[Turn]:
    """Return the turns in which the variants differ most in how long they kept callers waiting, of every caller some.

    Each variant's first call of a caller is heard, the baseline's first.
    """
    by_caller = [_turns_of(caller, found) for caller, found in _first_calls(calls, baseline)[:MOST_CALLERS]]
    chosen, size = list[Turn](), 0
    for rank in range(MOST_TURNS):
        for turns in by_caller:
            if rank < len(turns) and size + turns[rank].size <= MOST_BYTES:
                chosen.append(turns[rank])
                size += turns[rank].size
    return sorted(chosen, key=lambda turn: (turn.caller, turn.number))


def _first_calls(calls: Sequence[Call], baseline: str) -> list[tuple[str, dict[str, Call]]]:
    found: dict[str, dict[str, Call]] = {}
    for call in sorted(calls, key=lambda one: (one.variant != baseline, one.repeat)):
        if call.measures is not None and call.tape:
            found.setdefault(call.caller, {}).setdefault(call.variant, call)
    return [(caller, variants) for caller, variants in found.items() if len(variants) > 1]


def _turns_of(caller: str, calls: Mapping[str, Call]) -> list[Turn]:
    """Return a caller's turns that all variants answered, those first in which they differ most."""
    try:
        read = {variant: told(read_tape(Path(call.tape))) for variant, call in calls.items()}
    except BridgeError:
        return []  # one that is gone has been told of elsewhere
    answers = {variant: list(answers_in(facts)) for variant, (facts, _) in read.items()}
    alike = range(min(map(len, answers.values())))
    order = sorted(alike, key=lambda n: _apart(one[n] for one in answers.values()), reverse=True)[:MOST_TURNS]
    return [
        Turn(
            caller,
            number + 1,
            tuple(
                Heard(
                    variant,
                    calls[variant].tape,
                    answers[variant][number],
                    _wave(sound, answers[variant][number]),
                )
                for variant, (_, sound) in read.items()
            ),
        )
        for number in order
    ]


def _apart(answers: Iterator[Answer]) -> int:
    waits = [one.waited_ms for one in answers]
    return max(waits) - min(waits)


def answers_in(facts: Mapping[str, Any]) -> Iterator[Answer]:
    """Yield the answers that a caller waited for, in their order."""
    spoken: list[Row] = [line for line in facts["lines"] if line["role"] == "agent"]
    for wait in facts["waits"]:
        line = next((one for one in spoken if one["to_ms"] >= wait["to_ms"]), None)
        said = "".join(text for text, _, is_heard in line["words"] if is_heard) if line else ""
        from_ms = max(0, wait["from_ms"] - BEFORE_MS)
        until = (line["to_ms"] if line else wait["to_ms"]) + AFTER_MS
        waited = wait["to_ms"] - wait["from_ms"]
        yield Answer(str(wait["said"]), said.strip(), waited, from_ms, min(until, from_ms + MOST_MS))


def _wave(sound: Sound, answer: Answer) -> bytes:
    """Return the sound of an answer, and what led to it, as a file."""
    part = slice(bytes_of(answer.from_ms), bytes_of(answer.to_ms))
    caller, agent = ((LINEAR[code] for code in side[part]) for side in (sound.caller, sound.agent))
    both = ulaw_of([max(-32_768, min(32_767, one)) for one in map(add, caller, agent)])
    return head_of(len(both), 1) + both
