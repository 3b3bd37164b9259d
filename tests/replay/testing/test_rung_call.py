"""Calls made for a test: what agent and tools know in them, simulated and through the daemon."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from attrs import evolve

from bridge.dates import in_words
from bridge.settings.hours import Hours
from bridge.settings.places import Place
from bridge.tapes.reader import read_tape
from bridge.tools import CallInfo, IdempotencyKey, Progress, tool
from replay.phone.ring import DEFAULT_ACCOUNT
from replay.tapes.player import replay_tape
from replay.testing import (
    Agent,
    Caller,
    CallTool,
    HangUp,
    Limits,
    RingAgent,
    Script,
    Speak,
    WaitForEnd,
    WaitForQuiet,
    clip,
    murmur,
)
from replay.testing import Say as Words

LISTENS = Caller(steps=(WaitForQuiet(300), HangUp()))
ASKS = Caller(steps=(WaitForQuiet(300), Speak(clip("caller_yes").audio), WaitForEnd()))
SAYS_WHO = Agent(
    name="front-desk",
    instructions="{caller} calls on {date}.",
    greeting="Good {weekday}, {var.guest}.",
    variables={"guest": "our guest"},
)


def asking(name: str) -> Script:
    """Return a model that greets, asks for a tool after the caller's first words, and hangs up when it has answered."""
    return Script(
        opening=(Words(murmur(300), "Hello."),),
        turns=((CallTool(name, {}),),),
        answers=((CallTool("hang_up", {"reason": "told"}),),),
    )


@pytest.mark.parametrize("real", [False, True], ids=["simulated", "real"])
def test_an_agent_is_told_of_its_call_and_a_replay_says_the_same(ring_agent: RingAgent, real: bool) -> None:
    call = ring_agent(SAYS_WHO, LISTENS, variables={"guest": "Anna"}, real=real)
    at = datetime.now(UTC) if real else datetime(2026, 1, 1, tzinfo=UTC)
    words = in_words(at, "en")
    assert call.heard(f"Good {words['weekday']}, Anna.")
    header = read_tape(call.tape).header
    assert header.settings["instructions"] == f"{DEFAULT_ACCOUNT.caller} calls on {words['date']}."
    assert header.filled["var.guest"] == "Anna"
    assert replay_tape(call.tape).difference is None


@pytest.mark.parametrize("real", [False, True], ids=["simulated", "real"])
def test_a_tool_learns_who_calls_and_the_model_is_told_of_no_such_argument(
    ring_agent: RingAgent, real: bool
) -> None:
    @tool
    def who_calls(call: CallInfo) -> str:
        """Say who calls."""
        assert call.elapsed_seconds > 0
        return f"{call.direction} from {call.caller} to {call.agent}: {call.variables['guest']}"

    call = ring_agent(SAYS_WHO, ASKS, asking("who_calls"), tools=[who_calls], real=real)
    assert call.tools[0].output == f"inbound from {DEFAULT_ACCOUNT.caller} to front-desk: our guest"
    (definition, _) = read_tape(call.tape).header.tools
    assert definition["parameters"]["properties"] == {}
    assert replay_tape(call.tape).difference is None


RESULT = clip("agent_greeting")


@pytest.mark.parametrize("real", [False, True], ids=["simulated", "real"])
def test_a_late_tool_and_what_it_tells_meanwhile_can_be_tested(ring_agent: RingAgent, real: bool) -> None:
    @tool(late=True)
    async def search(progress: Progress) -> str:
        """Search for it."""
        await trio.sleep(1)
        progress.update("half of it is done")
        await trio.sleep(2)
        return "found"

    model = Script(
        opening=(Words(murmur(300), "Hello."),),
        turns=((CallTool("search", {}),),),
        answers=(
            (Words(murmur(300), "I am on it."),),
            (Words(RESULT.audio, RESULT.text), CallTool("hang_up", {"reason": "told"})),
        ),
        fallback=(Words(murmur(300), "Half of it is done."),),
    )
    call = ring_agent(SAYS_WHO, ASKS, model, tools=[search], real=real)
    found = call.tools[0]
    assert (found.output, found.is_late, found.is_delivered) == ("found", True, True)
    assert call.heard(RESULT.text)
    assert call.heard("Half of it is done.")
    assert (call.ended_by, call.why) == ("tool", "told")
    assert replay_tape(call.tape).difference is None


