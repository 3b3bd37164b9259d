"""What Twilio is told to do next: TwiML by its own builder, read by another parser."""

from xml.etree import ElementTree

import pytest
from attrs import evolve

from bridge.agents import Agent
from bridge.heart.plans import (
    CollectDigits,
    Dial,
    GoTo,
    HangUp,
    JoinQueue,
    Plan,
    PressDigits,
    Step,
    TakeMessage,
)
from bridge.settings.languages import Sentence
from bridge.settings.places import Place, Voicemail
from bridge.wire import twiml


def test_the_stream_gets_its_token_and_the_call_its_way_on() -> None:
    page = twiml.connect_twiml(stream_url="wss://x/ws", action_url="https://x/next?a=1&b=2", token='"<&>"')
    connect, redirect = ElementTree.fromstring(page)
    assert connect.attrib == {"action": "https://x/next?a=1&b=2", "method": "POST"}
    assert connect[0].attrib == {"url": "wss://x/ws"}
    assert connect[0][0].attrib == {"name": "token", "value": '"<&>"'}
    assert (redirect.tag, redirect.text) == ("Redirect", "https://x/next?a=1&b=2")


def test_words_to_say_are_escaped() -> None:
    say, hangup = ElementTree.fromstring(twiml.hangup_twiml(Sentence("Fish & <chips>; good night")))
    assert (say.text, hangup.tag) == ("Fish & <chips>; good night", "Hangup")


def test_without_words_twilio_just_hangs_up() -> None:
    assert [verb.tag for verb in ElementTree.fromstring(twiml.hangup_twiml())] == ["Hangup"]


@pytest.mark.parametrize(
    ("choice", "tag", "attributes", "text"),
    [
        ("busy", "Reject", {"reason": "busy"}, None),
        ("reject", "Reject", {"reason": "rejected"}, None),
        ("queue:night desk", "Enqueue", {}, "night desk"),
        (
            "https://x.example.com/full?a=1&b=2",
            "Redirect",
            {"method": "POST"},
            "https://x.example.com/full?a=1&b=2",
        ),
    ],
)
def test_a_call_too_many_gets_what_was_chosen_for_it(
    choice: str, tag: str, attributes: dict[str, str], text: str | None
) -> None:
    (verb,) = ElementTree.fromstring(twiml.refusal_twiml(choice))
    assert (verb.tag, verb.attrib, verb.text) == (tag, attributes, text)


# ---------------------------------------------------------------- away from the stream

WAYS = twiml.Ways(
    "https://x/back", "https://x/whisper", "https://x/key", "https://x/leg", "https://x/recording"
)
AGENT = Agent(name="desk")
ANNA = Place("anna", number="+15550100112", ring_seconds=15, talk_seconds=600)


def verbs_of(step: Step, *say: str, agent: Agent = AGENT, caller_id: str = "") -> list[ElementTree.Element]:
    """Return what Twilio is told for a plan."""
    return list(ElementTree.fromstring(twiml.plan_twiml(Plan(step, say), agent, WAYS, caller_id=caller_id)))


def test_a_place_is_rung_and_tells_of_its_leg() -> None:
    (dial,) = verbs_of(Dial(ANNA))
    assert dial.attrib == {
        "action": "https://x/back", "method": "POST", "timeout": "15", "timeLimit": "600", "answerOnBridge": "true",
    }  # fmt: skip
    (number,) = dial
    assert (number.tag, number.text) == ("Number", "+15550100112")
    assert number.attrib == {
        "statusCallback": "https://x/leg", "statusCallbackEvent": "initiated ringing answered completed",
    }  # fmt: skip


def test_whoever_is_to_be_told_first_is_asked_by_the_noun() -> None:
    (dial,) = verbs_of(Dial(evolve(ANNA, is_warm=True)))
    assert (dial[0].attrib["url"], dial[0].attrib["method"]) == ("https://x/whisper", "POST")


@pytest.mark.parametrize(
    ("own", "hidden", "shown"), [("", "", None), ("+1555", "+1666", "+1555"), ("", "+1666", "+1666")]
)
def test_a_place_sees_the_caller_or_a_number_of_ours(own: str, hidden: str, shown: str | None) -> None:
    (dial,) = verbs_of(Dial(evolve(ANNA, caller_id=own)), caller_id=hidden)
    assert dial.attrib.get("callerId") == shown


