"""What callers got in either arm of a trial, by the server's own events, and what can be said of the difference. Pure.

The intervals of the differences hold together: all of them hold the truth in 19 of 20 trials (Bonferroni), so that of
six numbers that are looked at the luckiest is not taken for a finding.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import hypot, isfinite
from typing import Final, Literal, TypeAlias

import numpy as np
from attrs import field, frozen

from bridge.errors import BridgeError
from bridge.settings.trial import ARMS, CONTROL, VARIANT
from bridge.settings.turn_detection import SemanticVad
from bridge.tapes.tape import MODEL
from replay.sound.silero_network import Floats
from replay.vad.engine.machine import Setting
from replay.vad.study.intervals import LEVEL
from replay.vad.study.metrics import counts_of, judged
from replay.vad.study.observed import (
    WORTH_AN_HOUR,
    WORTH_MS,
    WORTH_SHARE,
    Session,
    corpus_of,
    sessions_of,
    stretches_heard,
)
from replay.vad.study.sweep import DRAWN, Measured, drawn_calls, measured
from replay.vad.truth.corpus import ENDED_WITHIN_MS
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Truth

Verdict: TypeAlias = Literal["less", "more", "no difference", "too few calls", "unknown"]

COMPARED: Final = DRAWN
TOGETHER: Final = 1 - (1 - LEVEL) / len(COMPARED)
"""How often each interval has to hold for all of them to hold as often as `LEVEL`."""

RESAMPLES: Final = 4000
"""Of so many the ends at that level have 17 beyond each."""

WORTH: Final[Mapping[str, float]] = {
    name: WORTH_MS if name.endswith("_ms") else WORTH_AN_HOUR if name.endswith("per_hour") else WORTH_SHARE
    for name in COMPARED
}
"""What a caller would notice of each."""


class TrialError(BridgeError):
    """These calls are no trial that can be judged; it says why, and what to do."""


@frozen
class Arm:
    """What one arm's callers got. measured: by the names in COMPARED, each interval at the level of TOGETHER."""

    name: str
    setting: Setting | SemanticVad
    calls: int
    totals: Mapping[str, float]
    measured: Mapping[str, Measured] = field(repr=False)


@frozen
class Difference:
    """How far the variant is above the control in one metric, and what can be said of it.

    `less` and `more` are sure; so is `no difference`: none that a caller would notice. With `too few calls` neither is.
    `unknown`: with truth from where this one comes, it can't be counted.
    """

    metric: str
    apart: Measured
    verdict: Verdict


@frozen
class Compared:
    """Both arms of a trial, and the differences between them."""

    control: Arm
    variant: Arm
    differences: tuple[Difference, ...]

    @property
    def found(self) -> tuple[Difference, ...]:
        """Return the differences that are sure."""
        return tuple(one for one in self.differences if one.verdict in ("less", "more"))

    def calls_needed(self, one: Difference) -> float:
        """Return about how many calls in all tell a difference of this metric that a caller would notice."""
        half = (one.apart.high - one.apart.low) / 2
        return (self.control.calls + self.variant.calls) * (half / WORTH[one.metric]) ** 2


def compared(
    recordings: Sequence[Recording],
    probabilities: Sequence[Floats],
    truths: Sequence[Truth],
    arms: Sequence[str],
    *,
    ended_within_ms: int = ENDED_WITHIN_MS,
    unknown: frozenset[str] = frozenset(),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Compared:
    """Return what the calls of each arm got and how far they are apart; `arms` says which arm each recording had.

    unknown: the metrics of which these truths can't tell. Raises `TrialError`.
    """
    own = [one for one in sessions_of(recordings) if one.heard.leg == MODEL]
    both = {}
    for number, name in enumerate(ARMS):
        sessions = [one for one in own if arms[one.call] == name]
        setting = _only_setting(name, sessions)
        corpus = corpus_of(sessions, recordings, probabilities, truths, ended_within_ms)
        prefixes = (setting.prefix_padding_ms if isinstance(setting, Setting) else 0,)
        told = counts_of(corpus, judged(corpus, stretches_heard(corpus, sessions)), prefixes)
        weights = drawn_calls(corpus.calls, resamples, seed + number)
        *sides, _ = measured(corpus, [told], weights, TOGETHER)
        both[name] = Arm(
            name, setting, corpus.calls, {of: float(one.sum()) for of, one in corpus.totals().items()},
            {metric: Measured(*(float(np.ravel(side[metric])[0]) for side in sides)) for metric in COMPARED},
        )  # fmt: skip
    control, variant = both[CONTROL], both[VARIANT]
    return Compared(
        control, variant, tuple(_difference(name, control, variant, unknown) for name in COMPARED)
    )


def _only_setting(arm: str, sessions: Sequence[Session]) -> Setting | SemanticVad:
    """Return the setting that all calls of an arm had. Raises `TrialError` where that is none, or several."""
    found = Counter(one.heard.setting for one in sessions if one.heard.setting is not None)
    if not found:
        raise TrialError(f"no call of the {arm}: a trial needs calls of both arms")
    if len(found) > 1:
        listed = ", ".join(f"{setting} in {count}" for setting, count in found.most_common())
        raise TrialError(
            f"the {arm} had several settings ({listed}): a setting that is changed is another trial"
        )
    return next(iter(found))


def _difference(metric: str, control: Arm, variant: Arm, unknown: frozenset[str]) -> Difference:
    apart = apart_of(control.measured[metric], variant.measured[metric])
    return Difference(metric, apart, "unknown" if metric in unknown else verdict_of(metric, apart))


def apart_of(one: Measured, other: Measured) -> Measured:
    """Return how far the other is above the one, both measured on calls of their own.

    The interval is made of their two (Newcombe; Zou and Donner): they need not be symmetric, and a count of nought in
    both arms leaves one with a width.
    """
    value = other.value - one.value
    low = hypot(other.value - other.low, one.high - one.value)
    high = hypot(other.high - other.value, one.value - one.low)
    return Measured(value, value - low, value + high)


def verdict_of(metric: str, apart: Measured) -> Verdict:
    """Say what an interval lets be said."""
    if not all(map(isfinite, (apart.value, apart.low, apart.high))):
        return "unknown"
    if apart.low > 0:
        return "more"
    if apart.high < 0:
        return "less"
    return "no difference" if max(-apart.low, apart.high) <= WORTH[metric] else "too few calls"
