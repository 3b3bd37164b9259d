"""Callers who are put through, dial through menus, type PINs, leave messages: the bridge between its stand-ins."""

from typing import Any

import pytest
import trio
from attrs import evolve, frozen
from test_secret_digits import everything_kept

from bench.stage import PROMPT, WEBHOOK, MakePlace, Place, open_stage, speech, words
from bridge.tools import tool
from replay.model.script import CallTool, Faults, Script
from replay.phone.exchange.town import Behaviour, FarEnd, Result, Town
from replay.phone.report import CallReport
from replay.phone.script import (
    Account,
    Caller,
    HangUp,
    Level,
    Menu,
    Press,
    Say,
    Step,
    Wait,
    WaitForQuiet,
    WaitForReturn,
)
from replay.sound.formats import murmur
from replay.tapes.player import replay_tape

CALLER = Account()
SALES = "+15550100111"
PLACES = {"sales": {"number": SALES, "description": "orders", "ring_seconds": 6}}
SORRY = "say:Our line is out of order."
TRANSFER = CallTool(
    "transfer_call", {"place": "sales", "reason": "an order", "summary": "Ann, about her order"}
)
ASKS = (WaitForQuiet(300), speech("caller_table"))
BACK = (WaitForReturn(), WaitForQuiet(300))
ANNA = Say(murmur(800), "Anna speaking.")
TALKS = (Wait(600), ANNA, Wait(3000), HangUp())


def model(*tools: CallTool) -> Script:
    """A model that greets, calls a tool at each turn, and says a word to each of its answers."""
    return Script(
        opening=(words("caller_yes"),),
        turns=tuple((words("agent_checking"), tool) for tool in tools),
        answers=((words("agent_pardon"),),) * len(tools),
        delivery=PROMPT,
    )


def anna(*steps: Step, **settings: Any) -> Town:
    """A town in which sales can be reached."""
    there = FarEnd(Caller(steps=steps, patience_ms=60_000), **{"answers_after_ms": 1500, **settings})
    return Town({SALES: there}, Behaviour(speech_ms_per_character=20))


@frozen
class Told:
    """What became of one call: as the phone saw it, as it was recorded, and what its model was told of its tools."""

    report: CallReport
    row: dict[str, Any]
    legs: list[dict[str, Any]]
    outputs: list[str]
    sessions: int

    @property
    def off_stream(self) -> list[tuple[str, str]]:
        """Who heard what while the call was off its stream."""
        return [(one.to, one.text) for one in self.report.words if one.by != "caller"]


async def story(setup: Place, town: Town, *steps: Step, account: Account = CALLER) -> Told:
    """One call of a caller who asks and then does this; its tape replays without a difference."""
    caller = Caller(steps=(*ASKS, *steps), patience_ms=60_000, answer_delay_ms=0)
    with trio.fail_after(300):
        async with open_stage(setup) as stage:
            report = await evolve(stage, account=account).ring(caller, town=town)
            await stage.wait_recorded()
    (row,) = setup.calls()
    (tape,) = setup.tapes
    assert (report.error, report.warnings, report.missed) == (None, [], [])
    assert replay_tape(tape).difference is None
    outputs = [output for session in stage.model.sessions for output in session.tool_outputs.values()]
    legs = setup.store.query("select * from legs")
    return Told(report, row, legs, outputs, len(stage.model.sessions))


def hears_the_agent_again_soon(told: Told) -> bool:
    """Whether the agent was on the line within 300 ms of the last stream, and did not greet anew."""
    report = told.report
    began_ms = max(one.t_ms for one in report.events if one.kind == "start") - (report.line_began_ms or 0)
    return any(began_ms <= ms <= began_ms + 300 for ms in report.line.arrivals_ms)


# ---------------------------------------------------------------- what Twilio can't do


async def test_what_twilio_cant_do_comes_back_by_the_fallback_and_the_model_is_told(place: MakePlace) -> None:
    places = {"sales": {"refer": "sip:sales@pbx.example.com", "description": "orders"}}
    setup = place(script=model(TRANSFER), agent={"transfer": places})
    caller = Caller(steps=(*ASKS, *BACK, HangUp()), patience_ms=60_000, answer_delay_ms=0)
    with trio.fail_after(300):
        async with open_stage(setup) as stage:
            report = await stage.ring(caller, town=anna(), fallback=WEBHOOK)
            await stage.wait_recorded()
    assert (report.error, len(report.stream_sids)) == (None, 2)
    assert [one.verb for one in report.asked if one.verb == "fallback"] == ["fallback"]
    (output,) = (output for session in stage.model.sessions for output in session.tool_outputs.values())
    assert "refused" in output
    (tape,) = setup.tapes
    assert replay_tape(tape).difference is None


