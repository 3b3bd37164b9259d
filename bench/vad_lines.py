"""Is the headline right on the lines that people fear? Babble, a street, hold music, echo: bench/vad-lines.md.

    OPENBLAS_NUM_THREADS=1 uv run python bench/vad_lines.py          (about four minutes)

A server that hears as Silero does, a little otherwise, has heard calls on each line at today's setting. The lab sees
the audio and the server's events, once with labels, once without. What is true is counted on other calls of the kind,
with the server's own ears and the exact truth: what the headline's setting does there, and whether any setting does
what the budget asks.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from attrs import frozen

from bridge.settings.turn_detection import TurnBudget
from replay.sound.silero import probabilities
from replay.vad.compose.compose import ComposedCall, Recipe, compose
from replay.vad.compose.composed_tape import heard_turns, labels_of
from replay.vad.engine.machine import Hearing, Setting
from replay.vad.report.headline import headline
from replay.vad.report.words import METRICS, amount, how_sure, warnings, with_interval
from replay.vad.study.budget import allowed, limits
from replay.vad.study.recommend import Choice, choice_of, recommend
from replay.vad.study.study import Plan, Study, study
from replay.vad.study.sweep import CLIPPED, Grid, Sweep, sweep
from replay.vad.truth.corpus import Corpus
from replay.vad.truth.recording import Heard, Recording, ServerTurn

REPORT: Final = Path(__file__).with_name("vad-lines.md")
CALLS: Final = 40
OTHERS: Final = 80
NOW: Final = Setting(0.5, 500, 300)
SERVER: Final = Hearing(shift=-0.05, hysteresis=0.2, start_windows=1, lag_ms=40)
BUDGET: Final = TurnBudget(turns_cut_percent=15, missed_above_best_points=3, false_per_hour=60)
LOUD: Final = {"level_dbfs": (-18.0, -18.0), "snr_db": (6.0, 6.0)}
"""The caller at -18 dBFS, so that noise 6 dB below is at -24."""

LINES: Final = {
    "a quiet line": Recipe.clean(turns=(4, 7)),
    "babble at \N{MINUS SIGN}24 dBFS": Recipe.clean(turns=(4, 7), noises=("babble",), **LOUD),
    "a street at \N{MINUS SIGN}24 dBFS": Recipe.clean(turns=(4, 7), noises=("street",), **LOUD),
    "hold music at \N{MINUS SIGN}24 dBFS": Recipe.clean(
        turns=(4, 7), music_seconds=30, music_dbfs=(-24, -24)
    ),
    "echo at 20 dB": Recipe.clean(turns=(4, 7), echo_loss_db=20),
}


@frozen
class Line:
    """One row: what the lab says with labels and without, and what is so."""

    name: str
    labelled: Study
    derived: Study
    others: Sweep


def recorded(call: ComposedCall, folder: Path) -> Recording:
    """Return a call as a recording that the server has heard."""
    turns = (ServerTurn(*turn) for turn in heard_turns(call, NOW, SERVER))
    path = str(folder / f"{call.call_id}.jsonl.gz")
    heard = (Heard(NOW, tuple(turns)),)
    return Recording(call.call_id, path, "composed", call.audio, "near_field", heard, call.truth.agent)


def line(name: str, recipe: Recipe, folder: Path) -> Line:
    """Study calls on one line with labels and without, and count what is true on others."""
    labelled, bare = folder / name / "labelled", folder / name / "bare"
    labelled.mkdir(parents=True)
    bare.mkdir()
    calls = [compose(recipe, 23, number) for number in range(CALLS)]
    for call in calls:
        write_labels_of(labelled, call)
    plan = Plan(agent="front-desk", budget=BUDGET, resamples=400)
    return Line(
        name,
        study([recorded(call, labelled) for call in calls], plan),
        study([recorded(call, bare) for call in calls], plan),
        others(recipe),
    )


def write_labels_of(folder: Path, call: ComposedCall) -> None:
    (folder / f"{call.call_id}.labels.txt").write_text(labels_of(call), encoding="utf-8")


def others(recipe: Recipe) -> Sweep:
    """Return what every setting does on other calls, heard by the server's own ears, by what is really so."""
    calls = [compose(recipe, 2323, number) for number in range(OTHERS)]
    heard = [probabilities(call.audio, SERVER.ear.policy) for call in calls]
    corpus = Corpus.of(
        [call.call_id for call in calls], heard, [call.truth for call in calls], BUDGET.ended_within_ms
    )
    return sweep(corpus, Grid().including(NOW), SERVER, resamples=400)


# ---------------------------------------------------------------- is it right?


def judged(made: Study, truth: Sweep) -> tuple[str, str]:
    """Say whether a headline is right, and what is so."""
    fits = allowed(truth.values, BUDGET)
    if made.status == "blind":
        return "it can't tell", so_of(made, truth)
    named = made.advised
    if made.status == "beyond" and (beyond := made.recommendation.beyond):
        low, high = made.recommendation.known
        known = [low - 1e-6 <= one <= high + 1e-6 for one in truth.grid.thresholds]
        if fits[known].any():
            return "**no**", so_of(made, truth)
        named = beyond.setting
    if named is None:
        says_none = made.status in ("impossible", "uncalibrated")
        return "yes" if says_none and not fits.any() else "**no**", so_of(made, truth)
    place = choice_of(truth, named)
    assert place is not None
    surely = [name for name, most in over(place, truth).items() if place.measured[name].low > most]
    return "**no**" if set(surely) - made.sweep.unknown else "yes", so_of(made, truth)


