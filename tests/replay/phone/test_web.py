"""How webhooks come: by which key they are signed, when they are asked for again, and what is asked in their place."""

import attrs
import pytest
from phone_peer import FORBIDDEN, PUBLIC, a_bridge, goodbye
from twilio.request_validator import RequestValidator
from twiml_calls import AGAIN, a_call, response, town
from werkzeug.datastructures import MultiDict

from replay.phone.ring import ring
from replay.phone.script import Account, Caller, SharedKey
from replay.phone.signing import SETTINGS

HEADER = SETTINGS.lower()
KEYED = Account(shared_key=SharedKey("SKmain", "12345"))
OLDER = attrs.evolve(KEYED, shared_key=SharedKey("SKold", "54321", "HMAC_SHA1"))
THRICE = {"/voice": AGAIN, "/after": AGAIN}


# ---------------------------------------------------------------- shared keys


@pytest.mark.parametrize("account", [KEYED, OLDER])
async def test_a_shared_key_signs_the_same_text_with_its_secret_and_hash_and_says_which(
    account: Account,
) -> None:
    _, bridge = await a_call(answers={"/voice": response("<Hangup/>")}, town=town(), account=account)
    ((path, form, headers),) = bridge.forms
    key = account.shared_key
    assert key is not None
    assert headers[HEADER] == f"key={key.key_id},algorithm={key.algorithm}"
    signed = RequestValidator(key.secret).compute_signature(PUBLIC + path, MultiDict(form), key.algorithm)
    assert headers["x-twilio-signature"] == signed


async def test_upgrades_are_signed_as_requests_are_or_by_the_token() -> None:
    for by, has_header in (("shared_key", True), ("token", False)):
        there = town({"upgrades_signed_by": by})
        async with a_bridge(goodbye) as (bridge, call):
            await call(town=there, account=KEYED)
        assert (HEADER in bridge.upgrade_headers(0)) == has_header


async def test_in_a_rotation_token_and_key_are_mixed() -> None:
    seen = set()
    for _ in range(40):
        _, bridge = await a_call(
            answers={"/voice": response("<Hangup/>")}, town=town({"signed_by": "mixed"}), account=KEYED
        )
        seen.add(HEADER in bridge.forms[0][2])
        if len(seen) == 2:
            return
    pytest.fail("forty requests were signed alike")


async def test_a_key_can_be_one_that_nobody_was_told_of() -> None:
    there = town({"signed_by": "unknown_key"})
    _, bridge = await a_call(answers={"/voice": response("<Hangup/>")}, town=there, account=KEYED)
    assert "SKmain" not in bridge.forms[0][2][HEADER]


async def test_without_a_key_everything_is_signed_by_the_token() -> None:
    _, bridge = await a_call(answers={"/voice": response("<Hangup/>")}, town=town({"signed_by": "mixed"}))
    assert HEADER not in bridge.forms[0][2]


# ---------------------------------------------------------------- fragments


async def test_a_fragment_is_neither_sent_nor_signed_and_a_retry_is_the_same_request() -> None:
    url = "/more#rc=2&amp;rp=5xx"
    answers = {"/voice": response(f"<Redirect>{url}</Redirect>"), "/more": response("<Hangup/>")}
    report, bridge = await a_call(answers=answers, town=town(), fails={"/more": 2})
    assert report.error is None
    requests = [(path, form, headers) for path, form, headers in bridge.forms if path != "/voice"]
    assert [path for path, _, _ in requests] == ["/more"] * 3
    assert requests[0][1:] == requests[1][1:] == requests[2][1:]
    _, form, headers = requests[0]
    token = Account().auth_token
    signed = RequestValidator(token).compute_signature(PUBLIC + "/more", MultiDict(form))
    assert headers["x-twilio-signature"] == signed


async def test_a_500_is_not_asked_for_again_by_default() -> None:
    answers = {"/voice": response("<Redirect>/more</Redirect>"), "/more": response("<Hangup/>")}
    report, bridge = await a_call(answers=answers, town=town(), fails={"/more": 1})
    assert len(bridge.asked("/more")) == 1
    assert "503" in str(report.error)


