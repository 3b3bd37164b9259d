"""Callers who are away while processes carry their call, end, or die."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner
from hand_phone import a_phone
from test_coming_back import FAILURE, away
from test_leaving import SALES, TRANSFER, WARM, leave, press, script, whisper

from bench.process import Launch, a_process
from bench.stage import AGENT, MakePlace, open_stage
from bridge.cli import main
from bridge.store.database import Store, patiently
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from bridge.workers.pool import WorkerPool
from replay.tapes.player import replay_tape

pytestmark = pytest.mark.real_time("daemons and workers are processes")

TWO_WORKERS = {"workers": 2, "drain_seconds": 2}
CONFIGURED = f"""
[agents.{AGENT}]
[agents.{AGENT}.transfer.sales]
number = "+15550100111"
[agents.{AGENT}.failure]
steps = ["say:Our line is out of order.", "dial:sales"]
"""


# ---------------------------------------------------------------- several workers


async def test_a_worker_answers_for_its_callers_who_leave_and_come_back(place: MakePlace) -> None:
    setup = place(server=TWO_WORKERS, script=script(TRANSFER, TRANSFER, answers=2), agent={"transfer": WARM})
    async with open_stage(setup) as stage, a_phone(stage.via) as phone:
        plan, _ = await leave(phone)
        assert [call.is_away for call in stage.daemon.switchboard.calls] == [True]
        assert (await whisper(phone, plan, "2")).tags == ["Hangup"]
        back = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="completed")
        assert await phone.repeat(-1) == back
        plan = await press(phone, back, await phone.stream(back))
        assert (await whisper(phone, plan, "1")).tags == []
        (session,) = stage.model.sessions
        await session.wait_until(lambda session: session.close_code is not None)
        over = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="completed")
        assert over.tags == ["Hangup"]
        await stage.wait_recorded()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("tool", "transferred to sales")


async def test_a_call_that_comes_back_by_itself_finds_a_worker_too(place: MakePlace) -> None:
    setup = place(server=TWO_WORKERS)
    async with open_stage(setup) as stage, a_phone(stage.via) as phone:
        media = await phone.stream(await phone.ring())
        await media.wait_sound()
        media.say("stop")
        await phone.until_left(media)
        await stage.wait_no_calls()
        again = await phone.stream(await phone.post("/voice/front-desk", DialCallStatus="busy"))
        await again.wait_sound()
        again.say("stop")
        await phone.until_left(again)
        await stage.wait_recorded()
    assert [row["call_id"] for row in setup.calls()] == [phone.call_sid, f"{phone.call_sid}-2"]


async def test_a_caller_whose_worker_died_while_they_were_away_is_offered_the_plan(place: MakePlace) -> None:
    setup = place(server=TWO_WORKERS, script=script(TRANSFER), agent={"transfer": SALES, "failure": FAILURE})
    async with open_stage(setup) as stage, a_phone(stage.via) as phone:
        _, action = await away(stage, phone)
        pool: Any = stage.daemon.host
        assert isinstance(pool, WorkerPool)
        (worker,) = [worker for worker in pool.roster.workers.values() if worker.calls]
        worker.process.kill()
        late = await phone.post(action, DialCallStatus="busy")
        assert late.tags == ["Say", "Dial"]
        await stage.wait_recorded()
        (row,) = setup.calls()
        assert (row["ended_by"], row["why"]) == ("bridge", "crashed")
        while not (told := told_after_the_end(setup.store)):  # noqa: ASYNC110 - its tape was closed meanwhile
            await trio.sleep(0.1)
        assert [data["outcome"] for _, data in told] == ["busy"]


# ---------------------------------------------------------------- a daemon that ends, or dies


def told_after_the_end(store: Store) -> list[tuple[str, dict[str, Any]]]:
    """Return what the record has behind a call's end."""
    if not store.path.exists():
        return []
    sql = "select name, data from milestones where name like '%after_the_end' order by position"
    return [(row["name"], json.loads(row["data"])) for row in patiently(lambda: store.query(sql))]


def ends_of(folder: Path) -> list[tuple[str, str]]:
    """Return who ended each call on tape, and why."""
    tapes = [read_tape(path) for path in (folder / "data" / "tapes").rglob("*.jsonl*")]
    lines = [decode(raw) for tape in tapes for raw in tape.lines]
    return [(line.end["by"], line.end["why"]) for line in lines if line.end is not None]


