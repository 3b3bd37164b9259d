"""Which setting to use, given a sweep and a budget; how sure that is; what would change for which callers. Pure."""

from collections.abc import Mapping
from math import isnan
from typing import Final, TypeAlias

import numpy as np
from attrs import evolve, field, frozen

from bridge.settings.turn_detection import TurnBudget
from replay.vad.engine.machine import LEAST, Ints, Setting
from replay.vad.study.budget import ROUNDING, allowed, excess, obstacle
from replay.vad.study.intervals import Array, ends_of, for_few
from replay.vad.study.sweep import CLIPPED, DRAWN, METRICS, Measured, Sweep
from replay.vad.truth.corpus import Bools

Place: TypeAlias = tuple[int, int, int]
"""The numbers of a setting's threshold, silence and prefix in its grid."""


@frozen
class Choice:
    """A setting with everything that was measured of it, by the names in METRICS."""

    setting: Setting
    place: Place
    measured: Mapping[str, Measured] = field(repr=False)


@frozen
class Recommendation:
    """What to set, beside what is set now.

    chosen is None when no setting meets the budget; `why` says then what stands in the way. safer: the quickest that
    is within the budget in nine of ten resamples, for the quickest of all is often just within it; None for none.
    meets: the share of resamples in which the chosen setting is within the budget. near: in which the resample's own
    choice is at most one step of the grid away, both in threshold and in silence.

    known: between which thresholds something may be recommended. Where nothing is: risky is the quickest that is within
    the budget in these very calls, but not surely enough for the cautious; beyond, the quickest within it that lies at
    a threshold not known; nearest, what exceeds the budget least. None for none.
    """

    budget: TurnBudget
    known: tuple[float, float]
    chosen: Choice | None
    safer: Choice | None
    current: Choice | None
    why: str
    meets: float = 0.0
    near: float = 0.0
    risky: Choice | None = None
    beyond: Choice | None = None
    nearest: Choice | None = None


@frozen
class OperatingPoints:
    """The field's common points, as eot-bench has them: pauses cut at a mean delay, delay at a share of pauses cut.

    None where no setting of the grid gets there.
    """

    cut_at_300_ms: float | None
    cut_at_600_ms: float | None
    delay_at_5_percent_ms: float | None
    delay_at_10_percent_ms: float | None


def recommend(
    sweep: Sweep,
    budget: TurnBudget,
    current: Setting | None = None,
    *,
    known: tuple[float, float] = (0, 1),
    is_cautious: bool = False,
) -> Recommendation:
    """Return the setting with the least mean delay that the budget allows, and how far chance could have chosen it.

    known: between which thresholds it is known how the server hears; none beyond is recommended. is_cautious: of the
    settings that are within the budget in nine of ten resamples, in place of those that are so in these very calls.
    """
    now = choice_of(sweep, current) if current else None
    tried = now.setting if now else None
    usable = _usable(sweep, known)[:, None]
    delays, fits = sweep.values["delay_mean_ms"], allowed(sweep.values, budget)
    drawn = allowed(sweep.draws, budget) & usable
    share = drawn.mean(axis=0)
    safe = _choice_at(sweep, int(_least(delays, share >= SAFE)), budget, tried)
    quickest = _choice_at(sweep, int(_least(delays, fits & usable)), budget, tried)
    chosen = safe if is_cautious else quickest
    if chosen is None:
        anywhere = fits & _usable(sweep, (0, 1))[:, None]
        beyond = None if quickest else _choice_at(sweep, int(_least(delays, anywhere)), budget, tried)
        return Recommendation(
            budget, known, None, None, now,
            _reason_of_chance(quickest) if quickest
            else _reason_of_range(sweep, budget, known, beyond) if beyond
            else obstacle(sweep, budget),
            risky=quickest, beyond=beyond, nearest=_nearest(sweep, budget, usable),
        )  # fmt: skip
    threshold, silence, _ = chosen.place
    own = _least(sweep.draws["delay_mean_ms"], drawn)
    return Recommendation(
        budget,
        known,
        promised(sweep, chosen, own),
        safe,
        now,
        "",
        float(share[threshold, silence]),
        _nearness(own, threshold, silence, delays.shape[1]),
    )


