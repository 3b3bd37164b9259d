"""<Dial>: who is rung, what they hear before, how it ends, and what the bridge is told of it."""

from itertools import pairwise

import pytest
from phone_peer import PUBLIC
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]
from twiml_calls import ANNA, CONNECT, HELLO, a_call, far_end, response, town

from replay.phone.exchange.town import FarEnd
from replay.phone.ring import Account
from replay.phone.script import HangUp, Press, Say, Wait, WaitForAgent, WaitForQuiet
from replay.sound.formats import murmur

DIAL = f'<Dial action="/dialled" timeout="10"><Number>{ANNA}</Number></Dial>'
WARM = (
    f'<Dial action="/dialled" callerId="+15550100100"><Number url="/whisper" statusCallback="/leg" '
    f'statusCallbackEvent="initiated ringing answered completed">{ANNA}</Number></Dial>'
)
WHISPER = response(
    '<Gather numDigits="1" finishOnKey="" timeout="4" action="/key"><Say>A caller about an order</Say></Gather>',
    "<Hangup/>",
)
BACK = {"/dialled": response("<Say>Welcome back</Say>", "<Hangup/>")}
ACCEPTS = (WaitForQuiet(300), Press("1"), Wait(500), HELLO)


def answers(*verbs: str, **more: str) -> dict[str, str]:
    return {"/voice": response(*verbs), **BACK, "/whisper": WHISPER, "/key": response(), **more}


async def test_whoever_answers_is_heard_and_the_caller_is_back_when_they_hang_up() -> None:
    anna = far_end(Wait(400), HELLO, Wait(3000), HangUp())
    report, bridge = await a_call(
        WaitForQuiet(300), Say(murmur(400), "Is that Anna?"), answers=answers(DIAL), town=town(anna=anna)
    )
    (form,) = bridge.asked("/dialled")
    assert (form["DialCallStatus"], form["DialBridged"], form["CallStatus"]) == (
        "completed",
        "true",
        "in-progress",
    )
    assert form["DialCallSid"] == report.far_ends[0].call_sid
    assert int(form["DialCallDuration"]) in (3, 4, 5)
    assert [(one.by, one.to, one.text) for one in report.words] == [
        (ANNA, "caller", "Hello, Anna speaking."),
        ("caller", ANNA, "Is that Anna?"),
        ("twilio", "caller", "Welcome back"),
    ]
    assert HELLO.audio in report.heard
    assert murmur(400) in bytes(report.far_ends[0].line.heard)


@pytest.mark.parametrize(
    ("there", "status", "after_ms"),
    [
        (far_end(result="busy"), "busy", 1_000),
        (
            far_end(result="no_answer"),
            "no-answer",
            15_000,
        ),  # Twilio rings five seconds longer than it was told
        (far_end(answers_after_ms=60_000), "no-answer", 15_000),
        (far_end(result="failed"), "failed", 500),
        (None, "failed", 500),
    ],
)
async def test_nobody_answers_and_the_bridge_is_told_why(
    there: FarEnd | None, status: str, after_ms: int
) -> None:
    people = {} if there is None else {"anna": there}
    report, bridge = await a_call(answers=answers(DIAL), town=town(**people))
    (form,) = bridge.asked("/dialled")
    assert (form["DialCallStatus"], form["DialBridged"], "DialCallDuration" in form) == (
        status,
        "false",
        False,
    )
    assert report.words[0].text == "Welcome back"
    assert report.words[0].at_ms == pytest.approx(after_ms, abs=400)


async def test_without_an_action_the_next_verb_runs() -> None:
    dial = f"<Dial>{ANNA}</Dial>"
    report, _ = await a_call(answers=answers(dial, "<Say>Nobody there</Say>"), town=town())
    assert [one.text for one in report.words] == ["Nobody there"]


async def test_what_stands_behind_an_action_is_never_run() -> None:
    report, _ = await a_call(answers=answers(DIAL, "<Say>Unreachable</Say>"), town=town())
    assert [one.text for one in report.words] == ["Welcome back"]


# ---------------------------------------------------------------- the whisper


async def test_a_whisper_is_heard_before_the_bridge_and_a_key_takes_the_call() -> None:
    anna = far_end(*ACCEPTS, Wait(1000), HangUp())
    report, bridge = await a_call(answers=answers(WARM), town=town(anna=anna))
    (whisper,), (key,) = bridge.asked("/whisper"), bridge.asked("/key")
    assert whisper["Direction"] == "outbound-dial"
    assert (whisper["CallSid"], whisper["ParentCallSid"]) == (report.far_ends[0].call_sid, report.call_sid)
    assert (whisper["From"], whisper["To"]) == ("+15550100100", ANNA)
    assert (key["Digits"], key["CallSid"]) == ("1", report.far_ends[0].call_sid)
    assert [one.to for one in report.words[:2]] == [ANNA, "caller"]
    assert bridge.asked("/dialled")[0]["DialBridged"] == "true"


