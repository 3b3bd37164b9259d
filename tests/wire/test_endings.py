"""Whoever ends a call and however: it is gone within two seconds, cleanly, with one row that says so."""

import json
from typing import Any
from urllib.parse import urlsplit

import attrs
import trio

from bench.endings import check_many
from bench.stage import GREETING, PROMPT, PUBLIC, WEBHOOK, MakePlace, Place, Stage, open_stage, speech, words
from bridge.tools import Tool, tool
from replay.model.script import CallTool, Faults, Script
from replay.phone import twiml as phone_twiml
from replay.phone.ring import Caller, CallReport
from replay.phone.script import (
    DropSocket,
    GoSilent,
    HangUp,
    StopReading,
    Wait,
    WaitForAgent,
    WaitForEnd,
)
from replay.phone.signing import sign
from replay.phone.socket import Target, open_media_socket
from replay.phone.stream import MEDIA_FORMAT
from replay.phone.twiml import Hangup, Say
from replay.phone.web import Route, open_courier
from replay.sound.clips import clip

GONE_SECONDS = 2
CALL = "CA" + "1" * 32
HELLO = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
TALKER = Caller(
    steps=(WaitForAgent(), speech("caller_yes"), WaitForEnd(8000)), patience_ms=0, answer_delay_ms=0
)


@attrs.frozen
class Ended:
    """A call after its end: what each side saw of it."""

    report: CallReport
    row: dict[str, Any]
    model_close_code: int | None

    @property
    def by(self) -> tuple[str, str]:
        """Who ended it, and why."""
        return self.row["ended_by"], self.row["why"]


async def a_call(place: Place, caller: Caller) -> Ended:
    """Make one call to its end; fail if it stays longer than it may, or leaves more than one row."""
    with trio.fail_after(15):
        async with open_stage(place) as stage:
            report = await stage.ring(caller)
            with trio.fail_after(GONE_SECONDS):
                await stage.wait_no_calls()
            session = stage.model.sessions[0]
            with trio.fail_after(GONE_SECONDS):
                await session.wait_until(lambda session: session.close_code is not None)
    (row,) = place.calls()
    return Ended(report, row, session.close_code)


async def test_the_caller_hangs_up(place: MakePlace) -> None:
    ended = await a_call(place(), HELLO)
    assert ended.by == ("caller", "hung up")
    assert (ended.report.closed_by, ended.model_close_code) == ("caller", 1000)


async def test_a_media_socket_that_is_closed_without_a_stop_is_a_caller_who_left(place: MakePlace) -> None:
    setup = place()
    with trio.fail_after(8):
        async with open_stage(setup) as stage:
            async with open_courier(
                stage.account, CALL, Route(urlsplit(PUBLIC), urlsplit(stage.via))
            ) as courier:
                (connect, *_) = phone_twiml.parse((await courier.twiml(WEBHOOK, "ringing"))[1], WEBHOOK)
            assert isinstance(connect, phone_twiml.Connect)
            await _start_and_close(stage, connect.stream)
            await stage.wait_no_calls()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("caller", "hung up")


async def _start_and_close(stage: Stage, stream: phone_twiml.Stream) -> None:
    """Open a stream, and close its socket at once."""
    url, token = stream.url, stage.account.auth_token
    target = Target("127.0.0.1", stage.daemon.port, False, url, urlsplit(PUBLIC).netloc)
    start = {
        "callSid": CALL,
        "accountSid": stage.account.account_sid,
        "mediaFormat": MEDIA_FORMAT,
        "customParameters": dict(stream.parameters),
    }
    async with open_media_socket(target, [("x-twilio-signature", sign(url, (), token))]) as socket:
        socket.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": start}))
        socket.close(1000)
        await socket.finish()


async def test_the_phone_socket_breaks(place: MakePlace) -> None:
    ended = await a_call(
        place(limits={"stream_returns": 0}), attrs.evolve(HELLO, steps=(WaitForAgent(), DropSocket()))
    )
    assert ended.by == ("caller", "media socket lost (1006)")
    assert ended.model_close_code == 1000