SAFE: Final = 0.9


def _usable(sweep: Sweep, known: tuple[float, float]) -> Bools:
    """Say of each threshold whether it may be recommended: how the server hears is known there, and local marks exist.

    Where the release mark comes to lie at the bottom of the scale, silence hardly ever begins: that is no setting.
    """
    low, high = known
    found: list[bool] = [
        low - ROUNDING <= remote <= high + ROUNDING and sweep.hearing.release(remote) > LEAST
        for remote in sweep.grid.thresholds
    ]
    return np.array(found)


def _choice_at(sweep: Sweep, place: int, budget: TurnBudget, now: Setting | None = None) -> Choice | None:
    """Return the setting at a flat place of the grid, with the prefix it should have; None for no place."""
    if place < 0:
        return None
    threshold, silence = divmod(place, len(sweep.grid.silences_ms))
    return _choice(sweep, (threshold, silence, _prefix(sweep, threshold, silence, budget, now)))


def promised(sweep: Sweep, chosen: Choice, own: Ints) -> Choice:
    """Return a choice with intervals that also hold how far choosing it flatters; own: the place each resample chooses.

    What is chosen for its numbers looks better than it is. By how much, the resamples tell: each says something of its
    own choice, and all calls say what is so of that. The wider of this and the setting's own interval counts.
    """
    made = np.flatnonzero(own >= 0)
    if not len(made):
        return chosen
    threshold, silence = np.divmod(own[made], len(sweep.grid.silences_ms))
    longer, measured = for_few(sweep.calls), dict(chosen.measured)
    for name in DRAWN:
        place = (threshold, silence, chosen.place[2]) if name == CLIPPED else (threshold, silence)
        low, high = ends_of(sweep.values[name][place] - sweep.draws[name][made, *place])
        one = measured[name]
        measured[name] = Measured(
            one.value,
            float(np.fmin(one.low, max(one.value + float(low) * longer, 0.0))),
            float(np.fmax(one.high, one.value + float(high) * longer)),
        )
    return evolve(chosen, measured=measured)


def _nearness(chosen: Ints, threshold: int, silence: int, silences: int) -> float:
    """Return the share of draws whose own choice is at most one step away."""
    thresholds, steps = np.divmod(chosen, silences)
    near = (chosen >= 0) & (np.abs(thresholds - threshold) <= 1) & (np.abs(steps - silence) <= 1)
    return float(near.mean())


def choice_of(sweep: Sweep, setting: Setting) -> Choice | None:
    """Return what was measured of a setting; None when the grid does not have it."""
    grid = sweep.grid
    try:
        place = (
            grid.thresholds.index(setting.threshold),
            grid.silences_ms.index(setting.silence_duration_ms),
            grid.prefixes_ms.index(setting.prefix_padding_ms),
        )
    except ValueError:
        return None
    return _choice(sweep, place)


def _choice(sweep: Sweep, place: Place) -> Choice:
    grid, (threshold, silence, prefix) = sweep.grid, place
    setting = Setting(grid.thresholds[threshold], grid.silences_ms[silence], grid.prefixes_ms[prefix])
    return Choice(setting, place, {name: sweep.at(name, *place) for name in METRICS})


def _least(delays: Array, allowed: Bools) -> Ints:
    """Return the flat place of the least delay allowed, over the last two axes; -1 for none.

    Windows are 32 ms long, so neighbouring silences can come to the same in everything: of those the longest is meant,
    for a server that counts in ms.
    """
    silences = delays.shape[-1]
    masked = np.where(allowed, delays, np.inf)[..., ::-1].reshape(*delays.shape[:-2], -1)
    threshold, back = np.divmod(masked.argmin(axis=-1), silences)
    place: Ints = np.where(np.isinf(masked.min(axis=-1)), -1, threshold * silences + silences - 1 - back)
    return place


