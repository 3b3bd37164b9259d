"""A call that REST interferes with while it is off its stream: redirected, ended, its legs too."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import trio
from phone_peer import PUBLIC, Bridge, a_bridge, goodbye, to_the_end
from twiml_calls import ANNA, HELLO, far_end, response, town

from replay.phone.exchange.town import Town
from replay.phone.report import CallReport
from replay.phone.rest import Rest, open_rest
from replay.phone.ring import Account
from replay.phone.script import Step, Wait

CALL = "CA" + "1" * 32
DIAL = f'<Dial action="/dialled">{ANNA}</Dial>'
ANSWERS = {
    "/voice": response(DIAL),
    "/dialled": response("<Say>Back from the dial</Say>"),
    "/elsewhere": response("<Say>Somewhere else</Say>"),
}


async def post(rest: Rest, call_sid: str, **form: str) -> int:
    account = rest.account
    url = f"{rest.url}/2010-04-01/Accounts/{account.account_sid}/Calls/{call_sid}.json"
    async with httpx2.AsyncClient(trust_env=False, auth=(account.account_sid, account.auth_token)) as client:
        return (await client.post(url, data=form)).status_code


async def interfered(
    interfere: Callable[[Rest, CallReport], Awaitable[Any]],
    *steps: Step,
    on: str = "bridged",
    there: Town | None = None,
    answers: dict[str, str] | None = None,
    talk: Any = goodbye,
) -> tuple[CallReport, Bridge]:
    """A call, and what REST does to it once that happened."""
    there = there or town(anna=far_end(HELLO, Wait(60_000)))
    happened = trio.Event()
    found: list[CallReport] = []

    def on_event(kind: str, _detail: dict[str, Any], _t_ms: int) -> None:
        if kind == on:
            happened.set()

    async with (
        a_bridge(talk, answers={**ANSWERS, **(answers or {})}, patience_ms=60_000, within_s=600) as (
            bridge,
            call,
        ),
        open_rest(Account(), town=there, via=bridge.via) as rest,
        trio.open_nursery() as nursery,
    ):

        async def ring_it() -> None:
            found.append(await call(*steps, town=there, rest=rest, call_sid=CALL, on_event=on_event))

        nursery.start_soon(ring_it)
        await happened.wait()
        await trio.sleep(1)
        await interfere(rest, rest.reports_kept[-1])
    return found[0], bridge


async def test_a_parent_that_is_redirected_drops_its_child() -> None:
    report, bridge = await interfered(lambda rest, _: post(rest, CALL, Url=f"{PUBLIC}/elsewhere"))
    assert [one.text for one in report.words if one.by == "twilio"] == ["Somewhere else"]
    assert bridge.asked("/dialled") == []
    assert report.far_ends[0].ended_by == "twilio"


async def test_a_child_that_is_redirected_ends_the_parents_dial_without_a_duration() -> None:
    async def redirect_child(rest: Rest, report: CallReport) -> None:
        assert await post(rest, report.far_ends[0].call_sid, Url=f"{PUBLIC}/elsewhere") == 200

    report, bridge = await interfered(redirect_child, answers={"/dialled": response('<Pause length="9"/>')})
    (form,) = bridge.asked("/dialled")
    assert (form["DialCallStatus"], "DialCallDuration" in form) == ("completed", False)
    assert [(one.to, one.text) for one in report.words if one.by == "twilio"] == [(ANNA, "Somewhere else")]


async def test_a_child_that_is_hung_up_ends_the_dial() -> None:
    async def end_child(rest: Rest, report: CallReport) -> None:
        child = report.far_ends[0].call_sid
        assert await post(rest, child, Status="completed") == 200
        await trio.sleep(1)
        assert await post(rest, child, Status="completed") == 404

    report, bridge = await interfered(end_child)
    assert report.far_ends[0].ended_by == "rest"
    assert bridge.asked("/dialled")[0]["DialCallStatus"] == "completed"


async def test_a_call_is_ended_by_rest_in_whatever_it_does() -> None:
    for on, answers in (
        ("bridged", {}),
        ("dialled", {}),
        ("twilio_says", {"/voice": response(f"<Say>{'long ' * 500}</Say>")}),
        ("recording", {"/voice": response('<Record action="/dialled" timeout="60"/>')}),
        ("queued", {"/voice": response('<Enqueue action="/dialled">support</Enqueue>')}),
    ):
        report, bridge = await interfered(
            lambda rest, _: post(rest, CALL, Status="completed"), on=on, answers=answers,
            there=town(anna=far_end(HELLO, Wait(60_000), answers_after_ms=1500)),
        )  # fmt: skip
        assert report.ended_by == "rest", on
        assert bridge.asked("/dialled") == [], on


async def test_connects_action_may_come_though_rest_gave_new_twiml() -> None:
    stream = '<Stream url="wss://bridge.example.com/media"/>'
    for asks in (False, True):
        report, bridge = await interfered(
            lambda rest, _: post(rest, CALL, Url=f"{PUBLIC}/elsewhere"),
            on="start",
            answers={"/voice": response(f'<Connect action="/dialled">{stream}</Connect>')},
            there=town({"action_after_redirect": asks}),
            talk=to_the_end,
        )
        assert [one.text for one in report.words] == ["Somewhere else"]
        assert len(bridge.asked("/dialled")) == asks