async def test_the_agent_hangs_up_once_its_last_words_were_heard(place: MakePlace) -> None:
    goodbye = words("caller_no")
    script = Script(
        opening=(words("caller_yes"),),
        turns=((goodbye, CallTool("hang_up", {"reason": "all said"})),),
        delivery=PROMPT,
    )
    ended = await a_call(place(script=script), TALKER)
    assert ended.by == ("tool", "all said")
    assert (ended.report.close_code, ended.report.next_verbs) == (1000, [Hangup()])
    assert ended.model_close_code == 1000
    assert goodbye.audio in ended.report.heard


async def test_the_model_closes(place: MakePlace) -> None:
    script = attrs.evolve(
        GREETING, faults=Faults(close_after_ms=500, close_code=1000, close_with_error=False)
    )
    ended = await a_call(place(script=script), attrs.evolve(HELLO, steps=(WaitForEnd(),)))
    assert ended.by[0] == "model"
    assert ended.by[1].startswith("model connection lost (1000")
    assert (ended.report.close_code, ended.model_close_code) == (1000, 1000)


async def test_a_tool_that_crashes_ends_no_call(place: MakePlace) -> None:
    @tool
    def broken() -> str:
        """Break."""
        raise RuntimeError("no such luck")

    script = Script(
        opening=(words("caller_yes"),),
        turns=((CallTool("broken"),),),
        answers=((words("caller_no"), CallTool("hang_up", {"reason": "gave up"})),),
        delivery=PROMPT,
    )
    setup = place(script=script, tools={"broken": broken})
    ended = await a_call(setup, TALKER)
    assert ended.by == ("tool", "gave up")
    (row,) = setup.store.query(
        "select name, error_kind, error, is_delivered from tool_calls where name = 'broken'"
    )
    assert row == {
        "name": "broken",
        "error_kind": "crashed",
        "error": "RuntimeError: no such luck",
        "is_delivered": True,
    }


async def _hung_up_during(place: MakePlace, booking: Tool) -> dict[str, Any]:
    """Hang up while this tool runs, see that nothing but the tool is left, and return its row."""
    script = Script(opening=(words("caller_yes"),), turns=((CallTool(booking.name),),), delivery=PROMPT)
    setup = place(script=script, tools={booking.name: booking})
    leaves = attrs.evolve(TALKER, steps=(WaitForAgent(), speech("caller_yes"), Wait(1500), HangUp()))
    with trio.fail_after(15):
        async with open_stage(setup) as stage:
            await stage.ring(leaves)
            while stage.daemon.switchboard.live:  # noqa: ASYNC110 - for a moment
                await trio.sleep(0.02)
            assert [call.end.by for call in stage.daemon.switchboard.calls if call.end] == ["caller"]
            if booking.timeout_ms < 10_000:
                await stage.wait_no_calls()
    (row,) = setup.store.query("select output, error_kind, is_delivered, answered_ms from tool_calls")
    (call,) = setup.calls()
    return {**row, "came_late": row["answered_ms"] > call["duration_ms"]}


async def test_a_tool_outlives_the_call_and_its_outcome_is_in_the_record(place: MakePlace) -> None:
    @tool
    async def book() -> str:
        """Book."""
        await trio.sleep(2.5)
        return "booked"

    row = await _hung_up_during(place, book)
    assert (row["output"], row["error_kind"], row["is_delivered"], row["came_late"]) == (
        "booked",
        None,
        False,
        True,
    )


async def test_a_tool_that_still_runs_when_the_daemon_ends_is_cancelled_and_recorded(
    place: MakePlace,
) -> None:
    @tool(timeout_ms=60_000)
    async def book() -> str:
        """Book, for ever."""
        await trio.sleep_forever()
        return ""

    row = await _hung_up_during(place, book)
    assert (row["output"], row["error_kind"], row["is_delivered"]) == (None, "cancelled", False)


