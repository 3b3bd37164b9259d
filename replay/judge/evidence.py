"""What two sides' calls prove: every measure's difference, what of it chance makes, and the bar it must pass. Pure."""

from typing import Final

import numpy as np
from attrs import frozen

from replay.judge.columns import Table
from replay.judge.power import Bar
from replay.judge.stats import (
    NOTHING,
    SURELY,
    SURENESS,
    Array,
    Departures,
    Differences,
    Draws,
    bar_of,
    differences,
    draw,
    passing,
    ranked,
    together,
)
from replay.judge.table import Number
from replay.judge.thresholds import Thresholds

SINGLE_CALLERS: Final = 0.25
"""What all callers, each taken alone, may add to the false alarms of a number, as a part of what the number may."""


@frozen(eq=False)
class Evidence:
    """What is known of all measures of two sides, and how much of it chance would have made."""

    table: Table
    draws: Draws
    numbers: Differences
    traits: tuple[Departures, ...]
    error: float
    sureness: float
    excess: Array
    own: Array
    """Draws x columns: numbers, numbers by caller, fields; in standard errors, and the chance of each alone."""

    bar: float
    """The largest chance of its own, weighted, with which a column is worse."""

    among_all: Array


def evidence_of(table: Table, thresholds: Thresholds, *, variants: int, looks: int) -> Evidence:
    """Return what is known of one of so many variants, at one of so many looks at them."""
    sureness = 1 - (1 - SURENESS) / looks
    signs = np.array([-1.0 if number.is_better_up else 1.0 for number in table.numbers])
    draws = draw(
        table.callers, table.is_now, resamples=int(thresholds["resamples"]), seed=int(thresholds["seed"])
    )
    numbers = differences(draws, table.values * signs, table.weights)
    traits = tuple(field.departures(draws) for field in table.fields)
    tolerances = np.array([tolerance_of(table, place, thresholds) for place in range(len(table.numbers))])
    stretches = np.array([stretch_of(number, thresholds) for number in table.numbers])
    whole = passing(numbers.mean, numbers.error * stretches, numbers.freedom, tolerances, sureness=sureness)
    alone = 1 - (1 - sureness) / len(draws.rows)
    single = passing(numbers.mean_of, numbers.error_of, numbers.freedom_of, tolerances, sureness=alone)
    labels = [
        found.beyond(float(thresholds[field.trait.allowed]), sureness)
        for found, field in zip(traits, table.fields, strict=True)
    ]
    callers = single.transpose(1, 2, 0).reshape(draws.count, -1)
    excess: Array = np.hstack([whole, callers, *(found[:, None] for found in labels)]).round(9)
    own = ranked(excess)
    part = SINGLE_CALLERS / len(draws.rows) if len(draws.rows) > 1 else 1e-9
    shares = [np.ones(len(signs)), np.full(callers.shape[1], part), np.ones(len(traits))]
    weighted = own / np.concatenate(shares)
    error = float(thresholds["false_alarms"]) / variants / looks
    return Evidence(
        table,
        draws,
        numbers,
        traits,
        error,
        sureness,
        excess,
        own,
        bar_of(weighted, error),
        together(weighted),
    )


def tolerance_of(table: Table, place: int, thresholds: Thresholds) -> float:
    """Return what is borne of a number, in its own unit."""
    number = table.numbers[place]
    allowed, was = float(thresholds[number.allowed]), means_of(table, place)[0]
    return allowed / 100 * was if number.is_percent and was is not None else allowed


def stretch_of(number: Number, thresholds: Thresholds) -> float:
    """Return by how much an error grows where the tolerance is a part of the baseline's mean, which has its own."""
    part = float(thresholds[number.allowed]) / 100 if number.is_percent else 0.0
    return float(((1 + (1 + part) ** 2) / 2) ** 0.5)


def spread_when_seen(number: Number, thresholds: Thresholds) -> float:
    """Return by how much more calls vary with a change that can be seen, where what is borne is a part of the mean.

    Such a change is about twice what is borne; its side's calls vary as much more as they are larger.
    """
    part = 2 * float(thresholds[number.allowed]) / 100 if number.is_percent else 0.0
    return float(((1 + (1 + part) ** 2) / 2) ** 0.5)


def bar_for(known: Evidence, column: int, tolerance: float) -> Bar:
    """Return what a column must pass to be worse."""
    excess = known.excess[:, column]
    enough = excess[(known.own[:, column] <= known.bar) & (excess > NOTHING / 2)]
    return Bar(
        known.bar, float(enough.min(initial=SURELY)) if len(enough) else 0.0, tolerance, known.sureness
    )


def means_of(table: Table, place: int) -> tuple[float | None, float | None]:
    """Return the mean of each side, over the callers that both have."""
    weights, is_now = table.weights[:, place], np.array(table.is_now)
    names = np.array(table.callers)
    shared = set(names[~is_now & (weights > 0)]) & set(names[is_now & (weights > 0)])
    counts = np.isin(names, sorted(shared)) & (weights > 0)
    was, now = (
        float(np.average(table.values[rows, place], weights=weights[rows])) if rows.any() else None
        for rows in (counts & ~is_now, counts & is_now)
    )
    return was, now
