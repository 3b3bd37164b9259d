"""A process that is killed, a machine without power, a disk that is slow: every answered webhook has its record."""

import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio
from attrs import define, field

from bench.kills import Plan, check_kills
from bench.power import Power
from bench.stage import PUBLIC, WEBHOOK, MakePlace, Place, Stage, open_stage
from bridge.calls.switchboard import DISK_SECONDS
from bridge.tapes import files
from bridge.tapes.reader import header_of
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent
from replay.phone.web import Route, open_courier

pytestmark = pytest.mark.real_time("workers and daemons are processes")

QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
SID = "CA" + "1" * 32


# ---------------------------------------------------------------- before the webhook is answered


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_webhook_is_answered_when_the_beginning_of_its_tape_is_on_the_disk(
    place: MakePlace, workers: int
) -> None:
    setup, found = place(server={"workers": workers}), []

    def look(kind: str, *_: object) -> None:
        if kind == "webhook_answered":
            found.extend(header_of(path) for path in setup.tapes)

    async with open_stage(setup) as stage:
        await stage.ring(QUICK, call_sid=SID, on_event=look)
    assert [header.call_id for header in found if header is not None] == [SID]


@define
class Dead:
    """A disk that writes nothing until it is let go."""

    may_write: threading.Event = field(factory=threading.Event)

    def write(self, path: Path, data: bytes) -> None:
        assert self.may_write.wait(30)
        files.append_to(path, data)


async def test_a_dead_disk_delays_the_answer_by_its_bound_and_two_deliveries_are_one_call(
    place: MakePlace,
) -> None:
    dead, answers = Dead(), list[bytes]()

    async def deliver(stage: Stage) -> None:
        route = Route(urlsplit(PUBLIC), urlsplit(stage.via))
        async with open_courier(stage.account, SID, route) as courier:
            answers.append((await courier.twiml(WEBHOOK, "ringing"))[1])

    async with open_stage(place(write=dead.write)) as stage:
        began = trio.current_time()
        async with trio.open_nursery() as deliveries:
            for _ in range(2):
                deliveries.start_soon(deliver, stage)
        took = trio.current_time() - began
        assert (stage.daemon.switchboard.live, stage.model.connections) == (1, 1)
        dead.may_write.set()
    assert took >= DISK_SECONDS
    assert answers[0] == answers[1]
    assert b"<Connect" in answers[0]


# ---------------------------------------------------------------- afterwards


async def test_a_call_that_a_power_cut_ended_has_its_record(place: MakePlace, tmp_path: Path) -> None:
    power, left = Power(tmp_path / "data"), Place(tmp_path / "left")
    setup = place(sync=power.sync)

    def cut(kind: str, *_: object) -> None:
        if kind == "webhook_answered":
            left.folder.mkdir()
            power.cut(left.folder / "data")

    async with open_stage(setup) as stage:
        await stage.ring(QUICK, call_sid=SID, on_event=cut)
    async with open_stage(left) as stage:
        await stage.ring(QUICK)
        await stage.wait_recorded()
    power.close()
    (row,) = [row for row in left.calls() if row["call_id"] == SID]
    assert (row["ended_by"], row["why"]) == ("bridge", "crashed")


async def test_no_kill_costs_an_answered_webhook_its_record_or_a_tape_more_than_its_last_moment(
    tmp_path: Path,
) -> None:
    """The bench with fewer kills; its 250 ms are for a machine that has time for it."""
    result = await check_kills(tmp_path, Plan(kills=2, calls=4, most_lost_ms=1500))
    assert result.faults == []
    assert (result.answered >= 8, len(result.lost_ms)) == (True, 2)
    assert result.endings["bridge: crashed"] > 0
