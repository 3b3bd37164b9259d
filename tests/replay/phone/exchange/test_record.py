"""<Record>: what ends a message, what the bridge is told, and when the file is there."""

import wave
from io import BytesIO
from typing import Any

import httpx2
import pytest
import trio
from twiml_calls import HELLO, a_call, response, town

from replay.phone.report import CallReport
from replay.phone.rest import open_rest
from replay.phone.ring import Account
from replay.phone.script import HangUp, Press, Say, Step, Wait
from replay.sound.formats import murmur

MESSAGE = Say(murmur(1000), "Please call me back.")
RECORD = '<Record action="/left" timeout="2" maxLength="5" {} recordingStatusCallback="/file" ' \
         'recordingStatusCallbackEvent="completed absent"/>'  # fmt: skip


async def left(
    *steps: Step, record: str = "", behaviour: dict[str, Any] | None = None, **options: Any
) -> tuple[CallReport, dict[str, str], list[dict[str, str]]]:
    """The report, the form of the action, and those of the callback."""
    verbs = {
        "/voice": response("<Say>Speak now</Say>", RECORD.format(record)),
        "/left": response("<Say>Thank you</Say>", "<Hangup/>"),
        "/file": response(),
    }
    report, bridge = await a_call(*steps, answers=verbs, town=town(behaviour), **options)
    (form,) = bridge.asked("/left")
    return report, form, bridge.asked("/file")


@pytest.mark.parametrize(
    ("steps", "record", "digits", "ended_by", "ms"),
    [
        ((Wait(800), MESSAGE, Wait(9000)), "", "", "silence", 1000),
        ((Wait(800), MESSAGE, Press("#"), Wait(9000)), "", "#", "key", 1000),
        ((Wait(800), MESSAGE, Press("5"), Wait(200), Press("#")), 'finishOnKey="#"', "#", "key", 1000),
        ((Wait(800), Say(murmur(9000)), Wait(9000)), "", "", "length", 5000),
        ((Wait(800), MESSAGE, HangUp()), "", "hangup", "hang_up", 1000),
    ],
)
async def test_a_message_ends_by_silence_a_key_its_length_or_a_hang_up(
    steps: tuple[Step, ...], record: str, digits: str, ended_by: str, ms: int
) -> None:
    report, form, callbacks = await left(*steps, record=record)
    (recording,) = report.recordings
    assert (form["Digits"], recording.ended_by) == (digits, ended_by)
    assert recording.ms == pytest.approx(ms, abs=300)
    assert form["RecordingUrl"] == recording.url
    assert int(form["RecordingDuration"]) == round(recording.ms / 1000)
    assert [(one["RecordingSid"], one["RecordingStatus"]) for one in callbacks] == [
        (recording.sid, "completed")
    ]


async def test_of_silence_there_is_an_action_and_no_file() -> None:
    report, form, callbacks = await left(Wait(20_000))
    assert (form["RecordingDuration"], report.recordings[0].status) == ("0", "absent")
    assert [one["RecordingStatus"] for one in callbacks] == ["absent"]


async def test_a_recording_can_be_absent_though_somebody_spoke_and_its_callback_can_fail_to_come() -> None:
    report, _, callbacks = await left(Wait(800), MESSAGE, Wait(9000), behaviour={"recording": "absent"})
    assert (report.recordings[0].status, [one["RecordingStatus"] for one in callbacks]) == (
        "absent",
        ["absent"],
    )
    _, _, callbacks = await left(Wait(800), MESSAGE, Wait(9000), behaviour={"recording": "never"})
    assert callbacks == []


async def test_the_file_is_404_first_and_then_a_wav() -> None:
    late = town({"recording": "late", "recording_late_ms": 4000})
    async with open_rest(Account(), town=late) as rest:
        report, _, _ = await left(
            Wait(800),
            MESSAGE,
            HangUp(),
            behaviour={"recording": "late", "recording_late_ms": 4000},
            rest=rest,
        )
        # the report is complete once the callback was delivered, when the file is there
        url = report.recordings[0].url
        assert url.startswith(rest.url)
        found = await fetch(url)
        assert found.status_code == 200
        with wave.open(BytesIO(found.content)) as file:
            assert file.getnframes() == len(report.recordings[0].audio)
        assert (await fetch(url + "0")).status_code == 404


async def test_a_file_that_is_late_is_not_there_when_the_action_comes() -> None:
    behaviour = {"recording": "late", "recording_late_ms": 4000}
    found: list[int] = []
    async with open_rest(Account(), town=town(behaviour)) as rest:

        def on_event(kind: str, detail: dict[str, Any], t_ms: int) -> None:
            if kind == "recorded":
                nursery.start_soon(look)

        async def look() -> None:
            found.append((await fetch(rest.reports_kept[-1].recordings[-1].url)).status_code)

        async with trio.open_nursery() as nursery:
            await left(Wait(800), HELLO, HangUp(), behaviour=behaviour, rest=rest, on_event=on_event)
    assert found == [404]


async def fetch(url: str) -> httpx2.Response:
    account = Account()
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.get(url, auth=(account.account_sid, account.auth_token))
