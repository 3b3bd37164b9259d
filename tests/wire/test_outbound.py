"""Calls that the bridge makes, over real sockets: asked for at the admin address, rung by a tiny Twilio."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
from callees import CALLEE, OURS, Callee, Town, until

from bench.stage import AGENT, GREETING, PROMPT, PUBLIC, MakePlace, Place, Stage, open_stage, words
from bridge.errors import OutboundError
from bridge.outbound.client import Bridge, Made, call
from bridge.outbound.ring import State
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import HTTP, decode
from replay.model.script import Script
from replay.phone.ring import Account, Caller, ring_stream
from replay.phone.script import HangUp, Press, Wait, WaitForAgent, WaitForEnd
from replay.phone.signing import sign
from replay.phone.twiml import Connect, Stream, parse
from replay.tapes.player import replay_tape

TOKEN = "let-me-in"
SETTINGS = {"caller_id": OURS, "allow": ["+49"], "hours": "", "calls_per_second": 30}
TALK = Script(opening=GREETING.opening, fallback=(words("caller_no"),), delivery=PROMPT)
HELLO = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)


def setup_of(machine: str = "hang_up", **change: Any) -> dict[str, Any]:
    """Return what is set up for an agent that makes calls."""
    account = Account().account_sid
    policy = {"machine": machine, "message": "Your table is booked.", "ring_seconds": 5, **change}
    return {"admin": {"bind": "127.0.0.1:0"}, "admin_token": TOKEN, "outbound": SETTINGS,
            "twilio": {"account_sid": account}, "agent": {"outbound": policy}}  # fmt: skip


@asynccontextmanager
async def open_town(place: Place, **callee: Any) -> AsyncIterator[tuple[Stage, Town]]:
    """Run a daemon, and a Twilio that makes its calls, with one callee."""
    async with open_stage(place) as stage, trio.open_nursery() as nursery:
        town = Town(callees={CALLEE: Callee(**callee)}, via=stage.via, nursery=nursery)
        stage.daemon.dialer.rest_of = town.rest_of
        yield stage, town
        nursery.cancel_scope.cancel(reason="the town is empty")


def bridge_of(stage: Stage, token: str = TOKEN) -> Bridge:
    return Bridge(stage.daemon.monitoring.address, token)


async def made_by(stage: Stage, **options: Any) -> Made:
    with trio.fail_after(60):
        return await call(bridge_of(stage), AGENT, CALLEE, **options)


async def quiet(stage: Stage) -> None:
    with trio.fail_after(60):
        await stage.wait_recorded()
    await until(lambda: not stage.daemon.dialer.live)


# ---------------------------------------------------------------- what becomes of a call


async def test_a_person_who_answers_hears_the_greeting_and_has_a_record(place: MakePlace) -> None:
    where = place(**setup_of())
    async with open_town(where, caller=HELLO, verdict="human") as (stage, town):
        made = await made_by(stage)
        assert (made.outcome, made.state) == ("answered", "answered")
        await quiet(stage)
    (report,) = town.reports
    assert report.first_heard_ms is not None
    (row,) = where.calls()
    wanted = {"call_id": made.call_id, "call_sid": report.call_sid, "from_number": OURS, "to_number": CALLEE,
              "is_outgoing": True, "outcome": "answered", "answered_by": "person", "ended_by": "caller"}  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted
    (tape,) = where.tapes
    assert replay_tape(tape).difference is None


@pytest.mark.parametrize(
    ("status", "outcome", "why"),
    [("busy", "busy", "busy"), ("no-answer", "no_answer", "no answer"), ("failed", "failed", "could not be reached")],
)  # fmt: skip
async def test_a_call_that_nobody_answers_has_a_record_with_its_outcome(
    place: MakePlace, status: str, outcome: str, why: str
) -> None:
    where = place(**setup_of())
    async with open_town(where, status=status) as (stage, _):
        made = await made_by(stage)
        assert (made.outcome, made.call_sid[:2]) == (outcome, "CA")
        await quiet(stage)
    (row,) = where.calls()
    assert (row["outcome"], row["why"], row["ended_by"], row["answered_by"]) == (outcome, why, "caller", None)
    assert (row["responses"], row["stream_started_ms"]) == (0, None)
    assert replay_tape(where.tapes[0]).difference is None


async def test_a_machine_is_hung_up_on_and_is_no_person_in_the_record(place: MakePlace) -> None:
    where = place(**setup_of())
    async with open_town(where, verdict="machine_start") as (stage, town):
        await made_by(stage)
        await quiet(stage)
    (row,) = where.calls()
    assert (row["answered_by"], row["why"]) == ("machine", "an answering machine (machine_start)")
    assert (town.reports[0].error, town.reports[0].first_heard_ms) == (None, None)
    assert replay_tape(where.tapes[0]).difference is None


async def test_a_machine_hears_a_message_after_its_own_words(place: MakePlace) -> None:
    where = place(**setup_of("message"), script=TALK)
    async with open_town(where, verdict="machine_end_beep", verdict_ms=1500) as (stage, _):
        await made_by(stage)
        await quiet(stage)
    (row,) = where.calls()
    assert (row["answered_by"], row["why"]) == ("machine", "left a message on an answering machine")
    assert replay_tape(where.tapes[0]).difference is None


async def test_who_presses_a_key_on_a_phone_that_screens_is_a_person(place: MakePlace) -> None:
    where = place(**setup_of("press_1"), script=TALK)
    caller = Caller(
        steps=(WaitForAgent(), Press("1"), Wait(200), WaitForAgent(), HangUp()), answer_delay_ms=0
    )
    async with open_town(where, verdict="machine_end_silence", caller=caller) as (stage, _):
        await made_by(stage)
        await quiet(stage)
    (row,) = where.calls()
    assert (row["answered_by"], row["why"]) == ("person", "hung up")
    assert replay_tape(where.tapes[0]).difference is None


# ---------------------------------------------------------------- what Twilio is asked, and what goes wrong


async def test_what_twilio_is_asked_for_is_what_the_settings_say(place: MakePlace) -> None:
    async with open_town(place(**setup_of("message", ring_seconds=7)), status="busy") as (stage, town):
        await made_by(stage)
        await quiet(stage)
    (form,) = town.made()
    events = ["initiated", "ringing", "answered", "completed"]
    assert (form["To"], form["From"], form["Timeout"]) == ([CALLEE], [OURS], ["7"])
    assert form["StatusCallbackEvent"] == events
    assert (form["MachineDetection"], form["AsyncAmd"]) == (["DetectMessageEnd"], ["true"])
    assert all(
        form[name][0].startswith(f"{PUBLIC}/voice/{AGENT}/out/out-") for name in ("Url", "StatusCallback")
    )


async def test_what_twilio_refuses_is_a_failed_call_with_a_record(place: MakePlace) -> None:
    where = place(**setup_of())
    async with open_town(where) as (stage, town):
        town.faults = [(400, {"code": 21215, "message": "x"}, {})]
        made = await made_by(stage)
        await quiet(stage)
    assert made.outcome == "failed"
    assert "Geographic permissions" in made.why
    (row,) = where.calls()
    assert (row["outcome"], row["call_sid"], row["ended_by"]) == ("failed", "", "bridge")
    assert "Geographic permissions" in row["why"]


async def test_a_call_that_rings_when_the_daemon_ends_is_cancelled_at_twilio(place: MakePlace) -> None:
    where = place(**setup_of(ring_seconds=60))
    async with open_town(where, rings_ms=60_000) as (stage, town):
        made = await made_by(stage, wait=False)
        await told_ringing(stage, made)
        with trio.fail_after(20):
            await stage.daemon.drain()
        assert list(town.statuses.values()) == ["canceled"]
    (row,) = where.calls()
    assert (row["outcome"], row["ended_by"]) == ("canceled", "operator")


async def told_ringing(stage: Stage, made: Made) -> None:
    await until(lambda: state_of(stage, made).state == "ringing")


def state_of(stage: Stage, made: Made) -> State:
    state = stage.daemon.dialer.state(made.call_id)
    assert state is not None
    return state


async def test_a_call_that_is_answered_after_it_was_given_up_is_hung_up_on(place: MakePlace) -> None:
    async with open_town(place(**setup_of()), is_silent=True) as (stage, town):
        made = await made_by(stage, wait=False)
        await until(lambda: bool(town.forms))
        ((sid, form),) = town.forms.items()
        for live in stage.daemon.switchboard.calls:
            live.stop("operator", "not wanted any more")
        await quiet(stage)
        twiml = await post(stage, dict(form)["Url"], {"CallSid": sid, "CallStatus": "in-progress"})
        assert (twiml.status_code, "<Hangup" in twiml.text, "<Stream" in twiml.text) == (200, True, False)
        assert made.call_id in str(stage.daemon.dialer.state(made.call_id))


async def test_a_call_whose_callbacks_are_lost_is_looked_up(place: MakePlace) -> None:
    where = place(**setup_of(ring_seconds=5))
    async with open_town(where, is_silent=True) as (stage, town):
        await made_by(stage, wait=False)
        await until(lambda: bool(town.forms))
        (sid,) = town.forms
        town.statuses[sid] = "busy"
        await quiet(stage)
    (row,) = where.calls()
    assert (row["outcome"], row["why"]) == ("busy", "busy")


async def post(
    stage: Stage, url: str, form: dict[str, str], *, signature: str | None = None
) -> httpx2.Response:
    """Ask the daemon as Twilio would, over the public URL."""
    form = {"AccountSid": Account().account_sid, "From": OURS, "To": CALLEE, **form}
    signed = sign(url, form, Account().auth_token) if signature is None else signature
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.post(
            stage.via + url.removeprefix(PUBLIC), data=form, headers={"X-Twilio-Signature": signed}
        )


@pytest.mark.real_time("workers are processes")
async def test_with_workers_a_call_is_made_by_the_supervisor_and_carried_by_one_of_them(
    place: MakePlace,
) -> None:
    where = place(**setup_of(), server={"workers": 2})
    async with open_town(where, caller=HELLO, verdict="human") as (stage, town):
        assert (await made_by(stage)).outcome == "answered"
        await quiet(stage)
        town.callees[CALLEE] = Callee(status="busy")
        assert (await made_by(stage)).outcome == "busy"
        await quiet(stage)
    rows = where.calls()
    assert [(row["outcome"], row["answered_by"]) for row in rows] == [("answered", "person"), ("busy", None)]
    assert [row["call_sid"] for row in rows] == list(town.forms)
    assert [replay_tape(tape).difference for tape in where.tapes] == [None, None]


# ---------------------------------------------------------------- a call that came in, and nobody ends


@pytest.mark.parametrize(("status", "ended"), [("in-progress", ["completed"]), ("completed", [])])
async def test_a_call_that_twilio_does_not_come_back_from_is_ended_if_it_goes_on(
    place: MakePlace, status: str, ended: list[str]
) -> None:
    async with open_town(place(**setup_of())) as (stage, town):
        closer = stage.daemon.closer
        closer.rest_of, closer.back_seconds = town.rest_of, 0.2
        sid = town.comes_in(status)
        twiml = await post(stage, f"{PUBLIC}/voice/{AGENT}", {"CallSid": sid, "CallStatus": "ringing"})
        (connect, *_) = parse(twiml.text.encode(), PUBLIC)
        assert isinstance(connect, Connect)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream_alone, stage, connect.stream, sid)
            await told_talking(stage)
            for live in stage.daemon.switchboard.calls:
                live.stop("operator", "the other end said nothing")
        await until(lambda: len(town.asked) >= 1 + len(ended))
        await trio.sleep(0.1)
    assert [dict(form)["Status"] for method, _, form in town.asked if method == "POST"] == ended


async def stream_alone(stage: Stage, stream: Stream, sid: str) -> None:
    """Live through a call's stream, and ask nothing after it."""
    caller = Caller(steps=(WaitForEnd(20_000),), answer_delay_ms=0, call_sid_override=sid)
    await ring_stream(caller, url=stream.url, via=stage.via, parameters=stream.parameters)


