"""Text at every entrance: whatever comes in, what is taped, recorded, stored and logged can be written."""

import json
import logging
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
import trio
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from lone_calls import a_call

from bridge.agents import Agent
from bridge.calls.intake import Webhook, line_of
from bridge.calls.setup import Setup
from bridge.cli import main
from bridge.config import Settings, parse, read_secrets
from bridge.errors import BridgeError, ConfigError
from bridge.heart.call import Call
from bridge.links.model import ModelAddress
from bridge.logs import set_up_logging
from bridge.store.records import records_of
from bridge.tapes import tape
from bridge.tapes.header import Header, settings_of
from bridge.tapes.tape import Line
from bridge.text.validity import is_harmless, valid, valid_json, valid_value
from bridge.web.app import _form_of

HALF = "\ud83d"
any_text = st.text(st.characters(exclude_categories=()))  # halves of pairs, too
PATH = Path("/etc/bridge/config.toml")


# ---------------------------------------------------------------- the helpers


@given(any_text)
def test_valid_text_can_be_written_and_loses_nothing_but_halves(text: str) -> None:
    valid(text).encode()
    assert valid(valid(text)) == valid(text)
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert valid(text) == text


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("plain", "plain"),
        (f"ten {HALF}", "ten \ufffd"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        (f"{HALF}\ud83d\ude00!", "\ufffd\U0001f600!"),
    ],
)
def test_each_half_is_replaced_and_each_pair_joined(text: str, is_valid: str) -> None:
    assert valid(text) == is_valid
    assert valid_value({text: [(text, 1)], "none": None}) == {is_valid: [[is_valid, 1]], "none": None}


@given(st.text(st.sampled_from(r'\\\u/"ud83DdcC0x ') | st.characters(), max_size=40))
@example(r'"\ud83d"')
@example(r'"\\ud83d"')
@example(r'"\\\uDE00"')
@example(r'"\ud83d\ud83d\ude00"')
@example("NaN")
def test_valid_json_says_what_a_lenient_reader_would_have_read(text: str) -> None:
    try:
        wanted = json.loads(text, parse_constant=_no_json)
    except ValueError:
        return
    assert msgspec.json.decode(valid_json(text)) == valid_value(wanted)


def _no_json(constant: str) -> None:
    raise ValueError(constant)  # NaN and the infinities: Python reads them, and no standard has them


# ---------------------------------------------------------------- the two sockets, the webhook