async def test_the_last_words_of_a_caller_are_in_the_record(place: MakePlace) -> None:
    script = Script(opening=(words("caller_yes"),), heard=("Cancel my table.",), delivery=PROMPT)
    setup = place(script=script)
    ended = attrs.evolve(TALKER, steps=(WaitForAgent(), speech("caller_no"), HangUp()))
    assert (await a_call(setup, ended)).by == ("caller", "hung up")
    said = setup.store.query("select said from transcript where role = 'caller'")
    assert [row["said"] for row in said] == ["Cancel my table."]


async def test_a_caller_who_says_nothing_is_asked_whether_anybody_is_there(place: MakePlace) -> None:
    script = Script(opening=(words("caller_yes"),), fallback=(words("caller_no"),), delivery=PROMPT)
    limits = {"quiet_seconds": 4, "still_there_seconds": 2, "quiet_goodbye_seconds": 0}
    setup = place(script=script, limits=limits)
    ended = await a_call(setup, attrs.evolve(HELLO, steps=(WaitForEnd(),)))
    assert ended.by == ("limit", "nobody spoke")
    said = setup.store.query("select said from transcript where role = 'agent' order by position")
    assert [row["said"] for row in said] == [clip("caller_yes").text, clip("caller_no").text]
    assert [type(verb) for verb in ended.report.next_verbs] == [Say, Hangup]
    assert (ended.report.close_code, ended.model_close_code) == (1000, 1000)


async def test_a_phone_that_vanishes_without_a_word(place: MakePlace) -> None:
    silent = attrs.evolve(HELLO, steps=(WaitForAgent(), GoSilent(), WaitForEnd()))
    ended = await a_call(place(limits={"lost_media_ms": 600}), silent)
    assert ended.by == ("caller", "media stopped coming")
    assert ended.model_close_code == 1000


async def test_a_call_whose_stream_never_comes(place: MakePlace) -> None:
    setup = place(limits={"waiting_seconds": 1})
    with trio.fail_after(8):
        async with open_stage(setup) as stage, trio.open_nursery() as nursery:
            nursery.start_soon(stage.ring, attrs.evolve(HELLO, answer_delay_ms=60_000))
            session = await stage.model.wait_session()
            await session.wait_until(lambda session: session.close_code is not None)
            nursery.cancel_scope.cancel()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("limit", "no media stream came")
    assert session.close_code == 1000


async def test_the_operator_stops_the_daemon(place: MakePlace) -> None:
    setup = place()
    reports: list[CallReport] = []
    with trio.fail_after(8):
        async with trio.open_nursery() as nursery, open_stage(setup) as stage:
            heard = trio.Event()
            nursery.start_soon(_ring_on, stage, heard, reports)
            await heard.wait()
            session = stage.model.sessions[0]
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("operator", "the daemon is shutting down")
    assert (reports[0].close_code, session.close_code) == (1000, 1000)


async def _ring_on(stage: Stage, heard: trio.Event, reports: list[CallReport]) -> None:
    def tell(kind: str, *_: Any) -> None:
        if kind == "agent_heard":
            heard.set()

    reports.append(await stage.ring(attrs.evolve(HELLO, steps=(WaitForEnd(),)), on_event=tell))


async def test_a_phone_that_reads_nothing_any_more(place: MakePlace) -> None:
    script = Script(opening=(words("agent_greeting"),), delivery=PROMPT)
    deaf = attrs.evolve(HELLO, steps=(WaitForAgent(), StopReading(), Wait(300), HangUp()))
    ended = await a_call(place(script=script), deaf)
    assert ended.by == ("caller", "hung up")
    assert ended.model_close_code == 1000


# ---------------------------------------------------------------- many


async def test_many_calls_of_every_ending_leave_nothing_behind(place: MakePlace) -> None:
    with trio.fail_after(60):
        result = await check_many(place, in_a_row=20, at_once=10)
    assert result.faults == []
    assert result.calls == result.rows == 30