async def test_a_call_that_twilio_comes_back_from_is_not_looked_up(place: MakePlace) -> None:
    async with open_town(place(**setup_of())) as (stage, town):
        stage.daemon.closer.rest_of, stage.daemon.closer.back_seconds = town.rest_of, 0.1
        caller = Caller(steps=(WaitForAgent(), WaitForEnd(20_000)), answer_delay_ms=0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.ring, caller)
            await told_talking(stage)
            for live in stage.daemon.switchboard.calls:
                live.stop("operator", "enough")
        await trio.sleep(0.5)
        assert town.asked == []


async def told_talking(stage: Stage) -> None:
    await until(lambda: any(call.is_streaming for call in stage.daemon.switchboard.calls))


# ---------------------------------------------------------------- who may do what


@pytest.mark.skipif(sys.platform == "win32", reason="unix sockets")
async def test_calls_are_asked_for_over_a_unix_socket_and_from_asyncio_too(
    place: MakePlace, tmp_path: Path
) -> None:
    setup = {**setup_of(), "admin": {"bind": f"unix:{tmp_path / 'admin'}"}}
    async with open_town(place(**setup), status="busy") as (stage, _):
        wanted = partial(call, bridge_of(stage), AGENT, CALLEE)
        made = await trio.to_thread.run_sync(lambda: asyncio.run(wanted()))
        assert made.outcome == "busy"
        await quiet(stage)


