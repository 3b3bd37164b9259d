"""The stand-in's REST endpoint, and the order in which a call's end is told."""

from typing import Any

import httpx2
import pytest
import trio
from phone_peer import HANGUP, PUBLIC, Bridge, Media, a_bridge, to_the_end

from replay.phone import twiml
from replay.phone.rest import Rest, open_rest
from replay.phone.ring import Account
from replay.phone.script import HangUp, Wait
from replay.phone.stream import parting

CALL = "CA" + "1" * 32
TOLD = (
    '<Response><Connect><Stream url="wss://bridge.example.com/media"'
    ' statusCallback="https://bridge.example.com/stream"/></Connect></Response>'
)


async def post(rest: Rest, form: dict[str, str], call_sid: str = CALL, token: str | None = None) -> Any:
    account = rest.account
    url = f"{rest.url}/2010-04-01/Accounts/{account.account_sid}/Calls/{call_sid}.json"
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.post(url, data=form, auth=(account.account_sid, token or account.auth_token))


async def told(form: dict[str, str], answers: dict[str, str] | None = None) -> tuple[Any, Bridge, Any, Any]:
    """One call that is told something while it streams: answer, bridge, report, answer to a second request."""
    reports: list[Any] = []
    begun = trio.Event()

    async def talk(media: Media) -> None:
        await media.until("media")
        begun.set()
        await to_the_end(media)

    async with (
        a_bridge(talk, answers=answers or {}, patience_ms=4_000) as (bridge, call),
        open_rest(Account()) as rest,
    ):

        async def ring_it() -> None:
            reports.append(await call(rest=rest, call_sid=CALL, status_url=f"{PUBLIC}/status"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ring_it)
            await begun.wait()
            answer = await post(rest, form)
        return answer, bridge, reports[0], await post(rest, form)


async def test_a_call_is_hung_up_by_rest() -> None:
    answer, bridge, report, _ = await told({"Status": "completed"})
    assert (answer.status_code, answer.json()["sid"], answer.json()["status"]) == (200, CALL, "completed")
    assert bridge.medias[0].got[-1]["event"] == "stop"
    assert bridge.medias[0].close_code == 1000
    assert (report.closed_by, report.next_verbs, report.error) == ("rest", [], None)
    assert [target for target, _, _ in bridge.forms] == ["/voice", "/status"]
    assert report.callbacks == [("completed", 200)]


async def test_new_twiml_abandons_connect_and_its_action() -> None:
    document = "<Response><Dial>+15550100</Dial></Response>"
    answer, bridge, report, _ = await told({"Twiml": document})
    assert (answer.status_code, answer.json()["status"]) == (200, "in-progress")
    assert bridge.medias[0].got[-1]["event"] == "stop"
    assert report.next_verbs == [twiml.Dial(nouns=(twiml.Noun(to="+15550100"),))]
    assert [target for target, _, _ in bridge.forms] == ["/voice", "/status"]


async def test_a_new_url_is_asked_for_twiml_with_a_signature() -> None:
    _, bridge, report, _ = await told({"Url": f"{PUBLIC}/other"}, {"/other": HANGUP})
    assert [target for target, _, _ in bridge.forms] == ["/voice", "/other", "/status"]
    assert "x-twilio-signature" in bridge.forms[1][2]
    assert report.next_verbs == [twiml.Hangup()]


async def test_a_finished_call_is_20404() -> None:
    _, _, _, answer = await told({"Status": "completed"})
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (404, 20404, 404)
    assert set(answer.json()) == {"code", "message", "more_info", "status"}


async def test_a_wrong_token_is_20003() -> None:
    async with open_rest(Account()) as rest:
        answer = await post(rest, {"Status": "completed"}, token="another")
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"Twiml": "<Response><Connect/></Response>"}, 12200),
        ({"Twiml": "<Response><Record/></Response>"}, 11100),
        ({"Twiml": "no document"}, 12100),
        ({"Url": "/relative"}, 21205),
        ({"Url": f"{PUBLIC}/other", "Twiml": HANGUP}, 20001),
        ({}, 20001),
    ],
)
async def test_what_cannot_be_done_is_400_and_the_call_goes_on(form: dict[str, str], code: int) -> None:
    async with open_rest(Account()) as rest:
        with rest.knows(CALL) as orders:
            answer = await post(rest, form)
            assert not orders.is_pending
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_an_ending_is_shuffled_by_its_seed_and_complete() -> None:
    orders = [parting(seed, ends_call=True) for seed in range(60)]
    assert orders == [parting(seed, ends_call=True) for seed in range(60)]
    assert len(set(orders)) == 12
    assert {tuple(sorted(order)) for order in orders} == {("close", "completed", "stop", "stream-stopped")}
    assert all(order.index("stop") < order.index("close") for order in orders)
    assert parting(None, ends_call=True) == ("stop", "close")


async def test_with_a_seed_callbacks_can_come_before_the_stop() -> None:
    seed = next(s for s in range(60) if parting(s, ends_call=True)[:2] == ("completed", "stream-stopped"))
    answers = {"/voice": TOLD, "/stream": HANGUP}
    async with a_bridge(answers=answers, shuffle=seed) as (bridge, call):
        report = await call(Wait(40), HangUp(), status_url=f"{PUBLIC}/status")
    assert [event for event, _ in report.callbacks] == ["stream-started", "completed", "stream-stopped"]
    assert bridge.medias[0].got[-1]["event"] == "stop"
    assert (report.closed_by, report.close_code) == ("caller", 1000)
