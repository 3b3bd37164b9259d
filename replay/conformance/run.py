"""A whole card: the calls are made, some beside each other, and what both sides tell of them is judged."""

import datetime
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

import attrs
import trio

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Check, Finding, ReportCard
from replay.conformance.catalogue import CHECKS
from replay.conformance.endings import judge_ending
from replay.conformance.greetings import judge_greeting
from replay.conformance.situations import Situation
from replay.conformance.spans import spans_of
from replay.conformance.stage import Stage

JUDGES: Final[tuple[Callable[[BothSides], Iterator[Finding]], ...]] = (judge_greeting, judge_ending)
AT_ONCE: Final = 5
"""So many calls go on beside each other, where none needs the bridge for itself: a tenth of what two cores play."""


async def make_calls(
    stage: Stage, situations: Sequence[Situation], on_done: Callable[[BothSides], None]
) -> list[BothSides]:
    """Make every call of these situations; those that need the bridge for themselves come last."""
    calls: list[BothSides] = []
    free = trio.Semaphore(AT_ONCE)

    async def one(situation: Situation, number: int) -> None:
        calls.append(await stage.call(situation, number))
        on_done(calls[-1])

    async def beside(situation: Situation) -> None:
        async with free:
            await _copies(situation, one)

    async with trio.open_nursery() as nursery:
        for situation in situations:
            if not situation.is_alone:
                nursery.start_soon(beside, situation)
    for situation in situations:
        if situation.is_alone:
            await _copies(situation, one)
    names = [situation.name for situation in situations]
    return sorted(calls, key=lambda call: (names.index(call.situation.name), call.number))


async def _copies(situation: Situation, one: Callable[[Situation, int], Awaitable[None]]) -> None:
    """Make a situation's calls, all at once."""
    async with trio.open_nursery() as nursery:
        for number in range(1, situation.copies + 1):
            nursery.start_soon(one, situation, number)


def judged(
    calls: Sequence[BothSides], *, bridge: str, url: str, began: datetime.datetime, took_seconds: float,
    checks: Sequence[Check] = CHECKS, notes: Sequence[str] = (),
) -> ReportCard:  # fmt: skip
    """Return the card: what each call says, and of checks of which none says anything, that it could not be told."""
    wanted = {check.name for check in checks}
    findings = [finding for call in calls for judge in JUDGES for finding in judge(call)]
    findings = [finding for finding in findings if finding.check in wanted]
    seen = {finding.check for finding in findings}
    untold = [_untold(check) for check in checks if check.name not in seen]
    return ReportCard(
        bridge=bridge,
        url=url,
        date=began.isoformat(timespec="seconds"),
        took_seconds=round(took_seconds, 1),
        checks=tuple(checks),
        calls=tuple(attrs.evolve(call.log(), spans=spans_of(call)) for call in calls),
        findings=(*findings, *untold),
        notes=tuple(notes),
        was_connected=any(call.report.started_ms is not None for call in calls),
    )


def _untold(check: Check) -> Finding:
    return Finding(check.name, "", "unknown", "no call came so far that it could be told")