# ---------------------------------------------------------------- transfer


async def test_a_cold_transfer_is_taken(place: MakePlace) -> None:
    setup = place(script=model(TRANSFER), agent={"transfer": PLACES})
    told = await story(setup, anna(*TALKS))
    assert told.off_stream == [("caller", "Anna speaking.")]
    assert (told.row["ended_by"], told.row["why"], told.report.ended_by) == (
        "tool",
        "transferred to sales",
        "bridge",
    )
    assert ANNA.audio in told.report.heard
    assert [dial.status for dial in told.report.dials] == ["completed"]


@pytest.mark.parametrize(
    ("place_of", "there"),
    [
        ({"sip": "sip:anna@example.com"}, "sip:anna@example.com"),
        ({"client": "anna"}, "client:anna"),
        ({"queue": "orders"}, "queue:orders"),
        ({"conference": "orders"}, "conference:orders"),
    ],
)
async def test_a_place_can_be_on_sip_in_an_app_a_queue_or_a_conference(
    place: MakePlace, place_of: dict[str, str], there: str
) -> None:
    town = evolve(anna(), far_ends={there: anna(*TALKS).far_ends[SALES]})
    places = {"sales": {**place_of, "description": "orders"}}
    told = await story(place(script=model(TRANSFER), agent={"transfer": places}), town)
    assert told.off_stream == [("caller", "Anna speaking.")]
    assert [leg.name for leg in told.report.far_ends] == [there]
    assert told.row["why"] == "transferred to sales"


@pytest.mark.parametrize(("result", "is_taken"), [("answers", True), ("busy", False), ("no_answer", True)])
async def test_a_caller_who_came_by_sip_is_referred(place: MakePlace, result: Result, is_taken: bool) -> None:
    anna_by_sip = "sip:anna@example.com"
    town = Town({anna_by_sip: FarEnd(result=result)}, Behaviour(speech_ms_per_character=20))
    places = {"sales": {"refer": anna_by_sip, "description": "orders"}}
    setup = place(script=model(TRANSFER), agent={"transfer": places})
    steps = () if is_taken else (*BACK, HangUp())
    told = await story(setup, town, *steps, account=Account(caller="sip:ann@example.com"))
    assert [to for to, _ in told.report.referred] == [anna_by_sip]
    assert (told.row["why"] == "transferred to sales") is is_taken


async def test_an_announced_transfer_says_so_first(place: MakePlace) -> None:
    places = {"sales": {**PLACES["sales"], "say": "I put you through to sales."}}
    told = await story(place(script=model(TRANSFER), agent={"transfer": places}), anna(*TALKS))
    assert told.off_stream == [("caller", "I put you through to sales."), ("caller", "Anna speaking.")]
    assert told.row["why"] == "transferred to sales"


WARM = {"sales": {**PLACES["sales"], "warm": True}}
TAKES = (WaitForQuiet(300), Press("1"), *TALKS)
DECLINES = {
    "hangs up": (WaitForQuiet(300), HangUp()),
    "presses another key": (WaitForQuiet(300), Press("2")),
    "does nothing": (Wait(60_000),),
}
ODDITIES: dict[str, dict[str, Any]] = {
    "as it should be": {},
    "DialBridged wrong": {"dial_bridged": "wrong"},
    "no DialBridged": {"dial_bridged": "absent"},
    "callbacks shuffled": {"callbacks": "shuffled", "callback_seed": 4},
    "callbacks missing": {"callbacks": "missing", "callback_seed": 5},
    "every request twice": {
        "actions": {"connect": "twice", "dial": "twice", "gather": "twice"},
        "callbacks": "twice",
    },
    "the dial's request again, later": {"actions": {"dial": "again"}, "action_late_ms": 2500},
    "every request has odd parameters": {"odd_parameters": True},
    "Connect tells of its stream": {"stream_parameters": True, "late_frames": 10},
}


def oddly(town: Town, behaviour: dict[str, Any]) -> Town:
    return evolve(town, behaviour=Behaviour(speech_ms_per_character=20, **behaviour))


@pytest.mark.parametrize("behaviour", ODDITIES.values(), ids=list(ODDITIES))
async def test_a_warm_transfer_is_taken_by_a_key(place: MakePlace, behaviour: dict[str, Any]) -> None:
    setup = place(script=model(TRANSFER), agent={"transfer": WARM})
    told = await story(setup, oddly(anna(*TAKES), behaviour))
    assert (told.row["ended_by"], told.row["why"]) == ("tool", "transferred to sales")
    assert told.off_stream[0] == (SALES, "Ann, about her order")
    assert ("caller", "Anna speaking.") in told.off_stream


