"""A full house: what a call too many gets, how it is counted, and what the log says of it, over real webhooks."""

from typing import Any
from xml.etree import ElementTree

import pytest
import trio
from attrs import evolve
from strangers import FORM, Form, post, without
from structlog.testing import capture_logs

from bench.stage import AGENT, MakePlace, Stage, open_stage
from bridge.calls.admission import (
    CALLS_AT_ONCE,
    CALLS_PER_CALLER,
    DRAINING,
    MAX_CALLS,
    MAX_LAG,
    OPEN_FILES,
    REASONS,
    WAITING_CALLS,
)
from bridge.machine import FILES_A_CALL, SPARE_FILES, file_limit, files_left
from replay.phone.ring import Caller
from replay.phone.script import HangUp, Wait, WaitForAgent


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
