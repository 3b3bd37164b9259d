"""A full house: what a call too many gets, how it is counted, and what the log says of it, over real webhooks."""

from typing import Any
from xml.etree import ElementTree

import pytest
import trio
from attrs import evolve
from strangers import FORM, Form, post, without
from structlog.testing import capture_logs

from bench.stage import AGENT, PUBLIC, MakePlace, Stage, open_stage
from bridge.agents import Agent
from bridge.calls.admission import (
    CALLS_AT_ONCE,
    CALLS_PER_CALLER,
    DRAINING,
    MAX_BUSY,
    MAX_CALLS,
    MAX_COST,
    MAX_LAG,
    OPEN_FILES,
    REASONS,
    WAITING_CALLS,
)
from bridge.links.lag import LoopWork
from bridge.machine import FILES_A_CALL, SPARE_FILES, file_limit, files_left
from replay.phone.ring import Caller
from replay.phone.script import HangUp, Wait, WaitForAgent, WaitForEnd


def call_number(number: int, caller: str = "+15550123456") -> Form:
    """Return the webhook of another call."""
    changed = without(without(FORM, "CallSid"), "From")
    return [*changed, ("CallSid", f"CA{number:032x}"), ("From", caller)]


async def verb_of(stage: Stage, form: Form, agent: str = AGENT) -> tuple[str, dict[str, str], str | None]:
    """Ask for a call and return the first verb of the answer."""
    answer = await post(stage, form, target=f"/voice/{agent}")
    verb = ElementTree.fromstring(answer.body)[0]
    return verb.tag, verb.attrib, verb.text


FULL: dict[str, dict[str, Any]] = {
    MAX_CALLS: {"server": {"max_calls": 1}},
    CALLS_AT_ONCE: {"limits": {"calls_at_once": 1}},
    WAITING_CALLS: {"server": {"waiting_calls": 1}},
    CALLS_PER_CALLER: {"server": {"calls_per_caller": 1}},
}


@pytest.mark.parametrize("reason", list(FULL))
async def test_a_call_above_a_limit_is_refused_counted_and_logged_without_a_number(
    place: MakePlace, reason: str
) -> None:
    with trio.fail_after(10), capture_logs() as logs:
        async with open_stage(place(**FULL[reason])) as stage:
            assert (await verb_of(stage, call_number(1)))[0] == "Connect"
            assert await verb_of(stage, call_number(2)) == ("Reject", {"reason": "busy"}, None)
            assert (await verb_of(stage, call_number(1)))[0] == "Connect"  # delivered again: the same call
            assert stage.daemon.switchboard.refused == {**dict.fromkeys(REASONS, 0), reason: 1}
            assert stage.daemon.switchboard.live == 1
    (line,) = [entry for entry in logs if entry["event"] == "call refused"]
    assert (line["reason"], line["agent"], line["live"], line["of_agent"], line["waiting"]) == (
        reason,
        AGENT,
        1,
        1,
        1,
    )
    assert "5550123456" not in str(logs)


async def test_a_call_is_refused_before_the_process_has_no_file_left_for_it(place: MakePlace) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with trio.fail_after(10):
        async with open_stage(place()) as stage:
            few = file_limit() - files_left() + SPARE_FILES + 3 * FILES_A_CALL
            resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
            try:
                verbs = [(await verb_of(stage, call_number(number)))[0] for number in range(5)]
                report = await stage.ring(Caller(answer_delay_ms=0))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            refused = stage.daemon.switchboard.refused[OPEN_FILES]
    assert (verbs[0], verbs[-1], report.frames_sent) == ("Connect", "Reject", 0)
    assert refused == verbs.count("Reject") + 1


async def test_each_agent_has_its_own_limit_and_its_own_answer(place: MakePlace) -> None:
    setup = place(
        agents=("night-desk",),
        limits={"calls_at_once": 1},
        agent={"when_full": "queue:waiting"},
        server={"when_full": "reject", "max_calls": 2},
    )
    with trio.fail_after(10):
        async with open_stage(setup) as stage:
            assert (await verb_of(stage, call_number(1)))[0] == "Connect"
            assert await verb_of(stage, call_number(2)) == ("Enqueue", {}, "waiting")
            assert (await verb_of(stage, call_number(3), "night-desk"))[0] == "Connect"
            assert stage.daemon.switchboard.refused[CALLS_AT_ONCE] == 1


