"""What `replay compare` prints: the answer, what it stands on, and what a comparison would take."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from bridge.screen.output import console
from bridge.text.visible import visible
from replay.compare.estimate import Estimate
from replay.compare.outcome import Comparison
from replay.compare.words import amount, change, proof, who
from replay.judge.verdict import Verdict

LOUD: Final = ("worse", "unclear", "better")
STYLES: Final = {"worse": "bold red", "unclear": "yellow", "better": "green"}
ANSWERS: Final = {"worse": "bold red", "unproved": "bold red", "blind": "bold yellow", "fine": "bold green"}


def print_comparison(comparison: Comparison, html: Path) -> None:
    """Print the answer for each variant, and what stands out."""
    out = console()
    for remark in comparison.remarks:
        out.print(remark, style="yellow", markup=False)
    for variant, verdicts in comparison.verdicts.items():
        out.print(comparison.sentence(variant), style=ANSWERS[comparison.answer(variant)], markup=False)
        for text in comparison.details(variant):
            out.print(text, markup=False)
        out.print(_table([verdict for verdict in verdicts if verdict.status in LOUD]))
        for status in ("same", "no data"):
            titles = [verdict.title for verdict in comparison.with_status(variant, status)]
            if titles:
                out.print(f"{status}: {', '.join(titles)}", style="dim", markup=False)
    out.print(f"page: {html}", markup=False, soft_wrap=True)


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for verdict in verdicts:
        known = [proof(verdict)]
        if verdict.status == "worse":
            known += [text for text in (who(verdict), *verdict.examples) if text]
        status = Text(verdict.status, style=STYLES[verdict.status])
        table.add_row(
            status, Text(verdict.title), Text(change(verdict)), Text("\n".join(map(visible, known)))
        )
    return table


def print_estimate(found: Estimate) -> None:
    """Print how many calls are needed, and for what."""
    out = console()
    cost = "at a cost that is not known" if found.usd is None else f"${found.usd:.2f}"
    out.print(
        f"{found.calls} calls, {found.minutes:.0f} minutes, {cost}: --repeats {found.repeats}", style="bold"
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("measure", "to be seen in 8 of 10", "calls a side"):
        table.add_column(title)
    for need in found.needs:
        calls_told = "more than 400" if need.calls is None else str(need.calls)
        table.add_row(need.title, amount(need.wanted, need.unit), calls_told)
    out.print(table)
