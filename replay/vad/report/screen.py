"""What `replay vad sweep` prints for people."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.table import Table

from bridge.screen.output import console
from bridge.text.wording import counted
from replay.vad.report.headline import headline
from replay.vad.report.heard import beside_server_vad, differing, in_force, whose
from replay.vad.report.top import hours, snippet
from replay.vad.report.words import METRICS, at_least, in_words, percent, sources, warnings, with_interval
from replay.vad.study.study import Study


def show(made: Study, skipped: Sequence[tuple[Path, str]]) -> None:
    """Print the answer, what it costs, and what it stands on."""
    out = console()
    style = "bold green" if made.advised or made.status == "semantic" else "bold yellow"
    for line in differing(made):
        out.print(
            f"The server did not do what the local model says: {line}",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    out.print(headline(made), style=style, markup=False, soft_wrap=True)
    if made.why:
        out.print(made.why, markup=False, soft_wrap=True)
    out.print(_costs(made))
    for told in (one for one in made.observed if one.is_semantic):
        for line in (f"{whose(told)}, in {counted(told.calls, 'call')}:", *beside_server_vad(made, told)):
            out.print(line, markup=False, soft_wrap=True)
    for sentence in _grounds(made):
        out.print(sentence, style="dim", markup=False, soft_wrap=True)
    for path, why in skipped[:MOST_SKIPPED]:
        out.print(why if str(path) in why else f"{path}: {why}", style="yellow", markup=False, soft_wrap=True)
    if len(skipped) > MOST_SKIPPED:
        out.print(f"and {len(skipped) - MOST_SKIPPED} more tapes that can't be used", style="yellow")


MOST_SKIPPED: Final = 5


def _costs(made: Study) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    now, then = made.recommendation.current, made.recommendation.chosen if made.advised else None
    real = in_force(made)
    columns = {
        "now, observed": real and real.measured,
        "now, modelled" if real else "now": now and now.measured,
        "recommended": then and then.measured,
    }
    known = {title: measured for title, measured in columns.items() if measured}
    for title in ("what callers bear", *known):
        table.add_column(title)
    for metric in METRICS:
        is_unknown = metric.name in made.sweep.unknown
        table.add_row(
            metric.title,
            *(
                ", ".join(filter(None, ("unknown", at_least(metric, measured))))
                if is_unknown
                else with_interval(measured[metric.name], metric.unit)
                for measured in known.values()
            ),
        )
    return table


def _grounds(made: Study) -> Iterator[str]:
    """Yield what the answer stands on, a sentence each."""
    totals, found = made.sweep.totals, made.recommendation
    yield (
        f"{counted(made.sweep.calls, 'call')}, {hours(totals['hours'])}, {counted(round(totals['turns']), 'turn')}, "
        f"{totals['short']:.0f} of them short replies; truth: {sources(made)}"
    )
    if made.calibration and made.advised:
        yield made.calibration.verdict()
    if made.advised:
        yield (
            f"with other calls drawn from these it would be within the budget {percent(found.meets)} of the time, and "
            f"the choice within one step of it {percent(found.near)}"
        )
    if made.advised and found.safer and found.safer != found.chosen:
        yield f"within the budget in 90 % of resamples of these calls: {in_words(found.safer.setting)} (--cautious)"
    yield from warnings(made)


def show_files(made: Study, html: Path, written: Path | None) -> None:
    """Print what was written where, and what to write by hand."""
    out = console()
    if made.advised and made.current and made.status == "change":
        better = sum(change.is_better for change in made.changes)
        worse = len(made.changes) - better
        out.print(
            f"{better} moments of these calls would go better, {worse} worse: the page plays them",
            markup=False,
        )
    if written and made.advised:
        out.print(f"written to {written}", markup=False, soft_wrap=True)
    elif made.advised and made.status == "change":
        out.print(snippet(made), markup=False, soft_wrap=True)
    out.print(f"page: {html}", markup=False, soft_wrap=True)
