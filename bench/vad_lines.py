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
from replay.vad.report.words import METRICS, amount, how_sure, warnings
from replay.vad.study.budget import allowed, exceeded, excess, limits
from replay.vad.study.recommend import choice_of
from replay.vad.study.study import Plan, Study, study
from replay.vad.study.sweep import Grid, Sweep, sweep
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


def judged(made: Study, truth: Sweep) -> tuple[bool, str]:
    """Say whether a headline is right, and what is so."""
    if made.advised is None:
        return _judged_refusal(made, truth)
    place = choice_of(truth, made.advised)
    assert place is not None
    most = {name: float(np.squeeze(one)) for name, one in limits(truth.values, BUDGET).items()}
    told = {name: place.measured[name] for name in most}
    over = [
        metric for metric in METRICS if metric.name in most and told[metric.name].value > most[metric.name]
    ]
    silent = made.sweep.unknown  # the page says of these that it can't tell
    surely = [one for one in over if told[one.name].low > most[one.name] and one.name not in silent]
    said = ", ".join(
        f"{metric.title.lower()} {amount(told[metric.name].value, metric.unit)}, at most "
        f"{amount(most[metric.name], metric.unit)}"
        for metric in over
    )
    return not surely, f"it is within the budget there{', but for ' + said if said else ''}"


def _judged_refusal(made: Study, truth: Sweep) -> tuple[bool, str]:
    fits = allowed(truth.values, BUDGET)
    least = float(np.nanmin(excess(truth.values, BUDGET)))
    if not fits.any():
        return _says_none(made, truth), f"none is: the nearest is {least:.0%} over"
    low, high = made.recommendation.known
    known = [low - 1e-6 <= one <= high + 1e-6 for one in truth.grid.thresholds]
    inside, every = int(fits[known].sum()), int(fits.sum())
    return (
        made.status == "beyond" and not inside,
        f"{every} settings are, {inside} of them where the server was heard",
    )


def _says_none(made: Study, truth: Sweep) -> bool:
    """Say whether a headline is right where nothing is within the budget: it says so, or that it can't tell."""
    if made.status != "beyond":
        return made.status in ("impossible", "uncalibrated")
    beyond = made.recommendation.beyond
    place = choice_of(truth, beyond.setting) if beyond else None
    assert place is not None
    over = {name for name, parts in exceeded(truth.values, BUDGET).items() if parts[place.place[:2]]}
    return over <= made.sweep.unknown


def row(name: str, kind: str, made: Study, truth: Sweep) -> str:
    """Return one row of the table."""
    is_right, so = judged(made, truth)
    ended = truth.at("not_ended", *nearest_place(truth, made))
    verdict = "yes" if is_right else "**no**"
    return f"| {name} | {kind} | {headline(made)} | {how_sure(made)} | {so} | {ended.value:.0%} | {verdict} |"


def nearest_place(truth: Sweep, made: Study) -> tuple[int, int]:
    """Return where the setting of the headline is, or that of today."""
    choice = choice_of(truth, made.advised or NOW)
    assert choice is not None
    return choice.place[:2]


def main(names: Sequence[str]) -> None:
    """Write the page, or print rows of some lines."""
    rows = []
    with TemporaryDirectory() as folder:
        for name, recipe in LINES.items():
            if names and not any(one in name for one in names):
                continue
            found = line(name, recipe, Path(folder))
            for kind, made in (("labels", found.labelled), ("derived", found.derived)):
                rows.append(row(name, kind, made, found.others))
                print(rows[-1], flush=True)
                print("   ", made.why, [*warnings(made)][-2:], file=sys.stderr)
    if not names:
        REPORT.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


HEAD: Final = f"""# Is the headline right on the lines that people fear?

`bench/vad_lines.py` makes this page. {CALLS} calls on each line, heard by a server at threshold {NOW.threshold:g},
silence {NOW.silence_duration_ms} ms, that hears a little otherwise than the engine. The budget:
{BUDGET.turns_cut_percent:g} % cut off, {BUDGET.missed_above_best_points:g} points missed above the best,
{BUDGET.false_per_hour:g} false starts an hour, {BUDGET.onset_clipped_percent:g} % clipped,
{BUDGET.not_ended_percent:g} % not ended within {BUDGET.ended_within_ms / 1000:g} s. What is so was counted on {OTHERS}
other calls, with the server's own ears and exact truth; not ended: by the headline's setting there, or today's.
Right: what it sets is not surely beyond the budget there, or nothing is within it where it says so. Truth worked out
from the calls can't tell of all parts of the budget; the page says of which, so what is beyond it in those makes
no headline wrong, but one with an if.

| line | truth | headline | sure? | what is so | not ended | right |
|---|---|---|---|---|---|---|
"""


if __name__ == "__main__":
    main(sys.argv[1:])
