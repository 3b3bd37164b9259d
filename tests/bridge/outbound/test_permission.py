"""Who may be called: every refusal is a sentence, and whatever can't be looked at refuses."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from heart import agent_with

from bridge.config import Settings, Twilio
from bridge.errors import OutboundError
from bridge.outbound.callee import check_hours, number_of, zones_of
from bridge.outbound.do_not_call import check_list, read_list
from bridge.outbound.permission import Wish, agent_of, check_number, check_setup
from bridge.settings.outgoing import Outbound, Outgoing

BERLIN = "+493012345678"
NEW_YORK = "+12125550123"
AUSTRALIA = "+61412345678"
NOON = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def settings_with(folder: Path = Path(), **outbound: Any) -> Settings:
    """Return settings with which Berlin may be called at noon."""
    given = {"caller_id": "+15550100100", "allow": ("+49", "+1"), **outbound}
    return Settings(
        outbound=Outbound(**given), folder=folder, twilio=Twilio(account_sid="AC" + "0" * 32),
        agents={"front-desk": evolve(agent_with(), outbound=Outgoing()), "quiet": agent_with()},
    )  # fmt: skip


def refusal(work: Any, *arguments: Any) -> tuple[str, str]:
    with pytest.raises(OutboundError) as caught:
        work(*arguments)
    return caught.value.reason, str(caught.value)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("text", ["+49 (30) 1234-5678", " +49.30.12345678 ", "+49/30/12345678"])
def test_a_number_is_dialled_without_the_marks_that_people_write(text: str) -> None:
    assert number_of(text) == BERLIN


@pytest.mark.parametrize(
    "text", ["", "030 12345678", "911", "+1", "+49", "anna", "+4930123456789012345", "+0301234567", "sip:a@b",
             "client:anna", "+1555;postd=99", "+4930123456\uff18", "+999123456789", "+12", "+1212555012\n3x"]
)  # fmt: skip
def test_what_is_no_number_with_its_country_is_never_dialled(text: str) -> None:
    assert refusal(number_of, text)[0] == "number"


def test_only_numbers_that_begin_as_is_allowed_are_called() -> None:
    settings = settings_with(allow=("+49",))
    assert check_number(settings, Wish("front-desk", BERLIN), NOON) == BERLIN
    assert refusal(check_number, settings, Wish("front-desk", NEW_YORK), NOON)[0] == "allow"


def test_where_nothing_is_allowed_nobody_is_called() -> None:
    reason, why = refusal(check_number, settings_with(allow=()), Wish("front-desk", BERLIN), NOON)
    assert (reason, "[outbound] allow = nothing" in why) == ("allow", True)


# ---------------------------------------------------------------- hours


@pytest.mark.parametrize(
    ("number", "hour", "may"),
    [(BERLIN, 6, False), (BERLIN, 7, True), (BERLIN, 19, True), (BERLIN, 20, False), (NEW_YORK, 12, False),
     (NEW_YORK, 13, True), (NEW_YORK, 1, True), (NEW_YORK, 2, False), (AUSTRALIA, 2, True),
     (AUSTRALIA, 22, False), (AUSTRALIA, 12, False)],
)  # fmt: skip
def test_the_hour_is_the_callees_and_of_several_zones_all_have_to_agree(
    number: str, hour: int, may: bool
) -> None:
    now = NOON.replace(hour=hour)
    if may:
        check_hours(number, "08:00-21:00", now)
    else:
        assert refusal(check_hours, number, "08:00-21:00", now)[0] == "hours"


def test_a_number_that_tells_no_place_is_not_called_until_somebody_says_where_it_is() -> None:
    nowhere = "+15550100199"
    assert zones_of(nowhere) == []
    assert "name the time zone" in refusal(check_hours, nowhere, "08:00-21:00", NOON)[1]
    check_hours(nowhere, "08:00-21:00", NOON, "America/Sao_Paulo")
    check_hours(nowhere, "", NOON)


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../../etc/passwd", "Europe/\x00", "/etc/localtime"])
def test_a_zone_that_there_is_not_lets_nobody_be_called(zone: str) -> None:
    reason, why = refusal(check_hours, BERLIN, "08:00-21:00", NOON, zone)
    assert (reason, "not known here" in why) == ("hours", True)


# ---------------------------------------------------------------- the list


def test_who_is_on_the_list_is_never_called(tmp_path: Path) -> None:
    (tmp_path / "dnc.txt").write_text("# asked us not to\n\n+49 30 1234-5678  # Anna\n", encoding="utf-8")
    settings = settings_with(tmp_path, do_not_call="dnc.txt")
    assert refusal(check_number, settings, Wish("front-desk", "+49 (30) 12345678"), NOON)[0] == "do_not_call"
    assert check_number(settings, Wish("front-desk", "+493012345679"), NOON) == "+493012345679"


def test_the_list_is_read_anew_before_each_call(tmp_path: Path) -> None:
    path = tmp_path / "dnc.txt"
    path.write_text("", encoding="utf-8")
    check_list(path, BERLIN)
    path.write_text(BERLIN, encoding="utf-8")
    assert refusal(check_list, path, BERLIN)[0] == "do_not_call"


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "can't be read"), (b"\xff\xfe", "UTF-8"), (b"+4930123\n030 1234\n", "line 2"), (b"anna\n", "line 1"),
     (b"+49301234567,+49301234568\n", "line 1")],
)  # fmt: skip
def test_a_list_that_is_missing_or_broken_lets_nobody_be_called(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    path = tmp_path / "dnc.txt"
    if content is not None:
        path.write_bytes(content)
    settings = settings_with(tmp_path, do_not_call="dnc.txt")
    reason, why = refusal(check_number, settings, Wish("front-desk", BERLIN), NOON)
    assert (reason, found in why, "no call is made" in why) == ("do_not_call", True, True)


def test_a_folder_in_place_of_the_list_lets_nobody_be_called(tmp_path: Path) -> None:
    assert refusal(read_list, tmp_path)[0] == "do_not_call"


# ---------------------------------------------------------------- agents, and what is set up


def test_an_agent_makes_calls_only_with_a_table_that_says_so() -> None:
    settings = settings_with()
    assert agent_of(settings, "front-desk").outbound is not None
    assert "give it a table [agents.quiet.outbound]" in refusal(agent_of, settings, "quiet")[1]
    assert "did you mean front-desk?" in refusal(agent_of, settings, "frontdesk")[1]


@pytest.mark.parametrize(
    ("change", "what"),
    [({"outbound": Outbound()}, "caller_id"), ({"twilio": Twilio()}, "account_sid")],
)  # fmt: skip
def test_without_a_number_or_an_account_no_call_is_made(change: dict[str, Any], what: str) -> None:
    settings = evolve(settings_with(), **change)
    with pytest.raises(OutboundError, match=what):
        check_setup(settings, has_tokens=True)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"agent": "a"}', b'{"agent": "a", "to": 5}', b'{"agent": "a", "to": "b", "from": "c"}',
             b'{"agent": "a", "to": "b", "variables": {"x": 1}}', b"[" * 100_000]
)  # fmt: skip
def test_a_request_that_is_none_says_what_to_send(body: bytes) -> None:
    reason, why = refusal(Wish.read, body)
    assert (reason, '{"agent": "front-desk", "to": "+15550100100"}' in why) == ("request", True)
