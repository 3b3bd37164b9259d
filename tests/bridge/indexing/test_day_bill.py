"""What the calls of a day have cost: the database's sum of those on record, and what those cost that go on."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field
from heart import agent_with, open_call

from bridge.calls.setup import CurrentSetup, Setup
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets, Settings
from bridge.heart.parts.glance import Glance
from bridge.indexing.day_bill import ARE_RECORDED, MOST_UNRECORDED, ON_RECORD, DayBill
from bridge.links.model import ModelAddress
from bridge.settings.server import Server
from bridge.store.messages import Asking, Failed, Fault, Question, Rows

DAY, NEXT = date(2026, 11, 28), date(2026, 11, 29)
GLANCE = open_call(agent_with()).call.glance(0)


@define
class Records:
    """A database that knows what each day's calls have cost, and counts who asks."""

    usd: dict[str, float]
    added: int = 0
    asked: int = 0
    fault: str = ""
    calls: set[str] = field(factory=set)

    async def read(self, question: Asking) -> Rows | Failed:
        assert isinstance(question, Question)
        self.asked += 1
        (spent, (day,)), (are_recorded, (asked_for,)) = question.queries.values()
        assert (spent, are_recorded) == (ON_RECORD, ARE_RECORDED)
        if self.fault:
            return Failed(Fault.HELD, self.fault)
        found = [{"call_id": call_id} for call_id in asked_for if call_id in self.calls]
        return Rows({"spent": [{"usd": self.usd.get(day, 0.0)}], "recorded": found})


@define
class Going:
    """A host whose calls have cost so much."""

    glanced: list[Glance] = field(factory=list)

    async def glances(self, calls: Sequence[Any]) -> Mapping[str, Glance]:
        return {str(n): one for n, one in enumerate(self.glanced)}


def going_on(*usd: float | None) -> list[Glance]:
    return [evolve(GLANCE, spent_usd=one) for one in usd]


def bill_of(records: Records, *usd: float | None) -> DayBill:
    settings = Settings(server=Server(max_cost_per_day_usd=1.0), folder=Path("none"))
    setup = Setup(settings, Secrets(), ModelAddress("ws://x", "m", []), {})
    going = Going(going_on(*usd))
    return DayBill(Switchboard(CurrentSetup(setup), going), records)  # type: ignore[arg-type]  # asked for no more


async def spent(bill: DayBill, day: date = DAY) -> float:
    await bill.look(day)
    return bill.switchboard.admission.spent_today_usd


async def test_what_is_on_record_and_what_goes_on_is_added_up() -> None:
    bill = bill_of(Records({"2026-11-28": 0.5}), 0.25, None, 0.125)
    assert await spent(bill) == pytest.approx(0.875)


async def test_the_database_is_asked_only_when_something_came_or_the_day_is_another() -> None:
    records = Records({"2026-11-28": 0.5, "2026-11-29": 0.1})
    bill = bill_of(records)
    assert [await spent(bill), await spent(bill), records.asked] == [0.5, 0.5, 1]
    records.usd["2026-11-28"], records.added = 0.75, 1
    assert [await spent(bill), records.asked] == [0.75, 2]
    assert [await spent(bill, NEXT), records.asked] == [0.1, 3]


async def test_a_database_that_is_not_there_for_a_moment_leaves_what_was_known_and_is_asked_again() -> None:
    records = Records({"2026-11-28": 0.5})
    bill = bill_of(records)
    await bill.look(DAY)
    records.added, records.fault = 1, "held"
    assert await spent(bill) == 0.5
    records.usd["2026-11-28"], records.fault = 0.75, ""
    assert await spent(bill) == 0.75


@pytest.mark.parametrize("fault", ["", "held"])
async def test_a_call_that_is_over_counts_until_it_is_on_record_and_then_once(fault: str) -> None:
    """Whether the indexer is behind, or the database is not there."""
    records = Records({})
    bill = bill_of(records, 0.25, 0.125)
    assert await spent(bill) == 0.375
    bill.switchboard.host.glanced.clear()  # type: ignore[attr-defined]  # it is the one above
    records.fault = fault
    records.added = 1 if fault else 0
    assert [await spent(bill), await spent(bill)] == [0.375, 0.375]
    records.usd["2026-11-28"], records.fault, records.added, records.calls = 0.3, "", 2, {"0"}
    assert await spent(bill) == pytest.approx(0.3 + 0.125)


async def test_another_day_begins_with_what_goes_on() -> None:
    bill = bill_of(Records({}), 0.25, 0.125)
    await bill.look(DAY)
    bill.switchboard.host.glanced[:] = going_on(0.5)  # type: ignore[attr-defined]
    assert await spent(bill, NEXT) == 0.5


async def test_of_very_many_calls_that_are_never_recorded_the_first_are_forgotten() -> None:
    bill = bill_of(Records({}), *([1.0] * (MOST_UNRECORDED + 5)))
    assert await spent(bill) == MOST_UNRECORDED
