"""Who may come in: signatures, tokens, names and sizes, each tried over a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode, urlsplit

import attrs
import httpx2
import pytest
import trio

from bench.stage import AGENT, PUBLIC, WEBHOOK, MakePlace, Stage, open_stage
from replay.phone.ring import Caller
from replay.phone.script import HangUp, Signature, Wait, WaitForAgent
from replay.phone.signing import sign
from replay.phone.socket import Target, open_media_socket
from replay.phone.twiml import Hangup, TwilioError
from replay.phone.web import Courier, Route, open_courier

SID = "CA" + "1" * 32
QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
ACTION = f"{WEBHOOK}/next"
MEDIA = f"{PUBLIC.replace('https', 'wss')}/voice/ws"


@asynccontextmanager
async def courier(stage: Stage, call_sid: str = SID) -> AsyncIterator[Courier]:
    """Carry single requests, signed as Twilio does."""
    async with open_courier(
        stage.account, call_sid, Route(urlsplit(PUBLIC), urlsplit(stage.via))
    ) as carrying:
        yield carrying


async def post(stage: Stage, target: str, body: bytes = b"", *, is_signed: bool = True) -> int:
    """Post a body as it is and return the status."""
    key = stage.account.auth_token if is_signed else "some-other-token"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": sign(PUBLIC + target, (), key),
    }
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(stage.via + target, content=body, headers=headers)
    return answer.status_code


async def upgrade(stage: Stage, url: str) -> int:
    """Try to open a media socket and return the status."""
    target = Target("127.0.0.1", stage.daemon.port, False, url, urlsplit(PUBLIC).netloc)
    headers = [("x-twilio-signature", sign(url, (), stage.account.auth_token))]
    try:
        async with open_media_socket(target, headers) as socket:
            return socket.status
    except TwilioError as error:
        return error.http_status or 0


# ---------------------------------------------------------------- signatures


@pytest.mark.parametrize("signature", ["wrong", "none"])
async def test_a_webhook_that_twilio_did_not_sign_is_refused(stage: Stage, signature: Signature) -> None:
    with trio.fail_after(5):
        report = await stage.ring(attrs.evolve(QUICK, webhook_signature=signature))
    assert report.webhook_status == 403
    assert stage.model.connections == 0


@pytest.mark.parametrize("signature", ["wrong", "none", "https"])
async def test_an_upgrade_that_twilio_did_not_sign_is_refused(stage: Stage, signature: Signature) -> None:
    with trio.fail_after(5):
        report = await stage.ring(attrs.evolve(QUICK, signature=signature))
    assert report.upgrade_status == 403


@pytest.mark.parametrize("signature", ["wrong", "none"])
async def test_an_action_request_that_twilio_did_not_sign_is_refused(
    stage: Stage, signature: Signature
) -> None:
    with trio.fail_after(5):
        async with courier(stage) as carrying:
            with pytest.raises(TwilioError) as refused:
                await carrying.twiml(ACTION, "in-progress", signature=signature)
    assert refused.value.http_status == 403


async def test_an_upgrade_signed_with_a_trailing_slash_is_twilios_too(stage: Stage) -> None:
    with trio.fail_after(5):
        report = await stage.ring(attrs.evolve(QUICK, trailing_slash=True))
    assert report.upgrade_status == 101
    assert report.first_heard_ms is not None


# ---------------------------------------------------------------- tokens

IMPOSTORS = {
    "token": {"token_override": "not-the-token"},
    "no token": {"token_override": ""},
    "CallSid": {"call_sid_override": "CA" + "0" * 32},
    "AccountSid": {"account_sid_override": "AC" + "0" * 32},
}


@pytest.mark.parametrize("wrong", IMPOSTORS.values(), ids=list(IMPOSTORS))
async def test_a_signed_socket_must_prove_which_call_it_belongs_to(
    stage: Stage, wrong: dict[str, str]
) -> None:
    with trio.fail_after(5):
        report = await stage.ring(attrs.evolve(QUICK, **wrong))  # type: ignore[arg-type]
    assert (report.upgrade_status, report.close_code, report.closed_by) == (101, 1008, "bridge")
    assert report.first_audio_ms is None


async def test_a_second_socket_is_refused_while_the_first_stays(stage: Stage) -> None:
    caller = Caller(steps=(Wait(600), HangUp()), answer_delay_ms=0, second_socket=True)
    with trio.fail_after(5):
        report = await stage.ring(caller)
    assert report.second_socket is not None
    assert (report.second_socket.upgrade_status, report.second_socket.close_code) == (101, 1008)
    assert report.closed_by == "caller"


# ---------------------------------------------------------------- one call is one call


async def test_a_webhook_delivered_twice_makes_one_call_with_one_token(stage: Stage) -> None:
    with trio.fail_after(5):
        async with courier(stage) as carrying:
            first = await carrying.twiml(WEBHOOK, "ringing")
            again = await carrying.twiml(WEBHOOK, "ringing")
    assert first == again
    assert (stage.daemon.switchboard.live, stage.model.connections) == (1, 1)


async def test_two_deliveries_at_once_make_one_call(stage: Stage) -> None:
    answers: list[bytes] = []

    async def deliver(carrying: Courier) -> None:
        answers.append((await carrying.twiml(WEBHOOK, "ringing"))[1])

    with trio.fail_after(5):
        async with courier(stage) as carrying, trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(deliver, carrying)
    assert len(set(answers)) == 1
    assert stage.daemon.switchboard.live == 1


async def test_a_webhook_for_a_finished_call_hangs_up(stage: Stage) -> None:
    with trio.fail_after(8):
        first = await stage.ring(QUICK)
        await stage.wait_no_calls()
        again = await stage.ring(QUICK, call_sid=first.call_sid)
    assert first.closed_by == "caller"
    assert (again.next_verbs, again.stream_sids) == ([Hangup()], [])


async def test_a_finished_call_is_known_after_a_restart(place: MakePlace) -> None:
    with trio.fail_after(10):
        async with open_stage(place()) as stage:
            first = await stage.ring(QUICK)
        async with open_stage(place()) as stage:
            again = await stage.ring(QUICK, call_sid=first.call_sid)
    assert (again.next_verbs, again.stream_sids) == ([Hangup()], [])


# ---------------------------------------------------------------- names and sizes


async def test_an_agent_nobody_configured_is_not_found(stage: Stage) -> None:
    with trio.fail_after(5):
        report = await stage.ring(QUICK, webhook=f"{PUBLIC}/voice/nobody")
        assert report.webhook_status == 404
        assert await upgrade(stage, f"{MEDIA}/nobody") == 404
        assert await upgrade(stage, f"{MEDIA}/{AGENT}") == 101


NO_CALL_SIDS = [
    "", "C", SID[:-1], SID + "1", SID[:-1] + "\n", SID[:-1] + "\u0661", "CA/../../etc", "CA1\x00", "CA é", "C" * 65,
    "CA 1\r\nX: y",
]  # fmt: skip


@pytest.mark.parametrize("call_sid", NO_CALL_SIDS)
async def test_a_call_sid_that_is_none_is_a_bad_request(stage: Stage, call_sid: str) -> None:
    with trio.fail_after(5):
        async with courier(stage, call_sid) as carrying:
            with pytest.raises(TwilioError) as refused:
                await carrying.twiml(WEBHOOK, "ringing")
    assert refused.value.http_status == 400
    assert stage.daemon.switchboard.live == 0


async def test_a_body_larger_than_any_webhook_is_refused(stage: Stage) -> None:
    body = urlencode({"CallSid": "CA1", "Padding": "x" * 70_000}).encode()
    with trio.fail_after(5):
        assert await post(stage, f"/voice/{AGENT}", body) == 413
    assert stage.daemon.switchboard.live == 0


async def test_more_form_fields_than_twilio_has_are_no_crash(stage: Stage) -> None:
    with trio.fail_after(5):
        assert await post(stage, f"/voice/{AGENT}", b"a=1&" * 5000) in (400, 403)


@pytest.mark.parametrize(
    "target", ["/", "/voice", "/voice/", f"/voice/{AGENT}/other", "/metrics", "/voice/ws", "/%2e%2e/x"]
)
async def test_every_other_path_is_not_found(stage: Stage, target: str) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        with trio.fail_after(5):
            assert (await client.get(stage.via + target)).status_code in (404, 405)


async def test_a_request_with_a_wrong_method_makes_no_call(stage: Stage) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        with trio.fail_after(5):
            assert (await client.get(f"{stage.via}/voice/{AGENT}")).status_code == 405
    assert stage.daemon.switchboard.live == 0


async def test_health_tells_nothing_but_that_the_daemon_is_up(stage: Stage) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        with trio.fail_after(5):
            assert (await client.get(f"{stage.via}/healthz")).json() == {"status": "ok"}


async def test_a_call_beyond_the_most_there_may_be_is_busy(place: MakePlace) -> None:
    with trio.fail_after(8):
        async with open_stage(place(server={"max_calls": 1})) as stage, courier(stage) as carrying:
            await carrying.twiml(WEBHOOK, "ringing")
            report = await stage.ring(QUICK)
    assert "<Reject" in report.twiml
