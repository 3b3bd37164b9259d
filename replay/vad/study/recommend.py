"""Which setting to use, given a sweep and a budget; how sure that is; what would change for which callers. Pure."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
from attrs import field, frozen

from bridge.settings.turn_detection import TurnBudget
from replay.vad.engine.machine import LEAST, Ints, Setting
from replay.vad.study.sweep import CLIPPED, METRICS, Array, Measured, Sweep
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
    """

    budget: TurnBudget
    chosen: Choice | None
    safer: Choice | None
    current: Choice | None
    why: str
    meets: float
    near: float


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
    delays, drawn = sweep.values["delay_mean_ms"], _allowed(sweep.draws, budget) & usable
    share = drawn.mean(axis=0)
    place = int(_least(delays, share >= SAFE if is_cautious else _allowed(sweep.values, budget) & usable))
    if place < 0:
        return Recommendation(budget, None, None, now, _obstacle(sweep, budget), 0.0, 0.0)
    threshold, silence = divmod(place, delays.shape[1])
    safe = int(_least(delays, share >= SAFE))
    return Recommendation(
        budget,
        _choice_at(sweep, place, budget, tried),
        _choice_at(sweep, safe, budget, tried) if safe >= 0 else None,
        now,
        "",
        float(share[threshold, silence]),
        _nearness(_least(sweep.draws["delay_mean_ms"], drawn), threshold, silence, delays.shape[1]),
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


def _choice_at(sweep: Sweep, place: int, budget: TurnBudget, now: Setting | None = None) -> Choice:
    threshold, silence = divmod(place, len(sweep.grid.silences_ms))
    return _choice(sweep, (threshold, silence, _prefix(sweep, threshold, silence, budget, now)))


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


def _allowed(values: Mapping[str, Array], budget: TurnBudget) -> Bools:
    """Say which settings are within the budget; the last two axes are thresholds and silences.

    What could not be counted, for want of short replies or pauses, forbids nothing.
    """
    missed = values["short_missed"]
    best = np.min(np.where(np.isnan(missed), np.inf, missed), axis=(-2, -1), keepdims=True)
    too_many = missed > best + budget.missed_above_best_points / 100 + ROUNDING
    too_many |= values["turns_cut"] > budget.turns_cut_percent / 100 + ROUNDING
    too_many |= values["false_per_hour"] > budget.false_per_hour + ROUNDING
    too_many |= values["not_ended"] > budget.not_ended_percent / 100 + ROUNDING
    clipped = np.min(np.nan_to_num(values[CLIPPED]), axis=-1)  # whichever prefix clips the fewest
    too_many |= clipped > budget.onset_clipped_percent / 100 + ROUNDING
    allowed: Bools = ~too_many & ~np.isnan(values["delay_mean_ms"])
    return allowed


ROUNDING: Final = 1e-6


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


def spread(sweep: Sweep, budget: TurnBudget) -> Spread | None:
    """Say how far chance moves the advice; None when no resample allows any."""
    delays, grid = sweep.draws["delay_mean_ms"], sweep.grid
    places = _least(delays, _allowed(sweep.draws, budget))
    known = places[places >= 0]
    if not len(known):
        return None
    thresholds, silences = (
        np.quantile(numbers, (0.1, 0.9), method="nearest").tolist()
        for numbers in np.divmod(known, len(grid.silences_ms))
    )
    return Spread(
        (grid.thresholds[thresholds[0]], grid.thresholds[thresholds[1]]),
        (grid.silences_ms[silences[0]], grid.silences_ms[silences[1]]),
        1 - len(known) / len(places),
    )


def within(sweep: Sweep, budget: TurnBudget) -> Bools:
    """Say which settings are within the budget: (thresholds, silences)."""
    return _allowed(sweep.values, budget)


def nearest(sweep: Sweep, budget: TurnBudget) -> Choice | None:
    """Return the setting that exceeds the budget least, by the largest of its excesses; None for no delay at all."""
    values, limits = sweep.values, (
        ("turns_cut", budget.turns_cut_percent / 100),
        ("false_per_hour", budget.false_per_hour),
    )  # fmt: skip
    excess = [np.nan_to_num(values[name] / max(limit, ROUNDING) - 1).clip(0) for name, limit in limits]
    missed = np.nan_to_num(values["short_missed"])
    points = max(budget.missed_above_best_points / 100, 0.01)
    excess.append(np.asarray((missed - missed.min()) / points - 1).clip(0))
    worst = np.max(excess, axis=0)
    known = ~np.isnan(values["delay_mean_ms"])
    if not known.any():
        return None
    least = known & (worst <= worst[known].min() * (1 + ROUNDING) + ROUNDING)
    return _choice_at(sweep, int(_least(values["delay_mean_ms"], least)), budget)


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


def _obstacle(sweep: Sweep, budget: TurnBudget) -> str:
    """Say which part of the budget can't be met, and how near the grid comes to it."""
    cut = float(np.nanmin(sweep.values["turns_cut"]))
    if cut > budget.turns_cut_percent / 100:
        least = f"{cut * 100:.1f} % at the least"
        return f"every setting cuts off more than {budget.turns_cut_percent:g} % of turns: {least}"
    false = float(np.nanmin(sweep.values["false_per_hour"]))
    if false > budget.false_per_hour:
        return f"every setting has more than {budget.false_per_hour:g} false starts an hour: {false:.0f} at the least"
    clipped = float(np.nanmin(sweep.values[CLIPPED]))
    if clipped > budget.onset_clipped_percent / 100:
        return (
            f"every setting clips the beginning of more than {budget.onset_clipped_percent:g} % of turns: "
            f"{clipped * 100:.1f} % at the least"
        )
    return (
        f"no setting has all of it at once: at most {budget.turns_cut_percent:g} % of turns cut off, short replies "
        f"missed at most {budget.missed_above_best_points:g} points above the best, and at most "
        f"{budget.false_per_hour:g} false starts an hour"
    )


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