def over(place: Choice, truth: Sweep) -> dict[str, float]:
    """Return what the budget allows of the metrics in which a setting is beyond it."""
    most = {name: float(np.squeeze(one)) for name, one in limits(truth.values, BUDGET).items()}
    return {name: one for name, one in most.items() if place.measured[name].value > one}


def so_of(made: Study, truth: Sweep) -> str:
    """Return in words what the advice does there, or whether anything is within the budget."""
    fits = allowed(truth.values, BUDGET)
    if made.advised:
        place = choice_of(truth, made.advised)
        assert place is not None
        beyond = in_words(place, truth)
        return f"it is within the budget there{', but for ' + beyond if beyond else ''}"
    if fits.any():
        return f"{fits.sum()} settings are within the budget"
    place = recommend(truth, BUDGET).nearest
    assert place is not None
    return f"nothing is within the budget; nearest to it: {in_words(place, truth)}"


def in_words(place: Choice, truth: Sweep) -> str:
    """Return in what a setting is beyond the budget, with the intervals of these other calls."""
    return ", ".join(
        f"{metric.title.lower()} {with_interval(place.measured[metric.name], metric.unit)}, at most "
        f"{amount(most, metric.unit)}"
        for metric in METRICS
        for most in [over(place, truth).get(metric.name)]
        if most is not None
    )


def row(name: str, kind: str, made: Study, truth: Sweep) -> str:
    """Return one row of the first table."""
    verdict, so = judged(made, truth)
    return f"| {name} | {kind} | {headline(made)} | {how_sure(made)} | {so} | {verdict} |"


COMPARED: Final = ("turns_cut", "short_missed", "false_per_hour", CLIPPED, "not_ended", "delay_mean_ms")


def counted(name: str, found: Line) -> str:
    """Return one row of the second table: today's setting by labels and by derived truth, on the same calls."""
    cells = [
        f"{amount(by_labels, metric.unit)} \N{RIGHTWARDS ARROW} "
        + (f"({amount(derived, metric.unit)})" if metric.name in found.derived.sweep.unknown
           else amount(derived, metric.unit))
        for metric in METRICS if metric.name in COMPARED
        for by_labels, derived in [[one.recommendation.current.measured[metric.name].value  # type: ignore[union-attr]  # in the grid
                                    for one in (found.labelled, found.derived)]]
    ]  # fmt: skip
    return f"| {name} | {' | '.join(cells)} |"


def main(names: Sequence[str]) -> None:
    """Write the page, or print rows of some lines."""
    rows, told = [], []
    with TemporaryDirectory() as folder:
        for name, recipe in LINES.items():
            if names and not any(one in name for one in names):
                continue
            found = line(name, recipe, Path(folder))
            for kind, made in (("labels", found.labelled), ("derived", found.derived)):
                rows.append(row(name, kind, made, found.others))
                print(rows[-1], flush=True)
                print("   ", made.why, [*warnings(made)][-2:], file=sys.stderr)
            told.append(counted(name, found))
            print(told[-1], flush=True)
    if not names:
        REPORT.write_text("\n".join([HEAD, *rows, BETWEEN, *told, ""]), encoding="utf-8")


HEAD: Final = f"""# Is the headline right on the lines that people fear?

`bench/vad_lines.py` makes this page. {CALLS} calls on each line, heard by a server at threshold {NOW.threshold:g},
silence {NOW.silence_duration_ms} ms, that hears a little otherwise than the engine; without transcripts. The budget:
{BUDGET.turns_cut_percent:g} % cut off, {BUDGET.missed_above_best_points:g} points missed above the best,
{BUDGET.false_per_hour:g} false starts an hour, {BUDGET.onset_clipped_percent:g} % clipped,
{BUDGET.not_ended_percent:g} % not ended within {BUDGET.ended_within_ms / 1000:g} s. What is so was counted on {OTHERS}
other calls, with the server's own ears and exact truth, and has intervals of its own. Right: a setting that the page
advises, or would have tried on a shadow, is not surely beyond the budget there; or nothing is within it where it says
so. Truth worked out from the calls can't tell of all parts of the budget; the page says of which, so what is beyond it
in those makes no headline wrong, but one with an if.

| line | truth | headline | sure? | what is so | right |
|---|---|---|---|---|---|"""

BETWEEN: Final = f"""
## What derived truth knows of such a line

Today's setting (threshold {NOW.threshold:g}, silence {NOW.silence_duration_ms} ms) on the same {CALLS} calls: by
labels, and by what is worked out from them. In brackets: what the page then says is unknown.

| line | {" | ".join(one.title.lower() for one in METRICS if one.name in COMPARED)} |
|---|{"---|" * len(COMPARED)}"""


if __name__ == "__main__":
    main(sys.argv[1:])