@pytest.mark.parametrize(
    ("place", "tag", "text"),
    [
        (Place("a", sip="sip:a@x.example.com"), "Sip", "sip:a@x.example.com"),
        (Place("a", client="anna"), "Client", "anna"),
        (Place("a", conference="room"), "Conference", "room"),
    ],
)
def test_there_are_other_ways_to_a_place(place: Place, tag: str, text: str) -> None:
    (dial,) = verbs_of(Dial(place))
    assert (dial[0].tag, dial[0].text) == (tag, text)


def test_a_call_by_sip_can_be_referred() -> None:
    (refer,) = verbs_of(Dial(Place("a", refer="sip:a@x.example.com")))
    assert (refer.tag, refer.attrib["action"], refer[0].text) == (
        "Refer",
        "https://x/back",
        "sip:a@x.example.com",
    )


def test_keys_are_pressed_and_the_caller_comes_back() -> None:
    play, redirect = verbs_of(PressDigits("ww1W2#"))
    assert (play.attrib, redirect.text) == ({"digits": "ww1W2#"}, "https://x/back")


def test_keys_are_asked_for_off_the_stream_and_no_keys_are_an_answer_too() -> None:
    (gather,) = verbs_of(CollectDigits("Your PIN, please.", 4, 5))
    assert gather.attrib == {
        "input": "dtmf", "numDigits": "4", "timeout": "5", "finishOnKey": "#", "actionOnEmptyResult": "true",
        "action": "https://x/back", "method": "POST",
    }  # fmt: skip
    assert [said.text for said in gather] == ["Your PIN, please."]


def test_a_message_is_recorded_and_no_document_is_asked_for_again() -> None:
    say, record = verbs_of(TakeMessage(Voicemail("Speak.", 60, 4, beep=False)))
    assert (say.text, record.attrib["action"]) == ("Speak.", "https://x/back")
    assert [record.attrib[name] for name in ("maxLength", "timeout", "playBeep")] == ["60", "4", "false"]
    assert record.attrib["recordingStatusCallback"] == "https://x/recording"


def test_words_come_before_the_step_in_the_agents_voice() -> None:
    agent = evolve(AGENT, language="de", say_voice="Polly.Vicki")
    first, second, enqueue = verbs_of(JoinQueue("support"), "Einen Moment.", "Gleich.", agent=agent)
    assert [(one.text, one.attrib) for one in (first, second)] == [
        ("Einen Moment.", {"voice": "Polly.Vicki"}), ("Gleich.", {"voice": "Polly.Vicki"}),
    ]  # fmt: skip
    assert (enqueue.text, enqueue.attrib["action"]) == ("support", "https://x/back")


def test_from_somebody_elses_twiml_nobody_comes_back() -> None:
    assert [(one.tag, one.text) for one in verbs_of(GoTo("https://y.example.com"))] == [
        ("Redirect", "https://y.example.com")
    ]
    assert [one.tag for one in verbs_of(HangUp(), "Bye.")] == ["Say", "Hangup"]


def test_who_does_not_press_the_key_is_hung_up() -> None:
    """A document that runs out would connect them: a voicemail, say."""
    gather, hangup = ElementTree.fromstring(
        twiml.whisper_twiml("Ann, an order", evolve(AGENT, language="de"), WAYS)
    )
    assert (gather.attrib["action"], gather.attrib["finishOnKey"], hangup.tag) == (
        "https://x/key",
        "",
        "Hangup",
    )
    assert [said.text for said in gather] == ["Ann, an order", "Drücken Sie die 1, um den Anruf anzunehmen."]


def test_a_summary_is_words_whatever_is_in_it() -> None:
    hostile = "</Say></Gather><Dial>+1900</Dial>\x00"
    gather, hangup = ElementTree.fromstring(twiml.whisper_twiml(hostile, AGENT, WAYS))
    assert (gather[0].text, hangup.tag) == (hostile.rstrip("\x00"), "Hangup")