async def test_a_variable_that_the_agent_does_not_know_is_a_slip(place: MakePlace) -> None:
    setup = setup_of()
    setup["agent"] = {**setup["agent"], "variables": {"name": "our guest"}}
    async with open_town(place(**setup), status="busy") as (stage, town):
        with pytest.raises(OutboundError, match=r"'nmae': did you mean name\?"):
            await call(bridge_of(stage), AGENT, CALLEE, variables={"nmae": "Anna"})
        assert town.asked == []
        assert (await made_by(stage, variables={"name": "Anna"})).outcome == "busy"


async def test_the_public_port_makes_no_calls(place: MakePlace) -> None:
    async with open_town(place(**setup_of())) as (stage, town), httpx2.AsyncClient(trust_env=False) as client:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        wish = {"agent": AGENT, "to": CALLEE}
        for path in ("/calls", "/voice/calls", f"/voice/{AGENT}/out/calls"):
            assert (await client.post(stage.via + path, json=wish, headers=bearer)).status_code in (403, 404)
        assert town.asked == []


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x"])
async def test_nobody_has_calls_made_without_the_token(place: MakePlace, token: str) -> None:
    async with open_town(place(**setup_of())) as (stage, town):
        with pytest.raises(OutboundError, match="does not take this admin token"):
            await call(bridge_of(stage, token), AGENT, CALLEE)
        assert town.asked == []


