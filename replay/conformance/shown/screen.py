"""A report card on the screen: what failed first, each with the lines of both sides."""

from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.text.visible import visible
from bridge.text.wording import counted
from replay.conformance.card import Check, Evidence, Finding, ReportCard, Result
from replay.conformance.shown.words import WORDS, found_of, verdict

STYLES: Final[dict[Result, str]] = {"failed": "bold red", "unknown": "yellow", "passed": "green"}
MOST_FINDINGS: Final = 3
"""Of one check that failed, in full; the rest is counted."""


def teller(screen: Console) -> Callable[[str], None]:
    """Return what prints a line about the work that goes on."""

    def tell(line: str) -> None:
        screen.print(Text(visible(line), style="dim"), soft_wrap=True)

    return tell


def show_card(card: ReportCard, screen: Console) -> None:
    """Print a card for people: what failed with its proof, then all checks, a line each."""
    for check in card.checks:
        if card.result_of(check.name) == "failed":
            screen.print()
            for line in _failure(card, check):
                screen.print(line)
    screen.print()
    screen.print(_table(card))
    for note in card.notes:
        screen.print(Text(visible(note), style="yellow"))
    counts = ", ".join(f"{len(card.named(result))} {words}" for result, words in WORDS.items())
    calls = f"{counted(len(card.calls), 'call')} in {card.took_seconds:.0f} s"
    screen.print(Text(f"\n{verdict(card)}", style="bold"))
    screen.print(Text(f"{counts}; {calls}"))


def _table(card: ReportCard) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for check in card.checks:
        result = card.result_of(check.name)
        told = Text(check.title)
        told.append(f"  ({visible(found_of(card, check.name))})", style="dim")
        table.add_row(Text(WORDS[result], style=STYLES[result]), Text(check.name), told)
    return table


def _failure(card: ReportCard, check: Check) -> Iterator[Text]:
    failed = [finding for finding in card.of(check.name) if finding.result == "failed"]
    yield Text.assemble(("failed  ", "bold red"), (check.title, "bold"))
    yield Text.assemble(("  callers  ", "dim"), check.caller_notices)
    for finding in failed[:MOST_FINDINGS]:
        yield from _proof(finding)
    if len(failed) > MOST_FINDINGS:
        yield Text(f"  and {len(failed) - MOST_FINDINGS} times more", style="dim")
    yield Text.assemble(("  others   ", "dim"), check.others_do)


def _proof(finding: Finding) -> Iterator[Text]:
    yield Text.assemble((f"  {finding.call}: ", "yellow"), visible(finding.why))
    for line in (finding.phone, finding.model):
        if line is not None:
            yield _line(line)


def _line(line: Evidence) -> Text:
    return Text.assemble((f"    {line.at_ms / 1000:8.2f}  {line.side:6s} ", "dim"), visible(line.line))
