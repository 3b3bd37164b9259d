"""Stuck calls: found by the clock, ended with a reason, and cancelled when even that doesn't help."""

from pathlib import Path

import pytest
import trio
from heart import agent_with
from lone_calls import Broken, Clinging, ModelLess, Silence, Watched, a_call
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.calls.reaper import reap
from bridge.calls.setup import CurrentSetup, Setup
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets, Settings
from bridge.heart.call import Call
from bridge.heart.effects import EndCall, LeaveStream
from bridge.heart.plans import Dial, Plan
from bridge.settings.places import Place
from bridge.tapes.recorder import Recorder
from bridge.tapes.tape import HTTP, TWILIO, Line
from bridge.workers.local import LocalHost


async def life_of(call: Watched, *, most: float = 4000) -> float:
    """Run a call and the reaper; return how many seconds the call lived."""
    there = {call.live}
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reap, lambda: list(there))
        with trio.fail_after(most):
            await call.live.run()
        there.clear()
        nursery.cancel_scope.cancel()
    return trio.current_time() - began


async def test_a_call_that_outlives_its_longest_is_ended(autojump_clock: MockClock) -> None:
    call = a_call(agent_with(max_call_seconds=100))
    lived = await life_of(call)
    assert 130 < lived <= 141
    assert call.live.end is not None
    assert (call.live.end.by, call.live.end.why) == ("bridge", "stuck: it outlived max_call_seconds by 30 s")


@pytest.mark.parametrize(("lost_media_ms", "silence"), [(10_000, 60), (120_000, 150)])
async def test_a_stream_from_which_nothing_comes_is_ended(
    autojump_clock: MockClock, lost_media_ms: int, silence: int
) -> None:
    call = a_call(agent_with(lost_media_ms=lost_media_ms))
    call.live.attach(Silence(), [])
    lived = await life_of(call)
    assert silence < lived <= silence + 12
    assert call.live.end is not None
    assert call.live.end.why == f"stuck: its stream was open, and nothing came for {silence} s"


async def test_a_stream_of_which_nothing_was_read_while_the_process_was_held_up_is_left_alone(
    mock_clock: MockClock,
) -> None:
    call = a_call(agent_with())
    call.live.attach(Silence(), [])
    call.live.begin(Line(t_ms=0, leg=HTTP, sender=TWILIO, http={}))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reap, lambda: [call.live])
        await wait_all_tasks_blocked()
        mock_clock.jump(300)
        await wait_all_tasks_blocked()
        assert call.live.end is None
        nursery.cancel_scope.cancel()


async def test_a_call_that_waits_for_its_stream_is_not_silent(autojump_clock: MockClock) -> None:
    call = a_call(agent_with(max_call_seconds=600))
    assert await life_of(call) > 600


async def test_a_heart_that_raises_when_told_to_stop_is_ended_all_the_same(autojump_clock: MockClock) -> None:
    call = a_call(agent_with(max_call_seconds=100), Broken)
    assert await life_of(call) <= 141
    assert call.live.end is not None
    assert call.live.end.why.startswith("stuck: ")


async def test_a_call_that_does_not_go_is_cancelled_and_its_record_says_so(autojump_clock: MockClock) -> None:
    call = a_call(agent_with(max_call_seconds=100), kind=Clinging)
    assert await life_of(call) <= 146
    assert call.log == ["did not go after its end: cancelled"]


async def test_a_call_that_ended_by_itself_and_does_not_go_is_cancelled(autojump_clock: MockClock) -> None:
    call = a_call(agent_with(waiting_seconds=5), Call, Clinging)
    assert await life_of(call) <= 21
    assert call.live.end is not None
    assert call.live.end.why != ""
    assert call.log == ["did not go after its end: cancelled"]


class Messy(ModelLess):
    """A live call with a task that fails when it is cancelled."""

    __slots__ = ()

    async def _meet_phone(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise RuntimeError("a bug, \ud83d")


async def test_a_bug_while_a_call_is_cancelled_from_outside_gets_no_further(
    autojump_clock: MockClock,
) -> None:
    call = a_call(agent_with(), Call, Messy)
    with trio.CancelScope() as daemon:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call.live.run)
            await trio.sleep(1)
            daemon.cancel()
    assert daemon.cancelled_caught
    assert call.live.end is not None
    assert call.live.end.why == "crashed: RuntimeError: a bug, \ufffd"


async def test_a_stuck_or_crashed_call_has_a_sentence_for_its_caller_and_a_cancelled_one_has_none(
    autojump_clock: MockClock,
) -> None:
    stuck, cancelled = a_call(agent_with(max_call_seconds=100)), a_call(agent_with())
    await life_of(stuck)
    assert stuck.live.end is not None
    assert stuck.live.end.say == stuck.live.agent.failure_sentence.text
    with trio.move_on_after(1):
        await cancelled.live.run()
    assert cancelled.live.end == EndCall("bridge", "cancelled")


async def test_a_call_in_good_order_is_left_alone(autojump_clock: MockClock) -> None:
    call = a_call(agent_with(waiting_seconds=300, model_ready_ms=60_000), Call)
    await life_of(call)
    assert call.live.end is not None
    assert call.live.end.why == "the model was not ready in time"
    assert call.log == []


async def test_the_switchboard_looks_after_its_calls(autojump_clock: MockClock) -> None:
    call = a_call(agent_with(max_call_seconds=100))
    current = CurrentSetup(Setup(Settings(), Secrets(), call.live.address, {}))
    board = Switchboard(current, LocalHost(Recorder(Path("none"), on_done=lambda path: None)))
    async with trio.open_nursery() as nursery:
        await nursery.start(board.run)
        board._calls["CA1", "front-desk"] = call.live
        with trio.fail_after(200):
            await call.live.run()
        nursery.cancel_scope.cancel()
    assert call.live.end is not None
    assert call.live.end.why.startswith("stuck: ")


async def test_a_call_that_is_away_is_not_stuck_within_its_bound(autojump_clock: MockClock) -> None:
    call = a_call(agent_with(max_call_seconds=100))
    call.live._act(LeaveStream(1, Plan(Dial(Place("sales", number="+1", talk_seconds=600)))))
    lived = await life_of(call)
    assert 700 < lived < 900
    assert call.live.end is not None
    assert call.live.end.why == "stuck: it outlived all that it may last by 30 s"