async def test_with_no_token_set_nobody_has_calls_made_from_this_machine_either(place: MakePlace) -> None:
    async with open_town(place(**{**setup_of(), "admin_token": ""})) as (stage, town):
        with pytest.raises(OutboundError, match=r"\[admin\] token_env"):
            await call(bridge_of(stage, ""), AGENT, CALLEE)
        assert town.asked == []


@pytest.mark.parametrize(
    ("number", "change", "reason"),
    [("+12125550123", {}, "allow"), (CALLEE, {"allow": []}, "allow"), (CALLEE, {"do_not_call": "gone"}, "do_not_call"),
     ("+49", {}, "number"), (CALLEE, {"caller_id": ""}, "not_set_up")],
)  # fmt: skip
async def test_a_refusal_is_a_sentence_and_nothing_is_asked_of_twilio(
    place: MakePlace, number: str, change: dict[str, Any], reason: str
) -> None:
    setup = setup_of()
    async with open_town(place(**{**setup, "outbound": {**SETTINGS, **change}})) as (stage, town):
        with pytest.raises(OutboundError) as caught:
            await call(bridge_of(stage), AGENT, number)
        assert (caught.value.reason, len(str(caught.value)) > 20) == (reason, True)
        assert (town.asked, stage.daemon.dialer.refused[reason]) == ([], 1)