@pytest.mark.parametrize(
    ("steps", "key_answer"),
    [
        ((WaitForQuiet(300), HangUp()), response()),
        ((WaitForQuiet(300), Press("2")), response("<Hangup/>")),
        ((Wait(60_000),), response()),  # no key: the document's own Hangup
    ],
    ids=["hangs up", "presses another key", "does nothing"],
)
async def test_a_call_that_is_declined_in_the_whisper_was_answered_and_not_bridged(
    steps: tuple[object, ...], key_answer: str
) -> None:
    anna = far_end(*steps)  # type: ignore[arg-type]
    report, bridge = await a_call(answers=answers(WARM, **{"/key": key_answer}), town=town(anna=anna))
    (form,) = bridge.asked("/dialled")
    assert (form["DialCallStatus"], form["DialBridged"]) == ("completed", "false")
    assert [(dial.status, dial.is_bridged) for dial in report.dials] == [("completed", False)]


@pytest.mark.parametrize(("how", "expected"), [("right", "true"), ("wrong", "false"), ("absent", None)])
async def test_dial_bridged_can_be_told_rightly_wrongly_or_not_at_all(how: str, expected: str | None) -> None:
    anna = far_end(*ACCEPTS, HangUp())
    _, bridge = await a_call(answers=answers(WARM), town=town({"dial_bridged": how}, anna=anna))
    assert bridge.asked("/dialled")[0].get("DialBridged") == expected


async def test_a_whisper_that_fails_connects_nobody() -> None:
    _, bridge = await a_call(answers=answers(WARM, **{"/whisper": ""}), town=town(anna=far_end()))
    assert bridge.asked("/dialled")[0]["DialBridged"] == "false"


# ---------------------------------------------------------------- hanging up


async def test_a_caller_who_hangs_up_while_it_rings_ends_everything() -> None:
    report, bridge = await a_call(Wait(500), HangUp(), answers=answers(DIAL), town=town(anna=far_end()))
    assert (report.ended_by, report.far_ends[0].answered_ms) == ("caller", None)
    assert report.dials[0].status == "canceled"
    assert bridge.asked("/dialled") == []


async def test_a_caller_who_hangs_up_while_they_talk_ends_both_legs() -> None:
    anna = far_end(HELLO, Wait(60_000))
    report, bridge = await a_call(WaitForQuiet(500), HangUp(), answers=answers(DIAL), town=town(anna=anna))
    assert (report.ended_by, report.far_ends[0].ended_by) == ("caller", "caller")
    assert bridge.asked("/dialled") == []


async def test_an_action_may_be_requested_though_the_caller_is_gone() -> None:
    anna = far_end(HELLO, Wait(60_000))
    behaviour = {"action_after_hang_up": True}
    _, bridge = await a_call(
        WaitForQuiet(500), HangUp(), answers=answers(DIAL), town=town(behaviour, anna=anna)
    )
    (form,) = bridge.asked("/dialled")
    assert (form["CallStatus"], form["DialCallStatus"]) == ("completed", "completed")


async def test_time_ends_a_conversation_and_so_does_the_callers_star() -> None:
    for dial, steps in (
        (DIAL.replace("timeout", 'timeLimit="3" timeout'), ()),
        (DIAL.replace("timeout", 'hangupOnStar="true" timeout'), (WaitForAgent(), Wait(1000), Press("*"))),
    ):
        anna = far_end(HELLO, Wait(60_000))
        report, bridge = await a_call(*steps, answers=answers(dial), town=town(anna=anna))
        assert bridge.asked("/dialled")[0]["DialCallStatus"] == "completed"
        assert report.far_ends[0].ended_by == "twilio"


# ---------------------------------------------------------------- several at once


async def test_of_several_the_first_to_answer_wins_and_the_others_stop_ringing() -> None:
    dial = f'<Dial action="/dialled"><Number>{ANNA}</Number><Client>ben</Client></Dial>'
    ben = {"client:ben": far_end(HELLO, HangUp(), answers_after_ms=400)}
    report, bridge = await a_call(answers=answers(dial), town=town(anna=far_end(), **ben))
    assert {leg.name: leg.answered_ms is not None for leg in report.far_ends} == {
        ANNA: False,
        "client:ben": True,
    }
    assert bridge.asked("/dialled")[0]["DialCallSid"] == report.far_ends[1].call_sid


async def test_in_sequence_the_next_is_rung_when_the_one_before_is_busy() -> None:
    dial = f'<Dial action="/dialled" sequential="true"><Number>{ANNA}</Number><Sip>sip:ben@example.com</Sip></Dial>'
    people = {"anna": far_end(result="busy"), "sip:ben@example.com": far_end(HELLO, HangUp())}
    report, bridge = await a_call(answers=answers(dial), town=town(**people))
    first, second = report.far_ends
    assert first.ended_ms is not None
    assert second.rang_ms is not None
    assert first.ended_ms <= second.rang_ms
    assert bridge.asked("/dialled")[0]["DialCallStatus"] == "completed"


