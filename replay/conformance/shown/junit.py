"""A report card as JUnit's cases, which CI systems show: one a check."""

from collections.abc import Iterator
from typing import Final

from replay.conformance.card import Check, Finding, ReportCard, Result
from replay.tapes.junit import Case, Outcome

OUTCOMES: Final[dict[Result, Outcome]] = {"passed": "passed", "failed": "failure", "unknown": "skipped"}


def cases_of(card: ReportCard, *, strict: bool) -> Iterator[Case]:
    """Yield a case for each check; one that could not be told is skipped, or failed if that counts as failed.

    Where nothing at all could be told each is an error: a suite of nothing but skipped cases looks green."""
    for check in card.checks:
        result = card.result_of(check.name)
        untold: Outcome = "failure" if strict else OUTCOMES["unknown"] if card.tells_anything else "error"
        outcome = untold if result == "unknown" else OUTCOMES[result]
        alike = [finding for finding in card.of(check.name) if finding.result == result]
        message = "" if result == "passed" or not alike else alike[0].why
        yield Case(card.bridge, check.name, outcome, message, _text(check, alike) if message else "")


def _text(check: Check, findings: list[Finding]) -> str:
    told = f"{check.title}; where it fails, callers notice: {check.caller_notices}"
    return "\n".join(
        [told, *(line for finding in findings for line in _lines(finding)), f"others: {check.others_do}"]
    )


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{finding.call or 'all calls'}: {finding.why}"
    for proof in finding.proof:
        yield f"  {proof.at_ms / 1000:8.2f}  {proof.side:6s} {proof.line}"