@pytest.mark.parametrize(
    ("choice", "verb"),
    [
        ("reject", ("Reject", {"reason": "rejected"}, None)),
        ("https://example.com/full.xml", ("Redirect", {"method": "POST"}, "https://example.com/full.xml")),
    ],
)
async def test_the_servers_answer_is_that_of_agents_without_one(
    place: MakePlace, choice: str, verb: tuple[str, dict[str, str], str | None]
) -> None:
    with trio.fail_after(10):
        async with open_stage(place(server={"when_full": choice, "max_calls": 1})) as stage:
            await verb_of(stage, call_number(1))
            assert await verb_of(stage, call_number(2)) == verb


async def test_a_call_whose_stream_came_waits_no_more(place: MakePlace) -> None:
    with trio.fail_after(10):
        async with open_stage(place(server={"waiting_calls": 1})) as stage, trio.open_nursery() as nursery:
            nursery.start_soon(
                stage.ring, Caller(steps=(WaitForAgent(), Wait(700), HangUp()), answer_delay_ms=0)
            )
            while not any(call.is_streaming for call in stage.daemon.switchboard._calls.values()):  # noqa: ASYNC110 - nobody tells when
                await trio.sleep(0.01)
            assert (await verb_of(stage, call_number(1)))[0] == "Connect"


async def test_with_room_for_one_the_next_caller_is_taken_when_the_first_has_hung_up(
    place: MakePlace,
) -> None:
    caller = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
    with trio.fail_after(20):
        async with open_stage(place(server={"max_calls": 1})) as stage:
            for _ in range(3):
                assert (await stage.ring(caller)).frames_sent > 0
                await stage.wait_no_calls()
            assert stage.daemon.switchboard.refused[MAX_CALLS] == 0


async def test_all_hidden_numbers_are_one_caller(place: MakePlace) -> None:
    with trio.fail_after(10):
        async with open_stage(place(server={"calls_per_caller": 2})) as stage:
            numbers = ["anonymous", "+266696687", "", "+7378742833"]
            verbs = [(await verb_of(stage, call_number(n, number)))[0] for n, number in enumerate(numbers)]
    assert verbs == ["Connect", "Connect", "Reject", "Reject"]


async def test_a_loop_that_is_late_takes_no_new_call_and_keeps_those_it_has(place: MakePlace) -> None:
    with trio.fail_after(10), capture_logs() as logs:
        async with open_stage(place()) as stage:
            assert (await verb_of(stage, call_number(1)))[0] == "Connect"
            stage.daemon.host.lag.is_late = True
            assert await verb_of(stage, call_number(2)) == ("Reject", {"reason": "busy"}, None)
            assert (await verb_of(stage, call_number(1)))[0] == "Connect"
            stage.daemon.host.lag.is_late = False
            assert (await verb_of(stage, call_number(3)))[0] == "Connect"
            assert stage.daemon.switchboard.refused == {**dict.fromkeys(REASONS, 0), MAX_LAG: 1}
    assert [entry["reason"] for entry in logs if entry["event"] == "call refused"] == ["max_lag_ms"]


async def test_a_loop_that_is_full_takes_no_new_call_and_keeps_those_it_has(place: MakePlace) -> None:
    with trio.fail_after(10), capture_logs() as logs:
        async with open_stage(place()) as stage:
            assert (await verb_of(stage, call_number(1)))[0] == "Connect"
            stage.daemon.host.lag.work = LoopWork(most_percent=1, is_full=True)
            assert await verb_of(stage, call_number(2)) == ("Reject", {"reason": "busy"}, None)
            assert (await verb_of(stage, call_number(1)))[0] == "Connect"
            assert stage.daemon.switchboard.refused == {**dict.fromkeys(REASONS, 0), MAX_BUSY: 1}
    assert [entry["reason"] for entry in logs if entry["event"] == "call refused"] == ["max_busy_percent"]