async def test_keys_for_an_extension_are_pressed_when_it_is_answered() -> None:
    dial = f'<Dial action="/dialled"><Number sendDigits="ww19">{ANNA}</Number></Dial>'
    report, _ = await a_call(answers=answers(dial), town=town(anna=far_end(Wait(3000), HangUp())))
    assert [digit for _, digit in report.far_ends[0].actor.keys_heard] == ["1", "9"]


async def test_a_conference_is_answered_and_has_no_leg() -> None:
    dial = '<Dial action="/dialled"><Conference>room</Conference></Dial>'
    people = {"conference:room": far_end(HELLO, Wait(500), HangUp())}
    _, bridge = await a_call(answers=answers(dial), town=town(**people))
    (form,) = bridge.asked("/dialled")
    assert (form["DialCallStatus"], "DialCallSid" in form, "DialCallDuration" in form) == (
        "answered",
        False,
        False,
    )


async def test_a_recorded_dial_has_a_file_of_what_the_callee_said() -> None:
    dial = DIAL.replace("timeout", 'record="record-from-answer-dual" timeout')
    report, bridge = await a_call(answers=answers(dial), town=town(anna=far_end(HELLO, Wait(500), HangUp())))
    (recording,) = report.recordings
    assert bridge.asked("/dialled")[0]["RecordingUrl"] == recording.url
    assert recording.ms == pytest.approx(600, abs=60)


async def test_detection_on_a_dialled_leg_is_told_beside_the_conversation() -> None:
    detects = 'machineDetection="DetectMessageEnd" amdStatusCallback="/amd"'
    dial = f'<Dial action="/dialled"><Number {detects}>{ANNA}</Number></Dial>'
    machine = far_end(HELLO, Wait(6000), HangUp(), answered_by="machine_end_beep", verdict_after_ms=3000)
    report, bridge = await a_call(answers=answers(dial, **{"/amd": response()}), town=town(anna=machine))
    (form,) = bridge.asked("/amd")
    assert (form["AnsweredBy"], form["CallSid"]) == ("machine_end_beep", report.far_ends[0].call_sid)
    assert bridge.asked("/dialled")[0]["DialBridged"] == "true"


# ---------------------------------------------------------------- leg callbacks


async def legs_told(callbacks: str, seed: int = 1) -> list[tuple[str, int]]:
    anna = far_end(*ACCEPTS, Wait(500), HangUp())
    behaviour = {"callbacks": callbacks, "callback_seed": seed}
    _, bridge = await a_call(answers=answers(WARM, **{"/leg": response()}), town=town(behaviour, anna=anna))
    return [(form["CallStatus"], int(form["SequenceNumber"])) for form in bridge.asked("/leg")]


IN_ORDER = [("initiated", 0), ("ringing", 1), ("in-progress", 2), ("completed", 3)]


async def test_a_leg_is_told_of_in_order_or_shuffled_or_twice_or_partly() -> None:
    assert await legs_told("in_order") == IN_ORDER
    assert sorted(await legs_told("shuffled", 3), key=lambda told: told[1]) == IN_ORDER
    assert await legs_told("shuffled", 3) != IN_ORDER
    assert await legs_told("twice") == [told for told in IN_ORDER for _ in range(2)]
    partly = await legs_told("missing", 5)
    assert len(partly) < 4
    assert all(earlier[1] < later[1] for earlier, later in pairwise(partly))


async def test_every_request_of_a_dial_is_signed_as_twilios_validator_has_it() -> None:
    urls = {name: f"{name}?n=a%20b&amp;m=1" for name in ("/dialled", "/whisper", "/leg")}
    warm = WARM.replace('"/dialled"', f'"{urls["/dialled"]}"').replace('"/whisper"', f'"{urls["/whisper"]}"')
    verbs = answers(warm.replace('"/leg"', f'"{urls["/leg"]}"'))
    unescaped = {f"{name}?n=a%20b&m=1": verbs.get(name, response()) for name in urls}
    _, bridge = await a_call(answers={**verbs, **unescaped}, town=town(anna=far_end(*ACCEPTS, HangUp())))
    validator = RequestValidator(Account().auth_token)
    assert len(bridge.forms) == 8
    for target, form, headers in bridge.forms:
        assert validator.validate(f"{PUBLIC}{target}", MultiForm(form), headers["x-twilio-signature"]), target


class MultiForm(dict[str, list[str]]):
    """A form as web frameworks hand it to Twilio's validator."""

    def getall(self, name: str) -> list[str]:
        return self[name]


# ---------------------------------------------------------------- back into the conversation


async def test_a_call_leaves_its_stream_is_transferred_in_vain_and_comes_back() -> None:
    verbs = {"/voice": response(CONNECT), "/after": response(DIAL), "/dialled": response("<Hangup/>")}
    report, bridge = await a_call(answers=verbs, town=town(anna=far_end(result="busy")))
    assert [type(verb).__name__ for verb in report.next_verbs] == ["Dial", "Hangup"]
    assert (report.ended_by, len(bridge.medias)) == ("bridge", 1)