@frozen
class Spread:
    """Between which values the resamples' own choices lie, eight of ten of them; nowhere: how many have none."""

    thresholds: tuple[float, float]
    silences_ms: tuple[int, int]
    nowhere: float


def spread(sweep: Sweep, told: Recommendation, share: float = 0.8) -> Spread | None:
    """Say how far chance moves the advice in so many of the resamples; None when none allows any."""
    delays, grid = sweep.draws["delay_mean_ms"], sweep.grid
    places = _least(delays, allowed(sweep.draws, told.budget) & _usable(sweep, told.known)[:, None])
    known = places[places >= 0]
    if not len(known):
        return None
    thresholds, silences = (
        np.quantile(numbers, (0.5 - share / 2, 0.5 + share / 2), method="nearest").tolist()
        for numbers in np.divmod(known, len(grid.silences_ms))
    )
    return Spread(
        (grid.thresholds[thresholds[0]], grid.thresholds[thresholds[1]]),
        (grid.silences_ms[silences[0]], grid.silences_ms[silences[1]]),
        1 - len(known) / len(places),
    )


def choices_of_chance(sweep: Sweep, told: Recommendation) -> list[tuple[Setting, float]]:
    """Return the settings in question, with their shares of 1: what the resamples choose, and what is shown."""
    fits = allowed(sweep.draws, told.budget) & _usable(sweep, told.known)[:, None]
    places = _least(sweep.draws["delay_mean_ms"], fits)
    chosen, counts = np.unique(places[places >= 0], return_counts=True)
    weights: dict[Setting, float] = {}
    for place, count in zip(chosen.tolist(), counts.tolist(), strict=True):
        if one := _choice_at(sweep, place, told.budget):
            weights[evolve(one.setting, prefix_padding_ms=0)] = float(count)
    extra = max(1.0, sum(weights.values()) / 10)
    for choice in (told.chosen, told.safer, told.current, told.risky, told.beyond, told.nearest):
        if choice:
            setting = evolve(choice.setting, prefix_padding_ms=0)
            weights[setting] = weights.get(setting, 0.0) + extra
    total = sum(weights.values())
    heaviest = sorted(weights.items(), key=lambda one: -one[1])[:MOST_IN_QUESTION]
    return [(setting, weight / total) for setting, weight in heaviest]


MOST_IN_QUESTION: Final = 40
"""Settings in question at the most: the rest of them chance hardly ever chooses."""


def within(sweep: Sweep, budget: TurnBudget) -> Bools:
    """Say which settings are within the budget: (thresholds, silences)."""
    return allowed(sweep.values, budget)


def _nearest(sweep: Sweep, budget: TurnBudget, usable: Bools) -> Choice | None:
    """Return the setting that exceeds the budget least; None for no delay at all."""
    delays = sweep.values["delay_mean_ms"]
    known = ~np.isnan(delays) & (usable if usable.any() else True)
    if not known.any():
        return None
    worst = excess(sweep.values, budget)
    least = known & (worst <= worst[known].min() * (1 + ROUNDING) + ROUNDING)
    return _choice_at(sweep, int(_least(delays, least)), budget)


def _reason_of_chance(risky: Choice) -> str:
    return (
        "no setting is within the budget in nine of ten resamples of these calls; in these very calls "
        f"{_in_words(risky.setting)} is"
    )


def _reason_of_range(sweep: Sweep, budget: TurnBudget, known: tuple[float, float], beyond: Choice) -> str:
    """Say where that lies which is within the budget, and how it could be known that it is."""
    marks = [sweep.grid.thresholds[row] for row in np.flatnonzero(allowed(sweep.values, budget).any(axis=1))]
    lies = (
        f"at threshold {marks[0]:g}"
        if len(marks) == 1
        else f"at thresholds from {marks[0]:g} to {marks[-1]:g}"
    )
    return (
        f"what is within this budget lies {lies}, and these calls show how the server hears from {known[0]:g} to "
        f"{known[1]:g} alone; a day with a shadow at {_in_words(beyond.setting)} would show it there too"
    )


