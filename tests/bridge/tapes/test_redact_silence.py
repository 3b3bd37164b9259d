"""A tape without sound: what a peer said stands there word for word, with silence in place of what was heard."""

from binascii import b2a_base64
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from heart import agent_with
from taped import header_of

from bridge.heart.events import CallerSpoke, Event
from bridge.tapes import tape
from bridge.tapes.tape import MODEL, PHONE, Line
from bridge.tapes.tape_writer import TapeWriter
from bridge.wire import realtime, twilio

AUDIO = bytes(range(7))
SPELLINGS = {
    "as Twilio writes it": '{"event":"media","streamSid":"MZ1","media":{"chunk":"1","payload":"PAYLOAD"}}',
    "with spaces": '{ "event" : "media", "streamSid" : "MZ1", "media" : { "payload" : "PAYLOAD", "chunk" : "1" } }',
    "with a key in escapes": '{"event":"media","streamSid":"MZ1","media":{"chunk":"1","p\\u0061yload":"PAYLOAD"}}',
    "over several lines": '{"event":"media",\n"streamSid":"MZ1",\n"media":{"chunk":"1","payload":"PAYLOAD"}}',
}


def kept(text: str, parse: Callable[[str], Event], leg: str) -> Line:
    """Return the one line that a tape without sound keeps of a message."""
    header = header_of(agent_with(), [])
    header.has_audio = False
    writer = TapeWriter(Path("none.jsonl"), header)
    event = parse(text)
    writer.append(tape.received(3, leg, "peer", text, event), event)
    return tape.decode(writer.take())


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=list(SPELLINGS))
@pytest.mark.parametrize("audio", [AUDIO, b"\xff" * 8, b"/", bytes(160)])
def test_a_tape_without_sound_has_silence_in_its_place_however_it_was_written(
    text: str, audio: bytes
) -> None:
    payload = b2a_base64(audio, newline=False).decode()
    line = kept(text.replace("PAYLOAD", payload), twilio.parse, PHONE)
    assert tape.event_of(line) == CallerSpoke("MZ1", 1, b"\xff" * len(audio))


def test_slashes_in_escapes_hide_no_sound() -> None:
    text = SPELLINGS["as Twilio writes it"].replace("PAYLOAD", "\\/\\/79")
    line = kept(text, twilio.parse, PHONE)
    assert tape.event_of(line) == CallerSpoke("MZ1", 1, b"\xff\xff\xff")


def test_a_tape_without_sound_keeps_the_rest_of_a_message_word_for_word() -> None:
    delta = {"type": "response.output_audio.delta", "event_id": "e1", "response_id": "r1", "item_id": "i1"}
    text = msgspec.json.encode(
        {**delta, "content_index": 0, "delta": "AAECAwQFBg==", "extra": [1.50, "ü"]}
    ).decode()
    assert bytes(kept(text, realtime.parse, MODEL).msg).decode() == text.replace(
        "AAECAwQFBg==", "/////////w=="
    )


def test_sound_that_is_none_for_the_parser_is_not_kept_either() -> None:
    text = SPELLINGS["as Twilio writes it"].replace("PAYLOAD", "AAE") + " "
    assert b'"payload":"="' in bytes(kept(text, twilio.parse, PHONE).msg)