DECLINED = {how: (steps, {}) for how, steps in DECLINES.items()} | {
    how: (DECLINES["presses another key"], behaviour) for how, behaviour in ODDITIES.items() if behaviour
}


@pytest.mark.parametrize(("steps", "behaviour"), DECLINED.values(), ids=list(DECLINED))
async def test_a_warm_transfer_is_declined_and_the_conversation_goes_on(
    place: MakePlace, steps: tuple[Step, ...], behaviour: dict[str, Any]
) -> None:
    setup = place(script=model(TRANSFER), agent={"transfer": WARM})
    told = await story(setup, oddly(anna(*steps), behaviour), *BACK, HangUp())
    assert (told.row["ended_by"], told.row["why"], told.sessions) == ("caller", "hung up", 1)
    assert "did not take the call" in told.outputs[0]
    assert hears_the_agent_again_soon(told)


@pytest.mark.parametrize(
    ("there", "word"),
    [({"result": "busy"}, "busy"), ({"result": "no_answer"}, "answer"), ({"result": "failed"}, "reached")],
)
async def test_nobody_is_reached_and_the_conversation_goes_on(
    place: MakePlace, there: dict[str, Any], word: str
) -> None:
    setup = place(script=model(TRANSFER), agent={"transfer": PLACES})
    told = await story(setup, anna(**there), *BACK, HangUp())
    assert (told.row["ended_by"], told.sessions, len(told.report.stream_sids)) == ("caller", 1, 2)
    assert word in told.outputs[0]
    assert hears_the_agent_again_soon(told)
    assert told.report.line.heard.count(words("caller_yes").audio) == 1  # the greeting


@pytest.mark.parametrize("asks", [False, True])
async def test_a_caller_who_hangs_up_while_it_rings_has_one_record(place: MakePlace, asks: bool) -> None:
    setup = place(script=model(TRANSFER), agent={"transfer": PLACES})
    town = oddly(anna(answers_after_ms=5000), {"action_after_hang_up": asks})
    told = await story(setup, town, Wait(4000), HangUp())
    assert told.report.ended_by == "caller"
    assert (told.row["ended_by"], told.row["why"]) == ("caller", "hung up")


async def test_a_model_that_goes_while_the_caller_is_away_leaves_them_the_plan(place: MakePlace) -> None:
    setup = place(
        script=evolve(model(TRANSFER), faults=Faults(close_after_ms=9000)),
        limits={"reconnects": 0},
        agent={"transfer": PLACES, "failure": {"steps": [SORRY, "hang_up"]}},
    )
    told = await story(setup, anna(result="no_answer"), Wait(60_000))
    assert told.off_stream == [("caller", "Our line is out of order.")]
    assert (told.row["ended_by"], len(told.report.stream_sids)) == ("model", 1)


async def test_a_caller_leaves_and_returns_again_and_again(place: MakePlace) -> None:
    setup = place(script=model(*[TRANSFER] * 4), agent={"transfer": PLACES})
    again = (*BACK, speech("caller_table"))
    told = await story(setup, anna(result="busy"), *again, *again, *again, *BACK, HangUp())
    assert (len(told.report.stream_sids), told.sessions, len(told.outputs)) == (5, 1, 4)
    assert [dial.status for dial in told.report.dials] == ["busy"] * 4
    assert (told.row["ended_by"], told.row["why"]) == ("caller", "hung up")


# ---------------------------------------------------------------- keys

MAIN = Level(Say(murmur(1800), "For orders press 1."), {"1": "order"}, 9000)
ORDER = Level(Say(murmur(1500), "Type your order number."), {"1928": "done"}, 9000)
READY = Say(murmur(700), "Your order is ready.")


async def test_keys_lead_through_a_menu_of_two_levels_and_the_agent_listens_in_between(
    place: MakePlace,
) -> None:
    keys = [CallTool("send_digits", {"digits": digits}) for digits in ("1", "w1928")]
    setup = place(script=model(*keys), agent={"send_digits": True})
    menu = Menu({"main": MAIN, "order": ORDER}, "main")
    told = await story(setup, anna(), menu, READY, WaitForQuiet(300), HangUp())
    assert told.report.menu_path == ["main", "order"]
    assert "".join(digit for _, digit in told.report.keys_heard) == "11928"
    assert (len(told.report.stream_sids), told.sessions, told.row["ended_by"]) == (3, 1, "caller")


PIN = "80417"