def test_a_tool_that_runs_once_and_is_called_twice_can_be_tested(ring_agent: RingAgent) -> None:
    keys: list[str] = []

    @tool(once=True)
    def book(key: IdempotencyKey, day: str) -> str:
        """Book it."""
        keys.append(key)
        return f"booked for {day}"

    twice = (CallTool("book", {"day": "Friday"}),) * 2
    model = Script(
        opening=(Words(murmur(300), "Hello."),),
        turns=(twice,),
        answers=((CallTool("hang_up", {"reason": "told"}),),),
    )
    call = ring_agent(SAYS_WHO, ASKS, model, tools=[book])
    assert len(keys) == 1
    assert [(one.output, bool(one.joined)) for one in call.tools[:2]] == [
        ("booked for Friday", False),
        ("booked for Friday", True),
    ]


def test_tapes_of_two_variables_differ_in_nothing_else(ring_agent: RingAgent, tmp_path: Path) -> None:
    one, other = (ring_agent(SAYS_WHO, LISTENS, variables={"guest": name}) for name in ("Anna", "Bert"))
    assert one.heard("Anna")
    assert other.heard("Bert")


def test_a_test_of_an_agent_is_run_at_any_hour(ring_agent: RingAgent) -> None:
    today = datetime.now(UTC).date()
    days = tuple((today + timedelta(days=days)).isoformat() for days in (-1, 0, 1))
    call = ring_agent(evolve(SAYS_WHO, hours=Hours(closed_days=days, agent="night")), LISTENS, real=True)
    assert call.heard("our guest")


PUT_THROUGH = """
    steps = [{ wait_for_quiet_ms = 300 }, { say = "caller_yes" }, "wait_for_end"]
    [far_ends."+15550199"]
    answers_after_ms = 100
    steps = [{ wait_ms = 200 }, "hang_up"]
"""


def test_whoever_a_scenario_has_can_be_reached_in_a_real_call(ring_agent: RingAgent, tmp_path: Path) -> None:
    (tmp_path / "call.toml").write_text(PUT_THROUGH)
    sales = Place(name="sales", description="orders", number="+15550199")
    call = ring_agent(
        Agent(name="front-desk", transfer={"sales": sales}),
        tmp_path / "call.toml",
        Script(
            opening=(Words(murmur(200), "Hello."),),
            turns=(
                (CallTool("transfer_call", {"place": "sales", "reason": "asked", "summary": "a caller"}),),
            ),
        ),
        real=True,
    )
    assert (call.ended_by, call.why) == ("tool", "transferred to sales")


def a_short_call(*goodbye: Words | CallTool) -> tuple[Agent, Caller, Script]:
    """Return an agent whose calls are short, a caller who just listens, and a model that says this when it is told."""
    limits = Limits(max_call_seconds=20, goodbye_seconds=10, still_there_seconds=0)
    script = Script(opening=(Words(murmur(400), "Hello."),), fallback=goodbye)
    return Agent(greeting="Hello.", limits=limits), Caller(steps=(WaitForEnd(30_000),)), script


def test_a_model_that_is_told_of_the_end_says_goodbye_and_hangs_up(ring_agent: RingAgent) -> None:
    goodbye = (
        Words(murmur(800), "We have to end here, goodbye!"),
        CallTool("hang_up", {"reason": "out of time"}),
    )
    call = ring_agent(*a_short_call(*goodbye))
    assert (call.ended_by, call.why) == ("tool", "out of time")
    assert call.heard("goodbye")
    assert 10_000 < call.call.duration_ms < 14_000
    assert [turn.role for turn in call.transcript] == ["agent", "system", "agent"]
    assert replay_tape(call.tape).difference is None


def test_a_model_that_talks_on_is_stopped_at_a_pause(ring_agent: RingAgent) -> None:
    call = ring_agent(*a_short_call(Words(murmur(60_000), "And another thing.")))
    assert (call.ended_by, call.why, call.call.next_step) == ("limit", "longest call reached", "say")
    assert 17_000 <= call.call.duration_ms <= 20_000
    assert replay_tape(call.tape).difference is None