def _in_words(setting: Setting) -> str:
    return f"threshold {setting.threshold:g}, silence {setting.silence_duration_ms} ms"


def _prefix(sweep: Sweep, threshold: int, silence: int, budget: TurnBudget, now: Setting | None) -> int:
    """Return the number of today's prefix if it clips few enough onsets, of the least that does, or of the best.

    A longer prefix delays nothing, so there is no reason to shorten one that is long enough.
    """
    clipped = sweep.values[CLIPPED][threshold, silence]
    enough = np.flatnonzero(clipped <= budget.onset_clipped_percent / 100 + ROUNDING)
    kept = sweep.grid.prefixes_ms.index(now.prefix_padding_ms) if now else -1
    if kept in enough:
        return kept
    return int(enough[0]) if len(enough) else int(np.argmin(np.where(np.isnan(clipped), np.inf, clipped)))


def operating_points(sweep: Sweep) -> OperatingPoints:
    """Return where the grid gets to at the field's common points."""
    delay, cut = sweep.values["delay_mean_ms"], sweep.values["pauses_cut"]
    return OperatingPoints(
        _lowest(cut, delay <= 300),
        _lowest(cut, delay <= 600),
        _lowest(delay, cut <= 0.05),
        _lowest(delay, cut <= 0.1),
    )


def _lowest(values: Array, where: Bools) -> float | None:
    known = where & ~np.isnan(values)
    return float(values[known].min()) if known.any() else None


def pareto(sweep: Sweep) -> list[Place]:
    """Return the settings that none beats in both mean delay and turns cut off, by delay; their prefix is the first."""
    delay, cut = (sweep.values[name].ravel() for name in ("delay_mean_ms", "turns_cut"))
    order, best, found = np.lexsort((cut, delay)), np.inf, []
    for place in order:
        if cut[place] < best and not np.isnan(delay[place]):
            best = cut[place]
            threshold, silence = divmod(int(place), len(sweep.grid.silences_ms))
            found.append((threshold, silence, 0))
    return found


# ---------------------------------------------------------------- beside another turn detection


@frozen
class Rival:
    """What server_vad could do in another's place: as_careful, the quickest setting that cuts off and misses no more
    and starts no more often at noise; as_quick, of those no slower the one that cuts off least. None for none."""

    as_careful: Choice | None
    as_quick: Choice | None


NO_WORSE: Final = ("turns_cut", "short_missed", "false_per_hour")


def rival(sweep: Sweep, measured: Mapping[str, Measured], known: tuple[float, float]) -> Rival:
    """Return the settings to hold against what another turn detection was measured to do."""
    values, usable = (
        sweep.values,
        np.broadcast_to(_usable(sweep, known)[:, None], sweep.values["delay_mean_ms"].shape),
    )
    careful = usable & ~np.isnan(values["delay_mean_ms"])
    for name in NO_WORSE:
        if not isnan(most := measured[name].value):
            careful = careful & ~(values[name] > most + ROUNDING)
    quick = usable & (values["delay_mean_ms"] <= measured["delay_mean_ms"].value + ROUNDING)
    return Rival(
        _at_longest_prefix(sweep, int(_least(values["delay_mean_ms"], careful))),
        _at_longest_prefix(sweep, int(_least(values["turns_cut"], quick))),
    )


def _at_longest_prefix(sweep: Sweep, place: int) -> Choice | None:
    """Return the setting at a flat place with the prefix that clips least, for it costs nothing."""
    if place < 0:
        return None
    threshold, silence = divmod(place, len(sweep.grid.silences_ms))
    return _choice(sweep, (threshold, silence, len(sweep.grid.prefixes_ms) - 1))
