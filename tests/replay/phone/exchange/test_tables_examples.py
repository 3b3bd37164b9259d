"""The scenarios of the docs go as they tell, with a bridge of a few canned documents."""

import base64
from pathlib import Path

import pytest
from phone_peer import PUBLIC, Media, Talk, a_bridge, to_the_end
from twiml_calls import response

from replay.phone.line import SILENT_FRAME
from replay.phone.report import CallReport
from replay.phone.ring import ring
from replay.phone.scenario import Scenario, load
from replay.phone.verdict import as_json, judge

SCENARIOS = Path(__file__).parents[4] / "docs" / "scenarios"
SILENCE = base64.b64encode(SILENT_FRAME).decode()


def connect(action: str) -> str:
    return f'<Connect action="{action}"><Stream url="wss://bridge.example.com/media"/></Connect>'


def dial(number: str, action: str) -> str:
    return f'<Dial action="{action}"><Number url="/whisper">{number}</Number></Dial>'


GATHER = '<Gather numDigits="1" finishOnKey="" action="/key"><Say>A caller who wants a table.</Say></Gather>'
TRANSFER = {
    "/voice": response(connect("/n1")),
    "/n1": response("<Say>One moment</Say>", dial("+15550199", "/d1")),
    "/d1": response(connect("/n2")),
    "/n2": response("<Say>I try somebody else</Say>", dial("+15550198", "/d2")),
    "/d2": response("<Hangup/>"),
    "/whisper": response(GATHER, "<Hangup/>"),
    "/key": response(),
}
MENU = {
    "/voice": response(connect("/n1")),
    "/n1": response('<Play digits="1WWWW1928"/>', connect("/n2")),
    "/n2": response("<Hangup/>"),
}
VOICEMAIL = {
    "/voice": response(connect("/n1")),
    "/n1": response("<Say>Please speak after the tone.</Say>", '<Record action="/left" timeout="5"/>'),
    "/left": response("<Hangup/>"),
}


async def says_a_word_and_leaves_after_an_answer(media: Media) -> None:
    """Greet, wait until the caller has said something, and close the stream."""
    await media.until("media")
    await media.play(20)
    while (await media.until("media"))["media"]["payload"] == SILENCE:
        pass
    quiet = 0
    while quiet < 20:
        quiet = quiet + 1 if (await media.until("media"))["media"]["payload"] == SILENCE else 0
    await media.socket.aclose()


def listens_to_a_menu() -> Talk:
    """Leave the first stream when the menu has begun, and speak in the second."""
    is_back = []

    async def talk(media: Media) -> None:
        await media.until("start")
        if is_back:
            await media.play(20)
            return await to_the_end(media)
        is_back.append(True)
        for _ in range(60):
            await media.until("media")
        await media.socket.aclose()

    return talk


async def made(told: Scenario, answers: dict[str, str], talk: Talk) -> CallReport:
    async with a_bridge(talk, answers=answers, within_s=600) as (bridge, _):
        return await ring(
            told.caller, webhook=f"{PUBLIC}/voice", via=bridge.via, total_ms=told.call.max_ms, town=told.town
        )


@pytest.mark.parametrize(
    ("name", "answers", "talk"),
    [
        ("transfer-phone", TRANSFER, says_a_word_and_leaves_after_an_answer),
        ("menu-phone", MENU, listens_to_a_menu()),
        ("voicemail-phone", VOICEMAIL, says_a_word_and_leaves_after_an_answer),
    ],
)
async def test_a_scenario_of_the_docs_goes_as_told(name: str, answers: dict[str, str], talk: Talk) -> None:
    told = load(SCENARIOS / f"{name}.toml")
    report = await made(told, answers, talk)
    assert judge(report, told, has_twiml=True).complaints == ()
    assert as_json(report, judge(report, told, has_twiml=True))["words"]


async def test_the_same_scenario_with_a_bridge_that_does_nothing_of_it_does_not() -> None:
    told = load(SCENARIOS / "transfer-phone.toml")
    report = await made(
        told, TRANSFER | {"/n1": response("<Hangup/>")}, says_a_word_and_leaves_after_an_answer
    )
    complaints = judge(report, told, has_twiml=True).complaints
    assert "dialled is nothing, not +15550199, +15550198" in complaints
