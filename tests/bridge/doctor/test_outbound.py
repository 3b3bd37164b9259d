"""What `bridge doctor` says of calls that are to be made: the number that calls, and who must not be called."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.config import Secrets, Settings, Twilio
from bridge.doctor.findings import Finding
from bridge.doctor.outbound import check_caller_id, check_list
from bridge.doctor.world import Patient, World
from bridge.settings.outgoing import Outbound

SID = "AC" + "0" * 32
OURS = "+15550100100"


def patient(folder: Path, answers: dict[str, Any] | None = None, **outbound: Any) -> Patient:
    """Return an installation that calls from our number, and a Twilio that has these lists."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        what = request.url.path.rpartition("/")[2]
        assert request.url.params["PhoneNumber"] == OURS
        return (
            httpx2.Response(200, json=(answers or {})[what])
            if what in (answers or {})
            else httpx2.Response(500)
        )

    settings = Settings(
        outbound=Outbound(**{"caller_id": OURS, **outbound}), twilio=Twilio(account_sid=SID), folder=folder
    )
    world = World(transport=lambda context: httpx2.MockTransport(answer))
    return Patient(settings, Secrets(("a-token-of-this-test",)), SID, world=world)


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in findings]


async def test_an_installation_that_makes_no_calls_is_not_asked_about_them(tmp_path: Path) -> None:
    silent = patient(tmp_path, caller_id="")
    assert [await check_list(silent), await check_caller_id(silent)] == [[], []]


@pytest.mark.parametrize(
    ("content", "level"), [("+493012345678 # Anna\n", "ok"), ("030 1234\n", "error"), (None, "error")]
)
async def test_the_list_is_read_as_a_call_reads_it(tmp_path: Path, content: str | None, level: str) -> None:
    if content is not None:
        (tmp_path / "dnc").write_text(content, encoding="utf-8")
    (finding,) = await check_list(patient(tmp_path, do_not_call="dnc"))
    assert finding.level == level


async def test_without_a_list_there_is_a_warning(tmp_path: Path) -> None:
    (finding,) = await check_list(patient(tmp_path))
    assert (finding.level, "[outbound] do_not_call" in finding.next) == ("warning", True)


OWN = {"IncomingPhoneNumbers.json": {"incoming_phone_numbers": [{"capabilities": {"voice": True}}]}}
MUTE = {"IncomingPhoneNumbers.json": {"incoming_phone_numbers": [{"capabilities": {"voice": False}}]}}
NONE = {"IncomingPhoneNumbers.json": {"incoming_phone_numbers": []}}
VERIFIED = NONE | {"OutgoingCallerIds.json": {"outgoing_caller_ids": [{}]}}
STRANGE = NONE | {"OutgoingCallerIds.json": {"outgoing_caller_ids": []}}


@pytest.mark.parametrize(
    ("answers", "level", "said"),
    [(OWN, "ok", "a number of the account"), (VERIFIED, "ok", "which is verified"), (MUTE, "error", "can't make calls"),
     (STRANGE, "error", "no number of the account, and not verified"), ({}, "warning", "did not say")],
)  # fmt: skip
async def test_the_number_that_calls_is_looked_up(
    tmp_path: Path, answers: dict[str, Any], level: str, said: str
) -> None:
    (finding,) = await check_caller_id(patient(tmp_path, answers))
    assert (finding.level, said in finding.text, OURS in finding.text) == (level, True, False)