async def test_a_pin_is_typed_off_the_stream_and_given_to_one_tool(place: MakePlace) -> None:
    given: list[str] = []

    @tool
    def check_pin(digits: str) -> str:
        """Check it."""
        given.append(digits)
        return "right"

    collect = {"tool": "check_pin", "say": "Please type your PIN."}
    asks = CallTool("collect_digits", {"reason": "to know who calls", "count": 5})
    setup = place(script=model(asks), agent={"collect": collect}, tools={"check_pin": check_pin})
    types = [step for digit in PIN for step in (Press(digit), Wait(150))]
    told = await story(setup, anna(), WaitForQuiet(250), *types, *BACK, HangUp())
    assert (given, told.report.gathered) == ([PIN], [PIN])
    kept = everything_kept(setup.folder)
    assert PIN.encode() not in kept


# ---------------------------------------------------------------- messages

VOICEMAIL = {"say": "Please speak after the tone.", "max_seconds": 20, "silence_seconds": 2}
MESSAGE = Say(murmur(1500), "Call me back.")
AFTER_THE_TONE = (WaitForQuiet(250), Wait(600))


@pytest.mark.parametrize("recording", ["there", "late", "absent", "never"])
async def test_a_message_is_left_and_the_agent_is_back(place: MakePlace, recording: str) -> None:
    asks = CallTool("take_message", {"reason": "nobody is there"})
    setup = place(script=model(asks), agent={"voicemail": VOICEMAIL})
    town = oddly(anna(), {"recording": recording})
    told = await story(setup, town, *AFTER_THE_TONE, MESSAGE, *BACK, HangUp())
    assert told.off_stream[0] == ("caller", "Please speak after the tone.")
    (made,) = told.report.recordings
    assert made.ended_by == "silence"
    assert made.ms == pytest.approx(1500, abs=400) or recording == "absent"
    assert (told.row["ended_by"], told.sessions) == ("caller", 1)


async def test_a_caller_who_hangs_up_in_their_message_has_left_one(place: MakePlace) -> None:
    asks = CallTool("take_message", {"reason": "nobody is there"})
    setup = place(script=model(asks), agent={"voicemail": VOICEMAIL})
    told = await story(setup, anna(), *AFTER_THE_TONE, MESSAGE, HangUp())
    assert [one.ended_by for one in told.report.recordings] == ["hang_up"]
    assert told.row["ended_by"] == "caller"


# ---------------------------------------------------------------- the plan when the model is gone


async def without_a_model(
    place: MakePlace, town: Town, *steps: Step, plan: list[str], **agent: Any
) -> tuple[CallReport, dict[str, Any]]:
    """One call whose model can't be reached: what the phone saw, and its record."""
    setup = place(
        script=evolve(model(), faults=Faults(door=("http_500",) * 100)),
        agent={"failure": {"steps": plan}, **agent},
        limits={"model_ready_ms": 1500},
    )
    caller = Caller(steps=steps, patience_ms=60_000, answer_delay_ms=0)
    with trio.fail_after(300):
        async with open_stage(setup) as stage:
            report = await stage.ring(caller, town=town)
            await stage.wait_recorded()
    (row,) = setup.calls()
    (tape,) = setup.tapes
    assert (report.error, report.warnings, row["ended_by"]) == (None, [], "model")
    assert replay_tape(tape).difference is None
    assert (report.words[0].text, report.words[0].at_ms <= 5_000) == ("Our line is out of order.", True)
    return report, row


async def test_the_plan_takes_a_message(place: MakePlace) -> None:
    steps = (*AFTER_THE_TONE, MESSAGE, Wait(60_000))
    report, _ = await without_a_model(
        place, anna(), *steps, plan=[SORRY, "voicemail", "hang_up"], voicemail=VOICEMAIL
    )
    assert report.words[1].text == "Please speak after the tone."
    assert [one.status for one in report.recordings] == ["completed"]


@pytest.mark.parametrize(
    ("town", "heard"), [(anna(*TALKS), "Anna speaking."), (anna(result="busy"), "Nobody is there.")]
)
async def test_the_plan_rings_a_place_and_goes_on_when_nobody_is_there(
    place: MakePlace, town: Town, heard: str
) -> None:
    plan = [SORRY, "dial:sales", "say:Nobody is there.", "hang_up"]
    report, _ = await without_a_model(place, town, plan=plan, transfer=PLACES)
    assert [one.text for one in report.words] == ["Our line is out of order.", heard]


async def test_the_plan_puts_the_caller_into_a_queue(place: MakePlace) -> None:
    agent = FarEnd(Caller(steps=TALKS, patience_ms=60_000), answers_after_ms=3000)
    town = evolve(anna(), far_ends={"queue:support": agent})
    report, _ = await without_a_model(place, town, plan=[SORRY, "queue:support"])
    assert (report.queues, report.words[1].text) == (["bridged"], "Anna speaking.")
