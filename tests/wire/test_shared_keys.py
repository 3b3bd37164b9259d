"""Requests and media sockets that Twilio signs with shared keys, over real sockets, by the stand-in's own code."""

from collections.abc import Mapping

import pytest
import trio
from attrs import evolve
from strangers import FORM, MEDIA_PATH, TOKEN, UPGRADE, WEBHOOK_PATH, Answer, ask, post, without

from bench.stage import GREETING, PUBLIC, QUICK_TOWN, WEBHOOK, MakePlace, Stage, open_stage, speech, words
from bridge.checks import SHA1, SharedKey
from bridge.wire.signatures import SETTINGS, SIGNATURE
from replay.model.script import CallTool
from replay.phone.ring import ring
from replay.phone.script import Caller, SignedBy, WaitForAgent, WaitForEnd
from replay.phone.script import SharedKey as PhoneKey
from replay.phone.signing import sign, signed_by_key
from replay.phone.twiml import Hangup

OLD, NEW = SharedKey("key_old", "first-secret", SHA1), SharedKey("key_new", "second-secret")
KEYS = (OLD, NEW)
SOCKET = PUBLIC.replace("https", "wss") + MEDIA_PATH
PATHS = {
    "the webhook": WEBHOOK_PATH,
    "the action": f"{WEBHOOK_PATH}/next?leg=1",
    "an excursion's": f"{WEBHOOK_PATH}/away/1/next?n={'A' * 43}",
    "a step of a plan": f"{WEBHOOK_PATH}/failure/steps/1",
}


def by_key(key: SharedKey, url: str, form: list[tuple[str, str]]) -> dict[str, str]:
    return signed_by_key(url, form, key.key_id, key.secret, key.algorithm)


async def posted(stage: Stage, path: str, headers: Mapping[str, str]) -> int:
    extra = [f"{name}: {value}" for name, value in headers.items()]
    return (await post(stage, FORM, *extra, target=path, signature="")).status


async def upgraded(stage: Stage, headers: Mapping[str, str]) -> Answer:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return await ask(stage, f"GET {MEDIA_PATH} HTTP/1.1", *lines, *UPGRADE.strip().split("\r\n"))


async def statuses(stage: Stage, key: SharedKey) -> dict[str, int]:
    """Return how every kind of request signed with this key is answered."""
    found = {
        name: await posted(stage, path, by_key(key, PUBLIC + path, FORM)) for name, path in PATHS.items()
    }
    return found | {"the media socket": (await upgraded(stage, by_key(key, SOCKET, []))).status}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
async def test_every_request_of_a_call_is_signed_with_a_shared_key_by_one_rule(
    place: MakePlace, key: SharedKey
) -> None:
    with trio.fail_after(20):
        async with open_stage(place(shared_keys=KEYS)) as stage:
            assert {
                name: status for name, status in (await statuses(stage, key)).items() if status == 403
            } == {}
            assert (await posted(stage, PATHS["the action"], token_signed(PATHS["the action"]))) == 200


def token_signed(path: str) -> dict[str, str]:
    return {SIGNATURE: sign(PUBLIC + path, FORM, TOKEN)}


async def test_without_its_key_no_request_gets_in_and_the_log_says_why(
    place: MakePlace, capsys: pytest.CaptureFixture[str]
) -> None:
    with trio.fail_after(20):
        async with open_stage(place()) as stage:
            assert set((await statuses(stage, NEW)).values()) == {403}
            named = {SETTINGS: f"key={NEW.key_id},algorithm={NEW.algorithm}"}
            assert await posted(stage, WEBHOOK_PATH, token_signed(WEBHOOK_PATH) | named) == 403
            assert stage.daemon.switchboard.live == 0
    assert "signed with a shared key that is not configured" in capsys.readouterr().out


SPEAKS = Caller(steps=(WaitForAgent(), speech("caller_yes"), WaitForEnd(5000)), answer_delay_ms=0)
LEAVES = evolve(GREETING, turns=((words("caller_no"), CallTool("hang_up", {"reason": "told"})),))


@pytest.mark.parametrize(
    ("by", "status"), [("shared_key", 200), ("mixed", 200), ("token", 403), ("unknown_key", 403)]
)
async def test_a_whole_call_is_rung_by_an_account_that_signs_with_hmac_sha256(
    place: MakePlace, by: SignedBy, status: int
) -> None:
    """Webhook, media socket and what comes after the stream; in a rotation every other request is the token's."""
    tokens = (TOKEN,) if by == "mixed" else ()
    setup = place(script=LEAVES, tokens=tokens, shared_keys=KEYS)
    with trio.fail_after(20):
        async with open_stage(setup) as stage:
            key = PhoneKey(NEW.key_id, NEW.secret)
            account = evolve(stage.account, auth_token=TOKEN, shared_key=key)
            signs = evolve(QUICK_TOWN.behaviour, signed_by=by, upgrades_signed_by=by)
            town = evolve(QUICK_TOWN, behaviour=signs)
            report = await ring(SPEAKS, webhook=WEBHOOK, via=stage.via, account=account, town=town)
            assert report.webhook_status == status
            if status == 200:
                await stage.wait_recorded()
    assert report.next_verbs == ([Hangup()] if status == 200 else [])
    ends = [(row["ended_by"], row["why"]) for row in setup.calls()] if setup.tapes else []
    assert ends == [("tool", "told")] * (status == 200)


@pytest.mark.parametrize(
    ("accepted", "of_webhook", "of_socket"),
    [("everything", 200, 101), ("upgrades", 403, 101), ("nothing", 403, 403)],
)
async def test_the_old_way_can_be_shut(
    place: MakePlace, accepted: str, of_webhook: int, of_socket: int
) -> None:
    with trio.fail_after(20):
        async with open_stage(place(shared_keys=KEYS, twilio={"auth_token_signs": accepted})) as stage:
            assert await posted(stage, PATHS["the action"], token_signed(PATHS["the action"])) == of_webhook
            assert (await upgraded(stage, {SIGNATURE: sign(SOCKET, (), TOKEN)})).status == of_socket
            assert await posted(stage, WEBHOOK_PATH, by_key(NEW, PUBLIC + WEBHOOK_PATH, FORM)) == 200


async def test_a_request_that_came_signed_with_a_key_opens_no_second_call_under_another(
    place: MakePlace,
) -> None:
    """What a request is known by when it comes again does not hang on which of our secrets signed it."""
    form = [*without(FORM, "CallStatus"), ("CallStatus", "in-progress")]
    async with open_stage(place(tokens=(), shared_keys=KEYS)) as stage:
        with trio.fail_after(20):
            for key in KEYS:
                extra = [f"{n}: {v}" for n, v in by_key(key, PUBLIC + WEBHOOK_PATH, form).items()]
                assert (await post(stage, form, *extra, signature="")).status == 200
            assert stage.daemon.switchboard.live == 1