async def test_a_caller_who_comes_back_to_a_new_process_hears_a_sentence_and_is_offered_the_plan(
    tmp_path: Path,
) -> None:
    launch = Launch(agents=CONFIGURED)
    async with a_process(tmp_path, script(TRANSFER), launch) as daemon, a_phone(daemon.via) as phone:
        plan, _ = await leave(phone)
        action = plan.verb("Dial").attrib["action"]
        daemon.signal(signal.SIGKILL)
        await daemon.process.wait()
    async with a_process(tmp_path, script(TRANSFER), launch) as daemon, a_phone(daemon.via) as phone:
        late = await phone.post(action, DialCallStatus="no-answer")
        assert late.tags == ["Say", "Dial"]
        assert late.verb("Say").text == "Our line is out of order."
        await daemon.wait_logged("a caller comes back to a call that is not here any more")
        await daemon.wait_logged("a call was cut off by a crash; its tape is closed now")
        assert await phone.repeat(-1) == late
        over = await phone.post(late.verb("Dial").attrib["action"], DialCallStatus="busy")
        assert over.tags == ["Say", "Hangup"]
        store = Store(tmp_path / "data" / "calls.duckdb")
        while len(told_after_the_end(store)) < 2:  # noqa: ASYNC110 - the indexer is another process
            await trio.sleep(0.1)
    assert ends_of(tmp_path) == [("bridge", "crashed")]
    told = told_after_the_end(store)
    assert told == [
        ("came_back_after_the_end", {
            "excursion": 1, "outcome": "no_answer", "say": "Our line is out of order.", "step": "dial", "to": "sales",
        }),
        ("failure_step_after_the_end", {
            "cause": "crashed", "taken": 1, "outcome": "busy", "say": over.verb("Say").text, "step": "hang_up",
        }),
    ]  # fmt: skip
    (path,) = (tmp_path / "data" / "tapes").rglob("*.jsonl.gz")
    assert replay_tape(path).difference is None
    store.rebuild([path], lambda: None)
    assert told_after_the_end(store) == told
    assert len(store.query("select * from calls")) == 1
    shown = CliRunner().invoke(main, ["show", phone.call_sid, "--data", str(tmp_path / "data")])
    assert (
        'the caller comes back, and the call is over (no_answer): hears "Our line is out of order.", dial sales'
        in (shown.output)
    )


@pytest.mark.parametrize("workers", [1, 2])
async def test_callers_who_are_away_are_waited_for_and_then_hear_the_closing_sentence(
    tmp_path: Path, workers: int
) -> None:
    server = {"drain_seconds": 1, "closing_sentence": "We close now.", "workers": workers}
    launch = Launch(agents=CONFIGURED, server=server)
    async with a_process(tmp_path, script(TRANSFER), launch) as daemon, a_phone(daemon.via) as phone:
        plan, _ = await leave(phone)
        action = plan.verb("Dial").attrib["action"]
        daemon.signal(signal.SIGTERM)
        await daemon.wait_logged("call ended")
        soon = await phone.post(action, DialCallStatus="busy")
        assert await daemon.process.wait() == 0
    async with a_process(tmp_path, script(TRANSFER), launch) as daemon, a_phone(daemon.via) as phone:
        late = await phone.post(action, DialCallStatus="busy")
    assert soon.verb("Say").text == late.verb("Say").text == "We close now."
    assert ends_of(tmp_path) == [("operator", "the daemon is shutting down")]


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_draining_daemon_lets_a_caller_come_back_and_go_on(tmp_path: Path, workers: int) -> None:
    launch = Launch(agents=CONFIGURED, server={"drain_seconds": 20, "workers": workers})
    async with a_process(tmp_path, script(TRANSFER), launch) as daemon, a_phone(daemon.via) as phone:
        plan, _ = await leave(phone)
        daemon.signal(signal.SIGTERM)
        await daemon.wait_logged("draining")
        back = await phone.post(plan.verb("Dial").attrib["action"], DialCallStatus="busy")
        again = await phone.stream(back)
        await again.wait_sound()
        again.say("stop")
        assert await daemon.process.wait() == 0
    assert ends_of(tmp_path) == [("caller", "hung up")]
