"""What Twilio is told to do next: TwiML by its own builder, read by another parser."""

from xml.etree import ElementTree

import pytest

from bridge.languages import Sentence
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
