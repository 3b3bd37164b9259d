"""What `replay vad report` says of a trial: on the screen, and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Final

from attrs import asdict
from rich.table import Table

from bridge.screen.output import console
from bridge.text.wording import counted
from replay.vad.report.words import FEW_CALLS, METRICS, MINUS, SAID, Metric, amount, named, with_interval
from replay.vad.study.intervals import LEVEL
from replay.vad.study.sweep import Measured
from replay.vad.study.trial import COMPARED, TOGETHER, WORTH, Arm, Compared, Difference

TITLED: Final = tuple(metric for metric in METRICS if metric.name in COMPARED)
FLATTERED: Final = (
    "Worked out from the calls, too few turns count as cut off, and fewer still in the arm that answers sooner: once "
    "the agent is heard, what the caller says next is a new turn. Labels by hand tell them: replay vad labels"
)


def show(trial: str, made: Compared, sources: Mapping[str, int], skipped: Sequence[tuple[Path, str]]) -> None:
    """Print what differs, by how much, and what it stands on."""
    out = console()
    style = "bold green" if made.found else "bold yellow"
    out.print(headline(made), style=style, markup=False, soft_wrap=True)
    out.print(_table(made))
    for line in _grounds(trial, made, sources):
        out.print(line, style="dim", markup=False, soft_wrap=True)
    if skipped:
        out.print(f"{counted(len(skipped), 'tape')} can't be used; the first: {skipped[0][1]}",
                  style="yellow", markup=False, soft_wrap=True)  # fmt: skip


def headline(made: Compared) -> str:
    """Return what can be said in a sentence or two."""
    by_name = {one.metric: one for one in made.differences}
    told = [(metric, by_name[metric.name]) for metric in TITLED]
    sure = [
        f"{metric.larger if one.verdict == 'more' else metric.smaller} ({_signed(one.apart.value, metric)})"
        for metric, one in told if one in made.found
    ]  # fmt: skip
    if sure:
        return f"With the variant callers got {', '.join(sure)}."
    few = [(made.calls_needed(one), metric) for metric, one in told if one.verdict == "too few calls"]
    if not few:
        return "No difference: what could be counted is the same, within what a caller would notice."
    calls, metric = min(few, key=lambda one: one[0])
    worth = _signed(WORTH[metric.name], metric).lstrip("+")
    return (
        "No difference found. That there is none worth noticing is not sure yet: soonest that is told of "
        f"{metric.title.lower()} ({worth}), by about {round(calls, -2):.0f} calls in all."
    )


def _table(made: Compared) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("what callers got", "control", "variant", "difference", ""):
        table.add_column(title)
    by_name = {one.metric: one for one in made.differences}
    for metric in TITLED:
        one, arms = by_name[metric.name], (made.control, made.variant)
        table.add_row(
            metric.title, *(_cost(one, arm, metric) for arm in arms), _apart(one, metric), one.verdict
        )
    return table


def _cost(one: Difference, arm: Arm, metric: Metric) -> str:
    got = arm.measured[metric.name]
    if one.verdict == "unknown":
        return f"at least {amount(got.value, metric.unit)}" if isfinite(got.value) else "none"
    return with_interval(got, metric.unit)


def _apart(one: Difference, metric: Metric) -> str:
    if one.verdict == "unknown":
        return ""
    low, high = (_signed(end, metric) for end in (one.apart.low, one.apart.high))
    return f"{_signed(one.apart.value, metric)} ({low.removesuffix(UNITS[metric.unit])} to {high})"


UNITS: Final = {"share": " points", "ms": " ms", "count": ""}


def _signed(value: float, metric: Metric) -> str:
    """Return a difference as people write it: of shares in points."""
    size = amount(abs(value), metric.unit).replace(" %", " points")
    return f"{MINUS if value < 0 else '+'}{size}"


def _grounds(trial: str, made: Compared, sources: Mapping[str, int]) -> Iterator[str]:
    for arm in (made.control, made.variant):
        yield (
            f"{arm.name} of {trial}: {named(arm.setting)}; {counted(arm.calls, 'call')}, "
            f"{counted(round(arm.totals['turns']), 'turn')}"
        )
    yield (
        f"all intervals over calls, each at {TOGETHER:.1%}: in {LEVEL:.0%} of trials all of them hold the truth"
    )
    yield "truth: " + ", ".join(
        f"{counted(count, 'call')} {SAID[source]}" for source, count in sorted(sources.items())
    )
    if min(made.control.calls, made.variant.calls) < FEW_CALLS:
        yield f"fewer than {FEW_CALLS} calls in an arm: intervals from so few may be too narrow"
    if sources.get("derived"):
        yield FLATTERED
    if any(one.verdict == "unknown" for one in made.differences):
        yield "unknown: what is worked out from calls doesn't tell it, or nothing of it was there to count"


# ---------------------------------------------------------------- for machines


def as_json(made: Compared) -> dict[str, Any]:
    """Return everything that was found; what could not be counted is null."""
    return {
        "result": "difference" if made.found else "no difference",
        "arms": [_arm(one) for one in (made.control, made.variant)],
        "differences": [_difference(one) for one in made.differences],
        "level": LEVEL,
        "level_of_each": TOGETHER,
    }


def _arm(arm: Arm) -> dict[str, Any]:
    measured = {name: _plain(one) for name, one in arm.measured.items()}
    return {
        "arm": arm.name,
        "setting": asdict(arm.setting),
        "calls": arm.calls,
        **arm.totals,
        "measured": measured,
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {"metric": one.metric, **_plain(one.apart), "verdict": one.verdict, "worth": WORTH[one.metric]}


def _plain(measured: Measured) -> dict[str, float | None]:
    return {name: value if isfinite(value) else None for name, value in asdict(measured).items()}
