"""Which moments of which calls would have gone otherwise under another setting. Pure."""

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import numpy as np
from attrs import frozen

from replay.sound.silero_network import WINDOW_MS
from replay.vad.engine.machine import Hearing, Ints, Setting, runs_of, segments_of, silence_windows
from replay.vad.study.metrics import Outcome, outcome_of
from replay.vad.truth.corpus import Bools, Corpus

Kind: TypeAlias = Literal["cut off", "missed", "false start"]
SAME_MS: Final = 500
"""Two false starts this close are the same noise, noticed a little sooner or later."""


@frozen
class Change:
    """One moment that another setting would have changed: for the better, or not.

    call: the number of the recording in its corpus, from 0. ms: on the recording's clock.
    """

    call: int
    ms: int
    kind: Kind
    is_better: bool


def outcome_under(corpus: Corpus, setting: Setting, hearing: Hearing) -> Outcome:
    """Return what a setting does to each turn, pause and stretch of speech of a corpus."""
    marks = hearing.threshold(setting.threshold), hearing.release(setting.threshold)
    runs = runs_of(corpus.track, *marks, hearing.start_windows)
    return outcome_of(corpus, segments_of(runs, silence_windows(setting.silence_duration_ms)), hearing.lag_ms)


def changes(corpus: Corpus, hearing: Hearing, now: Setting, then: Setting) -> list[Change]:
    """Return the turns cut off or missed and the false starts that would have gone otherwise, by recording and time."""
    before, after = outcome_under(corpus, now, hearing), outcome_under(corpus, then, hearing)
    found = [
        *_turned(corpus, "cut off", before.is_cut, after.is_cut),
        *_turned(corpus, "missed", ~before.found, ~after.found),
        *_gone(corpus, before.start_ms[before.is_false], after.start_ms[after.is_false], is_better=True),
        *_gone(corpus, after.start_ms[after.is_false], before.start_ms[before.is_false], is_better=False),
    ]
    return sorted(found, key=lambda change: (change.call, change.ms))


def mistakes(corpus: Corpus, hearing: Hearing, setting: Setting) -> list[Change]:
    """Return every moment that one setting gets wrong, by recording and time."""
    outcome, none = outcome_under(corpus, setting, hearing), np.zeros(len(corpus.turns.start), bool)
    found = [
        *_turned(corpus, "cut off", none, outcome.is_cut),
        *_turned(corpus, "missed", none, ~outcome.found),
        *_gone(corpus, outcome.start_ms[outcome.is_false], np.zeros(0, np.int64), is_better=False),
    ]
    return sorted(found, key=lambda change: (change.call, change.ms))


def _turned(corpus: Corpus, kind: Kind, before: Bools, after: Bools) -> Iterator[Change]:
    for number in np.flatnonzero(before != after):
        call = int(corpus.turns.call[number])
        base = int(corpus.track.begins[call]) * WINDOW_MS
        yield Change(call, int(corpus.turns.start[number]) - base, kind, bool(before[number]))


def _gone(corpus: Corpus, these: Ints, those: Ints, *, is_better: bool) -> Iterator[Change]:
    """Yield the false starts that have none of the others near."""
    for moment in these:
        if not len(those) or np.abs(those - moment).min() > SAME_MS:
            call = int(np.searchsorted(corpus.track.begins * WINDOW_MS, moment, side="right")) - 1
            yield Change(
                call, int(moment) - int(corpus.track.begins[call]) * WINDOW_MS, "false start", is_better
            )