async def test_how_late_the_loop_may_be_is_followed_by_a_reload(place: MakePlace) -> None:
    async with open_stage(place(server={"max_lag_ms": 300})) as stage:
        setup = stage.daemon.current.setup
        assert stage.daemon.host.lag.most_ms == 300
        server = evolve(setup.settings.server, max_lag_ms=0)
        stage.daemon.change(evolve(setup, settings=evolve(setup.settings, server=server)))
        assert stage.daemon.host.lag.most_ms == 0


async def test_a_draining_daemon_counts_whom_it_turns_away(place: MakePlace) -> None:
    with trio.fail_after(10):
        async with open_stage(place()) as stage:
            stage.daemon.switchboard.is_closing = True
            assert (await verb_of(stage, call_number(1)))[0] == "Reject"
            assert stage.daemon.switchboard.refused[DRAINING] == 1


# ---------------------------------------------------------------- a plan in place of a word

PLAN: dict[str, Any] = {
    "transfer": {"owner": {"number": "+15550100188"}},
    "voicemail": {"say": "Speak after the tone."},
    "failure": {"full": ["say:All our lines are busy.", "dial:owner", "queue:waiting", "voicemail"]},
}


async def go_on(stage: Stage, url: str, **told: str) -> list[ElementTree.Element]:
    """Tell what came of a step, as Twilio does, and return the verbs that come next."""
    answer = await post(stage, [*call_number(2), *told.items()], target=url.removeprefix(PUBLIC))
    return list(ElementTree.fromstring(answer.body))


async def test_a_full_house_has_steps_that_are_taken_until_one_has_helped(place: MakePlace) -> None:
    with trio.fail_after(10), capture_logs() as logs:
        async with open_stage(place(agent=PLAN, server={"max_calls": 1})) as stage:
            await verb_of(stage, call_number(1))
            answer = await post(stage, call_number(2), target=f"/voice/{AGENT}")
            say, dial = ElementTree.fromstring(answer.body)
            assert (say.text, dial[0].text) == ("All our lines are busy.", "+15550100188")
            (queue,) = await go_on(stage, dial.attrib["action"], DialCallStatus="busy")
            say, record = await go_on(stage, queue.attrib["action"], QueueResult="queue-full", QueueTime="0")
            assert (queue.text, say.text, record.tag) == ("waiting", "Speak after the tone.", "Record")
            message = {"RecordingUrl": "https://api.example.com/RE1", "RecordingDuration": "7"}
            (end,) = await go_on(stage, record.attrib["action"], **message)
            assert (end.tag, stage.daemon.switchboard.live) == ("Hangup", 1)
    over = [entry for entry in logs if entry["event"] == "step of a failure plan is over"]
    assert [entry["outcome"] for entry in over] == ["busy", "full", "recorded"]
    assert over[-1]["recording"] == "https://api.example.com/RE1"
    assert "5550123456" not in str(logs)


@pytest.mark.parametrize(
    "told",
    [
        {"DialCallStatus": "completed"},
        {"DialCallStatus": "canceled", "CallStatus": "completed"},
    ],
)
async def test_nothing_follows_a_step_that_has_helped_or_a_caller_who_is_gone(
    place: MakePlace, told: dict[str, str]
) -> None:
    with trio.fail_after(10):
        async with open_stage(place(agent=PLAN, server={"max_calls": 1})) as stage:
            url = f"{PUBLIC}/voice/{AGENT}/failure/full/1"
            form = without(call_number(2), "CallStatus") if "CallStatus" in told else call_number(2)
            answer = await post(stage, [*form, *told.items()], target=url.removeprefix(PUBLIC))
            assert [verb.tag for verb in ElementTree.fromstring(answer.body)] == ["Hangup"]


async def test_the_steps_are_for_a_draining_daemon_too(place: MakePlace) -> None:
    with trio.fail_after(10):
        async with open_stage(place(agent=PLAN)) as stage:
            stage.daemon.switchboard.is_closing = True
            assert (await verb_of(stage, call_number(1)))[0] == "Say"