async def test_no_more_calls_are_made_than_may_be_made_in_an_hour_or_at_once_or_to_one_number(
    place: MakePlace,
) -> None:
    settings = {**SETTINGS, "calls_per_hour": 3, "calls_at_once": 2}
    async with open_town(place(**{**setup_of(), "outbound": settings}), rings_ms=30_000) as (stage, _):
        await made_by(stage, wait=False)
        assert await refused(stage, CALLEE) == "same_number"
        town_numbers = [CALLEE[:-1] + "0", CALLEE[:-1] + "1", CALLEE[:-1] + "2"]
        await call(bridge_of(stage), AGENT, town_numbers[0], wait=False)
        assert await refused(stage, town_numbers[1]) == "calls_at_once"
        for live in stage.daemon.switchboard.calls:
            live.stop("operator", "not wanted any more")
        await quiet(stage)
        await call(bridge_of(stage), AGENT, town_numbers[1], wait=False)
        assert await refused(stage, town_numbers[2]) == "calls_per_hour"


async def refused(stage: Stage, number: str) -> str:
    with pytest.raises(OutboundError) as caught:
        await call(bridge_of(stage), AGENT, number)
    return caught.value.reason


@pytest.mark.parametrize(
    "what", ["nonce", "no nonce", "two nonces", "other call", "other agent", "signature"]
)
async def test_a_request_that_proves_nothing_opens_nothing_and_steers_nothing(
    place: MakePlace, what: str
) -> None:
    where = place(**{**setup_of(), "agents": ("night",)})
    async with open_town(where, is_silent=True) as (stage, town):
        made = await made_by(stage, wait=False)
        await until(lambda: state_of(stage, made).call_sid != "")
        ((sid, form),) = town.forms.items()
        url, _, nonce = dict(form)["Url"].partition("?n=")
        changed = {
            "nonce": f"{url}?n=x{nonce}", "no nonce": url, "two nonces": f"{url}?n={nonce}&n={nonce}",
            "other agent": url.replace(AGENT, "night") + f"?n={nonce}",
        }.get(what, f"{url}?n={nonce}")  # fmt: skip
        claims = {"CallSid": "CA" + "f" * 32 if what == "other call" else sid, "CallStatus": "completed"}
        signature = "wrong" if what == "signature" else None
        for path in ("", "/status"):
            asked = changed.replace(made.call_id, made.call_id + path, 1)
            answer = await post(stage, asked, claims, signature=signature)
            assert "<Stream" not in answer.text
            assert answer.status_code == (403 if what == "signature" else 204 if path else 200)
        assert state_of(stage, made).state == "ringing"


async def test_the_secret_of_a_call_is_on_no_tape(place: MakePlace) -> None:
    where = place(**setup_of())
    async with open_town(where, caller=HELLO, verdict="human") as (stage, town):
        await made_by(stage)
        await quiet(stage)
    ((_, form),) = town.forms.items()
    nonce = dict(form)["Url"].partition("?n=")[2]
    lines = read_tape(where.tapes[0]).lines
    assert len(nonce) > 20
    assert [raw for raw in lines if nonce.encode() in raw] == []
    assert [decode(raw).sender for raw in lines if decode(raw).leg == HTTP][:1] == ["bridge"]