def a_message(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(MESSAGES).map(lambda message: message.replace("TEXT", text))


MESSAGES = [
    '{"type":"response.output_audio_transcript.done","item_id":"i1","transcript":"TEXT"}',
    '{"type":"error","error":{"code":"TEXT","type":"TEXT","message":"TEXT"}}',
    '{"type":"TEXT"}',
    '{"type":"response.created","response":{"id":"TEXT"}}',
    '{"type":"response.output_item.done","response_id":"r1","item":{"type":"function_call","id":"i1",'
    '"call_id":"TEXT","name":"hang_up","arguments":"{\\"reason\\": \\"TEXT\\"}"}}',
    '{"type":"response.output_item.done","response_id":"r1","item":{"type":"function_call","id":"i1",'
    '"call_id":"TEXT","name":"look_up","arguments":"{\\"reason\\": \\"\\\\ud83d\\"}"}}',
    '{"type":"conversation.item.added","item":{"id":"i1","type":"message","role":"user","content":'
    '[{"type":"input_text","text":"TEXT"}]}}',
    '{"event":"TEXT"}',
    '{"event":"mark","streamSid":"TEXT","mark":{"name":"TEXT"}}',
    '{"event":"start","streamSid":"TEXT","start":{"callSid":"CA1","mediaFormat":{"encoding":"audio/x-mulaw",'
    '"sampleRate":8000,"channels":1}}}',
    "TEXT",
]
ESCAPES = st.lists(
    st.sampled_from(
        [r"\ud83d", r"\uDE00", r"\ud83d\ude00", r"\\ud83d", r"\u0000", r"\u001b[2J", "a", HALF, "é"]
    )
).map("".join)
messages = st.lists(st.tuples(st.booleans(), ESCAPES.flatmap(a_message)), max_size=8)


@given(messages)
def test_whatever_both_sockets_say_tape_and_record_can_be_written(told: list[tuple[bool, str]]) -> None:
    async def hear() -> None:
        call = a_call(Agent(name="front-desk"), Call)
        call.live.begin(Line(t_ms=0, leg=tape.HTTP, sender=tape.TWILIO, http={}))
        for is_phone, message in told:
            as_it_comes = valid(message)  # both links decode UTF-8 strictly, or replace what is none
            call.live._hear(call.live.phone if is_phone else call.live.model, as_it_comes)
        call.live.stop("operator", "enough")
        assert call.live.end is not None
        assert not call.live.end.why.startswith("crashed")
        hold(call.live.tape.header, call.live.tape.take())

    trio.run(hear)


def hold(header: Header, lines: bytes) -> None:
    """Hold that every text in a tape's record can be written, each message of the tape be read, none be broken."""
    read = [tape.decode(line) for line in lines.splitlines(keepends=True)]
    for line in read:
        assert line.text is None or "TEXT" not in line.text
        if line.msg:
            msgspec.json.decode(line.msg)
    records = records_of(header, read)
    msgspec.json.encode([records.call, records.transcript, records.tool_calls, records.log])


async def test_a_message_with_half_an_emoji_is_understood() -> None:
    call = a_call(Agent(name="front-desk"), Call)
    call.live._hear(call.live.model, r'{"type":"error","error":{"code":"odd","message":"cut \ud83d off"}}')
    text = call.live.tape.take().decode()
    assert '"model error: odd"' in text
    assert '"message":"cut \ufffd off"' in text


@given(st.binary())
@example(b"From=%ED%A0%BD&To=%00")
@example("From=\U0001f600".encode("utf-16-be"))
def test_whatever_a_webhook_says_its_line_can_be_written(body: bytes) -> None:
    setup: Any = Setup(Settings(), read_secrets(Settings(), {}), ModelAddress("ws://x", "m", []), {})
    webhook = Webhook(setup, Agent(name="a"), dict(_form_of(body) or []), "https://x")
    assert tape.encode(line_of(webhook))


# ---------------------------------------------------------------- configuration, secrets, command line


@given(
    st.sampled_from(["instructions", "greeting", "failure_sentence", "language", "tools", "voice"]), any_text
)
def test_every_setting_can_be_written_or_is_refused_in_words_that_can(key: str, text: str) -> None:
    raw = {"agents": {"a": {key: [text] if key == "tools" else text}}}
    faults: list[str] = []
    try:
        msgspec.json.encode(settings_of(parse(raw, PATH).agents["a"]))
    except ConfigError as error:
        faults = error.faults
    assert [fault for fault in faults if not is_harmless(fault)] == []


@pytest.mark.parametrize("text", [HALF, "a\x00b", "\x1b[2J"])
def test_a_setting_with_a_control_character_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigError, match=r"\[recording\] folder = .*: use text without control characters"):
        parse({"recording": {"folder": text}, "agents": {"a": {}}}, PATH)


@pytest.mark.parametrize("secret", ["sk-\udce9", "sk-é", "sk-\x00", "\ufeffsk-1"])
def test_a_secret_that_no_header_can_hold_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(
        ConfigError, match="OPENAI_API_KEY, or its file: a secret there has characters"
    ) as caught:
        read_secrets(Settings(), {"OPENAI_API_KEY": secret})
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments", [["check", "-c", "caf\udce9.toml"], ["calls", "--data", "caf\udce9"], ["show", "a\udce9"]]
)
def test_a_name_on_the_command_line_that_is_no_text_is_refused_in_a_sentence(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, "use a name in UTF-8" in done.output) == (2, True)


def test_our_own_errors_can_be_printed_whatever_they_quote() -> None:
    assert str(BridgeError(f"no {HALF}")) == "no \ufffd"
    assert ConfigError([f"a {HALF}", "b"]).faults == ["a \ufffd", "b"]


# ---------------------------------------------------------------- the log


@given(any_text, st.booleans())
def test_whatever_is_logged_is_one_line_that_can_be_written_and_obeyed_by_nobody(
    text: str, as_json: bool
) -> None:
    out = StringIO()
    set_up_logging(stream=out, as_json=as_json)
    structlog.get_logger().info("it happened", call_id=text, what=text, deep=[{"x": text}])
    structlog.reset_defaults()
    out.getvalue().encode()
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("I/O on closed file")])
def test_a_log_that_cannot_be_written_is_no_reason_to_end_anything(error: Exception) -> None:
    class Full(BytesIO):
        def write(self, data: Any) -> int:
            raise error

    set_up_logging(stream=TextIOWrapper(Full(), write_through=True), level=logging.INFO)
    structlog.get_logger().error("nobody will know")
