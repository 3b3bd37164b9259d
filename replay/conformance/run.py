"""A whole card: the calls are made, some beside each other, and what both sides tell of them is judged."""

import datetime
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from typing import Final

import attrs
import trio

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Check, Finding, ReportCard, measures_of
from replay.conformance.catalogue import CHECKS
from replay.conformance.judging.crowds import judge_crowd, judge_presence
from replay.conformance.judging.doors import judge_doors, judge_survival
from replay.conformance.judging.endings import judge_ending
from replay.conformance.judging.greetings import judge_greeting
from replay.conformance.judging.interruptions import judge_interruptions
from replay.conformance.judging.scenarios import judge_scenario
from replay.conformance.judging.tool_calls import judge_tools
from replay.conformance.judging.turns import judge_turns
from replay.conformance.judging.verdicts import blamed
from replay.conformance.situations import FIRST, Situation, situations
from replay.conformance.spans import spans_of
from replay.conformance.stage import Stage
from replay.conformance.telling import known_of, telling, untold
from replay.phone.ring import Account, Destination

JUDGES: Final[tuple[Callable[[BothSides], Iterator[Finding]], ...]] = (
    judge_greeting, judge_turns, judge_interruptions, judge_tools, judge_doors, judge_survival, judge_crowd,
    judge_ending, judge_scenario,
)  # fmt: skip
AT_ONCE: Final = 10
"""So many calls go on beside each other, where none needs the bridge for itself: a tenth of what two cores play."""
ROOM_PERCENT: Final = 60.0
"""Of one core, the bridge's for all calls beside each other: with less left, they would be each other's delay."""


@attrs.frozen
class Ringer:
    """Who is rung, by which account, and who is told of each call when it is over."""

    stage: Stage
    to: Destination
    account: Account
    on_done: Callable[[BothSides], None]
    checks: Sequence[Check] = CHECKS
    own: Sequence[Situation] = ()
    """Calls that somebody brings; the card's own are not made then."""
    at_once: int = AT_ONCE
    _numbers: Iterator[int] = attrs.field(factory=count, init=False, repr=False)

    async def make(self, situation: Situation, number: int = 1) -> BothSides:
        """Make one call."""
        caller = f"+1555012{next(self._numbers) % 10_000:04}"  # many bridges take so many calls of a number
        is_odd = situation.has_odd_parameters
        account = attrs.evolve(
            self.account, odd_parameters=is_odd, repeated_parameters=not is_odd, caller=caller
        )
        call = await self.stage.call(situation, self.to, account, number)
        self.on_done(call)
        return call


async def make_calls(ringer: Ringer) -> list[BothSides]:
    """Make every call: the first shows what the others can be; those that need the bridge for themselves come last."""
    calls = await (_make_all(ringer, ringer.own) if ringer.own else _make_the_card_s(ringer))
    await ringer.stage.wait_left()
    return calls


async def _make_the_card_s(ringer: Ringer) -> list[BothSides]:
    first = await ringer.make(FIRST)
    if first.report.started_ms is None:
        return [first]  # nobody is there to be judged
    ringer = attrs.evolve(ringer, at_once=at_once(first.hurry.steady_percent))
    wanted = situations(known_of(first))
    if len(ringer.checks) < len(CHECKS):
        wanted = telling(wanted, ringer.checks)
    return [first, *await _make_all(ringer, wanted)]


def at_once(percent: float) -> int:
    """Return how many calls may go on beside each other, of which each takes so much of a core."""
    return max(1, min(AT_ONCE, int(ROOM_PERCENT / percent) if percent else AT_ONCE))


async def _make_all(ringer: Ringer, wanted: Sequence[Situation]) -> list[BothSides]:
    calls: list[BothSides] = []
    free = trio.Semaphore(ringer.at_once)

    async def one(situation: Situation, number: int) -> None:
        calls.append(await ringer.make(situation, number))

    async def beside(situation: Situation) -> None:
        async with free:
            await _copies(situation, one)

    async with trio.open_nursery() as nursery:
        for situation in wanted:
            if not situation.is_alone and not situation.begins_alone_ms:
                nursery.start_soon(beside, situation)
    for situation in wanted:
        if situation.is_alone:
            await _copies(situation, one)
    async with trio.open_nursery() as nursery:
        for situation in wanted:
            if situation.begins_alone_ms:
                nursery.start_soon(_copies, situation, one)
    names = [situation.name for situation in wanted]
    return sorted(calls, key=lambda call: (names.index(call.situation.name), call.number))


async def _copies(situation: Situation, one: Callable[[Situation, int], Awaitable[None]]) -> None:
    """Make a situation's calls, all at once."""
    async with trio.open_nursery() as nursery:
        for number in range(1, situation.copies + 1):
            nursery.start_soon(one, situation, number)


def judged(
    calls: Sequence[BothSides], *, bridge: str, url: str, began: datetime.datetime, took_seconds: float,
    checks: Sequence[Check] = CHECKS, notes: Sequence[str] = (), keeps_untold: bool = True,
) -> ReportCard:  # fmt: skip
    """Return the card: what each call says, and of checks of which none says anything, that it could not be told.

    Without `keeps_untold` those are left out, unless nothing could be told at all: no card is good because it is
    empty."""
    wanted = {check.name for check in checks}
    has_model = any(log.session for call in calls for log in call.sessions)
    judges = (
        JUDGES if has_model else (judge_doors,)
    )  # of whoever never comes to the model nothing else can be told
    findings = [blamed(finding, call) for call in calls for judge in judges for finding in judge(call)]
    findings += judge_presence(calls)
    findings = [finding for finding in findings if finding.check in wanted]
    seen = {finding.check for finding in findings}
    if seen and not keeps_untold:
        checks = [check for check in checks if check.name in seen]
    rest = [untold(check, calls) for check in checks if check.name not in seen]
    return ReportCard(
        bridge=bridge,
        url=url,
        date=began.isoformat(timespec="seconds"),
        took_seconds=round(took_seconds, 1),
        checks=tuple(checks),
        calls=tuple(attrs.evolve(call.log(), spans=spans_of(call)) for call in calls),
        findings=(*findings, *rest),
        notes=tuple(notes),
        measures=measures_of(findings),
        was_connected=any(call.report.started_ms is not None for call in calls),
    )
