"""Calls asked for by REST: the queue, what rings and answers, detection, callbacks, and what Twilio refuses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import attrs
import httpx2
import pytest
import trio
from phone_peer import HANGUP, PUBLIC, Bridge, Media, Talk, a_bridge, to_the_end
from twiml_calls import ANNA, HELLO, far_end, response, town

from replay.phone.exchange.town import FarEnd
from replay.phone.report import CallReport
from replay.phone.rest import Rest, open_rest
from replay.phone.ring import Account
from replay.phone.script import HangUp, Say, Wait, WaitForAgent, WaitForQuiet
from replay.phone.step_words import BEEP
from replay.sound.formats import murmur

OURS = Account().number
STREAM = '<Connect><Stream url="wss://bridge.example.com/media"/></Connect>'
EVENTS = ["initiated", "ringing", "answered", "completed"]
GREETING = Say(murmur(2000), "You have reached Anna. Leave a message after the tone.")


@attrs.frozen
class Desk:
    """A bridge that asks for calls, and the REST endpoint that makes them."""

    bridge: Bridge
    rest: Rest

    async def send(self, path: str, method: str = "POST", **form: Any) -> httpx2.Response:
        account = self.rest.account
        url = f"{self.rest.url}/2010-04-01/Accounts/{account.account_sid}/{path}"
        auth = (account.account_sid, account.auth_token)
        async with httpx2.AsyncClient(trust_env=False, auth=auth) as client:
            if method == "GET":
                return await client.get(url, params=form)
            return await client.post(url, data=form)

    async def create(self, **more: Any) -> httpx2.Response:
        words = {"To": ANNA, "From": OURS, "Url": f"{PUBLIC}/out", "StatusCallback": f"{PUBLIC}/told"}
        return await self.send("Calls.json", **{**words, "StatusCallbackEvent": EVENTS, **more})

    async def call(self, **more: Any) -> CallReport:
        answer = await self.create(**more)
        assert answer.status_code == 201, answer.text
        await self.rest.wait_over()
        return self.rest.reports[-1]

    @property
    def told(self) -> list[str]:
        return [form["CallStatus"] for form in self.bridge.asked("/told")]


@asynccontextmanager
async def a_desk(
    anna: FarEnd | None = None,
    *,
    talk: Talk = to_the_end,
    behaviour: dict[str, Any] | None = None,
    **answers: str,
) -> AsyncIterator[Desk]:
    people = {} if anna is None else {"anna": anna}
    verbs = {"/out": response(STREAM), "/told": HANGUP, "/amd": HANGUP, **answers}
    async with (
        a_bridge(talk, answers=verbs, within_s=600) as (bridge, _),
        open_rest(Account(), town=town(behaviour, **people), via=bridge.via) as rest,
    ):
        yield Desk(bridge, rest)


PERSON = far_end(HELLO, Wait(500), HangUp())

# ---------------------------------------------------------------- ringing


async def test_a_call_is_queued_rung_answered_and_over() -> None:
    async with a_desk(PERSON) as desk:
        answer = await desk.create()
        await desk.rest.wait_over()
        report = desk.rest.reports[0]
        found = await desk.send(f"Calls/{report.call_sid}.json", "GET")
    assert (answer.status_code, answer.json()["status"], answer.json()["direction"]) == (
        201,
        "queued",
        "outbound-api",
    )
    assert desk.told == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in desk.bridge.asked("/told")] == ["0", "1", "2", "3"]
    (asked,) = desk.bridge.asked("/out")
    assert (asked["CallStatus"], asked["Direction"], asked["To"], asked["From"]) == (
        "in-progress", "outbound-api", ANNA, OURS,
    )  # fmt: skip
    assert (report.ended_by, report.error) == ("caller", None)
    assert (found.json()["status"], found.json()["to"]) == ("completed", ANNA)


@pytest.mark.parametrize(
    ("there", "status"),
    [
        (far_end(result="busy"), "busy"),
        (far_end(result="no_answer"), "no-answer"),
        (far_end(result="failed"), "failed"),
        (None, "failed"),
    ],
)
async def test_a_call_that_nobody_answers_asks_for_no_document(there: FarEnd | None, status: str) -> None:
    async with a_desk(there) as desk:
        await desk.call(Timeout="10")
    assert desk.told[-1] == status
    assert desk.bridge.asked("/out") == []


async def test_only_the_events_asked_for_by_repeated_keys_are_told() -> None:
    async with a_desk(PERSON) as desk:
        await desk.call(StatusCallbackEvent=["ringing", "completed"])
        assert desk.told == ["ringing", "completed"]
        await desk.call(StatusCallbackEvent="initiated ringing")  # one value with a space is no event at all
        assert desk.told == ["ringing", "completed"]


async def test_events_can_come_in_any_order_or_not_at_all() -> None:
    async with a_desk(PERSON, behaviour={"callbacks": "shuffled", "callback_seed": 3}) as desk:
        await desk.call()
    assert sorted(desk.told) == ["completed", "in-progress", "initiated", "ringing"]
    assert desk.told != ["initiated", "ringing", "in-progress", "completed"]


async def test_the_account_begins_one_call_a_second_and_the_others_wait() -> None:
    async with a_desk(far_end(HangUp(), answers_after_ms=100)) as desk:
        answers = [(await desk.create()).json() for _ in range(4)]
        await desk.rest.wait_over()
    began = [report.events[0].t_ms + round(report._rang_at * 1000) for report in desk.rest.reports]
    assert all(later - earlier >= 950 for earlier, later in pairwise(began))
    assert int(answers[3]["queue_time"]) > 1500


async def test_a_ringing_call_is_cancelled_and_a_live_one_is_not() -> None:
    async with a_desk(far_end(HELLO, Wait(60_000), answers_after_ms=5000)) as desk:
        call_sid = (await desk.create()).json()["sid"]
        await trio.sleep(2)
        answer = await desk.send(f"Calls/{call_sid}.json", Status="canceled")
        await desk.rest.wait_over()
        assert (answer.json()["status"], desk.told[-1]) == ("canceled", "canceled")
        call_sid = (await desk.create()).json()["sid"]
        await trio.sleep(8)
        answer = await desk.send(f"Calls/{call_sid}.json", Status="canceled")
        assert (answer.status_code, answer.json()["code"]) == (400, 21220)
        await desk.send(f"Calls/{call_sid}.json", Status="completed")
        await desk.rest.wait_over()
    assert (desk.told[-1], desk.rest.reports[-1].ended_by) == ("completed", "rest")


async def test_a_call_has_a_time_limit() -> None:
    async with a_desk(far_end(Wait(60_000))) as desk:
        await desk.call(TimeLimit="3")
    assert int(desk.bridge.asked("/told")[-1]["CallDuration"]) == 3


async def test_calls_are_listed_and_an_ended_one_takes_no_orders() -> None:
    async with a_desk(PERSON, behaviour={"forgets_ended_calls": False}) as desk:
        report = await desk.call()
        found = (await desk.send("Calls.json", "GET", To=ANNA)).json()["calls"]
        nobody = (await desk.send("Calls.json", "GET", To="+15550000")).json()["calls"]
        late = await desk.send(f"Calls/{report.call_sid}.json", Status="completed")
    assert [one["sid"] for one in found] == [report.call_sid]
    assert (nobody, late.json()["code"]) == ([], 21220)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"To": "anna"}, 21211),
        ({"To": "+15005550001"}, 21217),
        ({"To": "+15005550003"}, 21215),
        ({"From": "+15550000000"}, 21210),
        ({"From": "anna"}, 21212),
        ({"Url": "/out"}, 21205),
        ({"Url": ""}, 21205),
        ({"Timeout": "soon"}, 21208),
        ({"SendDigits": "1x"}, 21206),
        ({"Url": "", "Twiml": "<Response><Record/></Response>"}, 11100),
    ],
)
async def test_a_call_that_cannot_be_made_is_400_in_twilios_words(form: dict[str, str], code: int) -> None:
    async with a_desk(PERSON) as desk:
        answer = await desk.create(**form)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert set(answer.json()) == {"code", "message", "more_info", "status"}
    assert desk.rest.reports == []


async def test_too_many_requests_are_429_and_were_never_processed() -> None:
    async with a_desk(PERSON, behaviour={"refuse_calls": 2}) as desk:
        codes = [(await desk.create()).status_code for _ in range(3)]
        await desk.rest.wait_over()
    assert codes == [429, 429, 201]
    assert len(desk.rest.reports) == 1


async def test_a_call_may_be_made_though_its_request_was_never_answered() -> None:
    async with a_desk(PERSON, behaviour={"lost_answers": 1}) as desk:
        with pytest.raises(httpx2.RemoteProtocolError):
            await desk.create()
        (found,) = (await desk.send("Calls.json", "GET", To=ANNA)).json()["calls"]
        assert parsedate_to_datetime(found["date_created"])
        await desk.rest.wait_over()
    assert desk.told[-1] == "completed"


async def test_twiml_can_be_sent_along() -> None:
    async with a_desk(far_end(Wait(60_000))) as desk:
        report = await desk.call(Url="", Twiml=response("<Say>Your table is ready.</Say>"))
    assert [one.text for one in report.words] == ["Your table is ready."]
    assert desk.bridge.asked("/out") == []


# ---------------------------------------------------------------- machines


MACHINE = far_end(
    GREETING, BEEP, Wait(20_000), HangUp(), answered_by="machine_end_beep", verdict_after_ms=2600
)
ASYNC = {"AsyncAmd": "true", "AsyncAmdStatusCallback": f"{PUBLIC}/amd"}


async def test_async_detection_tells_its_verdict_beside_the_call() -> None:
    async with a_desk(MACHINE) as desk:
        await desk.call(MachineDetection="DetectMessageEnd", TimeLimit="8", **ASYNC)
    (verdict,) = desk.bridge.asked("/amd")
    assert (verdict["AnsweredBy"], verdict["MachineDetectionDuration"]) == ("machine_end_beep", "2600")
    assert "AnsweredBy" not in desk.bridge.asked("/out")[0]


async def test_sync_detection_holds_the_call_in_silence_until_its_verdict() -> None:
    async with a_desk(MACHINE) as desk:
        report = await desk.call(MachineDetection="Enable", TimeLimit="8")
    assert desk.bridge.asked("/out")[0]["AnsweredBy"] == "machine_start"
    assert report.started_ms is not None
    assert report.line_began_ms is not None
    assert report.started_ms - report.line_began_ms >= 2600


async def test_a_verdict_can_never_come() -> None:
    silent = attrs.evolve(MACHINE, tells_verdict=False)
    async with a_desk(silent) as desk:
        await desk.call(MachineDetection="Enable", TimeLimit="8", **ASYNC)
        assert desk.bridge.asked("/amd") == []
        await desk.call(MachineDetection="Enable", TimeLimit="40")
    assert desk.bridge.asked("/out")[-1]["AnsweredBy"] == "unknown"


async def test_keys_to_be_sent_switch_detection_off() -> None:
    async with a_desk(far_end(Wait(60_000))) as desk:
        report = await desk.call(MachineDetection="Enable", SendDigits="ww19", TimeLimit="5", **ASYNC)
    assert (desk.bridge.asked("/amd"), "".join(digit for _, digit in report.keys_heard)) == ([], "19")


async def test_a_message_after_the_beep_is_heard_by_the_machine() -> None:
    async def talk(media: Media) -> None:
        await media.until("start")
        await trio.sleep(3)
        await media.play(50)
        await media.send("mark", name="said")
        await media.until("mark")
        await media.socket.aclose()

    async with a_desk(MACHINE, talk=talk) as desk:
        report = await desk.call()
    assert report.heard.count(b"\x10") == 8000
    assert BEEP.audio in report.said
    assert report.said.index(BEEP.audio) < report.heard.index(b"\x10")


@pytest.mark.parametrize("connects", [True, False])
async def test_a_screening_phone_asks_who_calls_and_then_connects_or_drops(connects: bool) -> None:
    asks = Say(murmur(1500), "Record your name and reason for calling.")
    then = (Say(murmur(600), "Hello?"), Wait(500), HangUp()) if connects else (HangUp(),)
    screener = far_end(asks, WaitForAgent(), WaitForQuiet(400), Wait(2000), *then, answered_by="unknown")

    async def talk(media: Media) -> None:
        await media.until("start")
        await trio.sleep(2)
        await media.play(50)
        await to_the_end(media)

    async with a_desk(screener, talk=talk) as desk:
        report = await desk.call()
    assert (murmur(600) in report.said) is connects
    assert (report.ended_by, report.missed) == ("caller", [])