@pytest.mark.parametrize("reason", [WAITING_CALLS, CALLS_PER_CALLER])
async def test_a_flood_gets_no_step_that_costs(place: MakePlace, reason: str) -> None:
    with trio.fail_after(10):
        async with open_stage(place(agent=PLAN, **FULL[reason])) as stage:
            await verb_of(stage, call_number(1))
            assert await verb_of(stage, call_number(2)) == ("Reject", {"reason": "busy"}, None)


async def test_a_hidden_caller_is_rung_for_with_the_number_that_was_called(place: MakePlace) -> None:
    with trio.fail_after(10):
        async with open_stage(place(agent=PLAN, server={"max_calls": 1})) as stage:
            await verb_of(stage, call_number(1))
            documents = [
                ElementTree.fromstring((await post(stage, call_number(2, number))).body)
                for number in ("anonymous", "+15550123456")
            ]
    called = dict(call_number(2))["To"]
    assert [document[1].attrib.get("callerId") for document in documents] == [called, None]


async def test_a_caller_whose_process_is_gone_gets_the_steps_for_a_crash(place: MakePlace) -> None:
    plan = PLAN | {"failure": {"steps": ["dial:owner"], "crashed": ["voicemail"]}}
    with trio.fail_after(10):
        async with open_stage(place(agent=plan)) as stage:
            answer = await post(stage, call_number(2), target=f"/voice/{AGENT}/next")
            assert [verb.tag for verb in ElementTree.fromstring(answer.body)] == ["Say", "Record"]


@pytest.mark.parametrize("path", ["full/9", "steps/1", "nonsense/1", "full/0"])
async def test_a_step_that_there_is_not_ends_the_call(place: MakePlace, path: str) -> None:
    with trio.fail_after(10):
        async with open_stage(place(agent=PLAN)) as stage:
            answer = await post(stage, call_number(2), target=f"/voice/{AGENT}/failure/{path}")
            assert [verb.tag for verb in ElementTree.fromstring(answer.body)] == ["Hangup"]


@pytest.mark.parametrize(
    "workers", [1, pytest.param(2, marks=pytest.mark.real_time("workers are processes"))]
)
async def test_when_the_days_calls_have_cost_what_they_may_new_callers_hear_that_it_is_closed(
    place: MakePlace, workers: int
) -> None:
    """What goes on counts, what is on record counts, and a restart forgets nothing."""
    sentence = Agent(name=AGENT).failure_sentence.text
    server = {"workers": workers, "drain_seconds": 1, "max_lag_ms": 0, "max_busy_percent": 0}
    setup = place(server={"max_cost_per_day_usd": 0.0001, **server})
    stays = Caller(steps=(WaitForAgent(20_000), WaitForEnd(60_000)), answer_delay_ms=0)
    with trio.fail_after(150), capture_logs() as logs:
        async with open_stage(setup) as stage, trio.open_nursery() as ringing:
            ringing.start_soon(stage.ring, stays)
            while stage.daemon.switchboard.admission.spent_today_usd < 0.0001:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.05)
            assert await verb_of(stage, call_number(2)) == ("Say", {"language": "en-US"}, sentence)
            assert stage.daemon.switchboard.refused[MAX_COST] == 1
            ringing.cancel_scope.cancel()
        async with open_stage(setup) as stage:
            while stage.daemon.switchboard.admission.spent_today_usd < 0.0001:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.05)
            assert stage.daemon.switchboard.live == 0
            assert (await verb_of(stage, call_number(3)))[0] == "Say"
            without_cap = evolve(stage.daemon.current.setup.settings.server, max_cost_per_day_usd=0)
            settings = evolve(stage.daemon.current.setup.settings, server=without_cap)
            changed = evolve(stage.daemon.current.setup, settings=settings)
            await stage.daemon.host.prepare(changed)
            stage.daemon.change(changed)
            assert (await verb_of(stage, call_number(4)))[0] == "Connect"
    refusals = [entry["reason"] for entry in logs if entry["event"] == "call refused"]
    assert refusals == [MAX_COST] * 2
