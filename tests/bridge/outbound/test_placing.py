"""Twilio makes one call for one that is asked for, whatever goes wrong on the way to it."""

from datetime import UTC, datetime

import httpx2
import pytest
import trio
from callees import CALLEE, OURS, Town

from bridge.outbound.placing import NotPlaced, Placed, Placing
from bridge.outbound.rest import Rest
from bridge.outbound.twilio_errors import WORDS

FORM = [("To", CALLEE), ("From", OURS), ("Url", "https://x/y"), ("StatusCallback", "https://x/y/status"),
        ("StatusCallbackEvent", "initiated"), ("StatusCallbackEvent", "completed")]  # fmt: skip
ACCOUNT = "AC" + "0" * 32
FIRST = "CA" + "0" * 31 + "1"


async def placed(
    town: Town, *, known: tuple[str, ...] = (), tokens: tuple[str, ...] = ("t",)
) -> Placed | NotPlaced:
    rest = Rest("https://api.twilio.test", ACCOUNT, tokens, town.transport)
    with trio.fail_after(120):
        return await Placing(rest, FORM, known.__contains__, lambda: datetime.now(UTC)).place()


def made(town: Town) -> int:
    return len(town.forms)


async def test_a_call_is_made_with_one_request_and_lists_as_repeated_keys(autojump_clock: object) -> None:
    town = Town()
    assert await placed(town) == Placed(FIRST)
    assert town.asked == [("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json", FORM)]


@pytest.mark.parametrize(
    "error", [httpx2.ReadTimeout("x"), httpx2.ReadError("x"), httpx2.RemoteProtocolError("x")]
)
async def test_a_call_that_was_made_though_no_answer_came_is_found_and_not_made_again(
    autojump_clock: object, error: Exception
) -> None:
    town = Town(faults=["made and then nothing"])
    assert await placed(town) == Placed(FIRST)
    assert made(town) == 1


@pytest.mark.parametrize(
    "fault", [httpx2.ReadTimeout("x"), httpx2.ReadError("x"), (503, {}, {}), (500, {"code": 20500}, {})]
)
async def test_a_call_that_was_not_made_is_looked_for_before_it_is_asked_for_again(
    autojump_clock: object, fault: object
) -> None:
    town = Town(faults=[fault])
    assert await placed(town) == Placed(FIRST)
    assert [(method, path.rpartition("/")[2]) for method, path, _ in town.asked] == [
        ("POST", "Calls.json"), ("GET", "Calls.json"), ("GET", "Calls.json"), ("POST", "Calls.json"),
    ]  # fmt: skip
    assert made(town) == 1


async def test_another_call_of_ours_to_the_number_is_not_taken_for_this_one(autojump_clock: object) -> None:
    town = Town()
    await placed(town)
    town.faults = [httpx2.ReadTimeout("x")]
    assert await placed(town, known=(FIRST,)) == Placed("CA" + "0" * 31 + "2")


async def test_a_call_that_can_not_be_looked_for_is_not_asked_for_again(autojump_clock: object) -> None:
    town = Town(faults=[httpx2.ReadTimeout("x"), httpx2.ReadTimeout("x")])
    came = await placed(town)
    assert isinstance(came, NotPlaced)
    assert "not tried again" in came.why
    assert made(town) == 0


@pytest.mark.parametrize("error", [httpx2.ConnectError("x"), httpx2.ConnectTimeout("x")])
async def test_what_never_left_is_tried_again_without_a_look(
    autojump_clock: object, error: Exception
) -> None:
    town = Town(faults=[error, error])
    assert await placed(town) == Placed(FIRST)
    assert [method for method, _, _ in town.asked] == ["POST"] * 3


async def test_too_many_requests_are_asked_again_when_twilio_says_so(autojump_clock: object) -> None:
    town = Town(faults=[(429, {"code": 20429}, {"Retry-After": "7"}), (429, {}, {})])
    began = trio.current_time()
    assert await placed(town) == Placed(FIRST)
    assert trio.current_time() - began == pytest.approx(9, abs=0.5)
    assert [method for method, _, _ in town.asked] == ["POST"] * 3


async def test_who_is_always_too_busy_is_given_up(autojump_clock: object) -> None:
    town = Town(faults=[(429, {"code": 20429}, {})] * 9)
    came = await placed(town)
    assert isinstance(came, NotPlaced)
    assert "tried 5 times" in came.why


async def test_the_second_token_is_tried_when_the_first_opens_nothing(autojump_clock: object) -> None:
    town = Town(faults=[(401, {"code": 20003}, {})])
    assert await placed(town, tokens=("old", "new")) == Placed(FIRST)


@pytest.mark.parametrize("code", sorted(WORDS))
async def test_what_twilio_refuses_is_told_in_plain_words_and_not_asked_again(
    autojump_clock: object, code: int
) -> None:
    if code == 20429:
        return
    town = Town(faults=[(400, {"code": code, "message": "Twilio's own words", "status": 400}, {})])
    came = await placed(town)
    assert isinstance(came, NotPlaced)
    assert came.why == f"{WORDS[code]} (Twilio {code})"
    assert (came.code, len(town.asked)) == (code, 1)


async def test_an_error_without_words_of_ours_is_told_in_twilios(autojump_clock: object) -> None:
    town = Town(faults=[(400, {"code": 99999, "message": "Something new"}, {})])
    came = await placed(town)
    assert isinstance(came, NotPlaced)
    assert came.why == "Twilio refused with error 99999: Something new"


@pytest.mark.parametrize("body", [[], "text", {"code": "x", "message": 5}, {"sid": "no sid"}])
async def test_an_answer_that_is_none_is_a_refusal(autojump_clock: object, body: object) -> None:
    came = await placed(Town(faults=[(400, body, {})]))
    assert came == NotPlaced("Twilio refused with HTTP 400: nothing more", 400, 0)