async def test_where_no_connection_comes_about_it_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    async def nobody(host: str, *_: object, **__: object) -> None:
        tried.append(host)
        raise OSError(111, "refused")

    async with a_bridge(within_s=60) as (bridge, call):
        bridge.via = "http://127.0.0.1:1"
        monkeypatch.setattr("trio.open_tcp_stream", nobody)
        report = await call()
    assert len(tried) == 2
    assert "11200" in str(report.error)


async def test_a_fragment_that_twilio_would_not_understand_is_its_error() -> None:
    report, _ = await a_call(answers={"/voice": response("<Redirect>/more#rp=often</Redirect>")}, town=town())
    assert "11243" in str(report.error)


# ---------------------------------------------------------------- the fallback


async def test_what_cant_be_had_or_done_is_asked_of_the_fallback_which_goes_on_with_the_call() -> None:
    bad = {"gone": "<Redirect>/nowhere</Redirect>", "no verb for it": "<Refer><Sip>sip:a@b.c</Sip></Refer>"}
    for verb in bad.values():
        answers = {"/voice": response(verb), "/again": response("<Say>Sorry.</Say>", "<Hangup/>")}
        report, bridge = await a_call(answers=answers, town=town(), fallback=f"{PUBLIC}/again")
        (form,) = bridge.asked("/again")
        assert form["ErrorUrl"] == PUBLIC + ("/nowhere" if "Redirect" in verb else "/voice")
        assert form["ErrorCode"] == ("11200" if "Redirect" in verb else "13248")
        assert (report.error, [one.text for one in report.words]) == (None, ["Sorry."])
        assert report.warnings


async def test_a_fallback_that_fails_too_is_the_end() -> None:
    report, bridge = await a_call(answers={"/voice": ""}, town=town(), fallback=f"{PUBLIC}/again")
    assert len(bridge.asked("/again")) == 1
    assert "11200" in str(report.error)


# ---------------------------------------------------------------- what is signed, and on which way


async def test_no_name_comes_twice_unless_a_scenario_asks_for_that() -> None:
    """A server that reads the form into a dictionary can't check the signature of one that does."""
    for there, times in ((town(), 0), (town({"odd_parameters": True}), 2)):
        _, bridge = await a_call(answers={"/voice": response("<Hangup/>")}, town=there)
        ((_, form, _),) = bridge.forms
        assert len(form.get("X-Repeated", [])) == times
        assert times or all(len(values) == 1 for values in form.values())


async def test_behind_a_tunnel_that_takes_tls_off_the_server_is_told_what_was_asked_for() -> None:
    async with a_bridge(goodbye) as (bridge, call):
        await call()
    for headers in (bridge.forms[0][2], bridge.upgrade_headers(0)):
        assert (headers["x-forwarded-proto"], headers["x-forwarded-host"]) == ("https", "bridge.example.com")


async def test_where_nothing_was_taken_off_nothing_is_added() -> None:
    async with a_bridge(goodbye) as (bridge, _):
        caller = Caller(steps=(), patience_ms=100)
        await ring(caller, webhook="http://bridge.example.com/voice", via=bridge.via)
    assert not [name for name in bridge.forms[0][2] if name.startswith("x-forwarded")]


async def test_whoever_is_refused_learns_what_was_signed_with_every_parameter_and_header() -> None:
    async with a_bridge(refuse=403) as (bridge, call):
        report = await call()
    upgrade = report.refused
    assert upgrade is not None
    assert upgrade.url == "wss://bridge.example.com/media"
    assert upgrade.headers == {"x-twilio-signature": bridge.upgrade_headers(0)["x-twilio-signature"]}
    async with a_bridge(answers={"/voice": FORBIDDEN}) as (bridge, call):
        report = await call()
    webhook = report.refused
    assert webhook is not None
    form = MultiDict(webhook.parameters)
    assert RequestValidator(Account().auth_token).validate(
        webhook.url, form, webhook.headers["X-Twilio-Signature"]
    )
    told = "\n".join(webhook.lines)
    assert "signed: https://bridge.example.com/voice" in told
    assert "  From = '+15550123456'" in told
    assert Account().auth_token not in told


async def test_whoever_is_taken_has_nothing_to_learn() -> None:
    async with a_bridge(goodbye) as (_, call):
        assert (await call()).refused is None
