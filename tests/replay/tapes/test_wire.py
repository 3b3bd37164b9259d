"""`replay export --wire`: a tape as a wire log in which every message is whole, audio included."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from wire_checker import check_wire

from bridge.agents import Agent
from bridge.heart.audio import SILENCE
from bridge.tapes.header import Header, settings_of
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.redact import silenced
from bridge.tapes.tape import Line, decode, encode
from replay.cli import main
from replay.tapes.player import decisions, retold
from replay.tapes.wire import WireLine, wire_lines

TAPES = Path(__file__).parents[2] / "tapes"
NAMES = sorted(path.name for path in TAPES.glob("*.jsonl.gz"))
INTERRUPTED = TAPES / "interrupted.jsonl.gz"


def exported(name: str) -> list[WireLine]:
    return list(wire_lines(read_tape(TAPES / name)))


def silent(tape: Tape) -> Tape:
    """The tape as it would be, had the call been recorded without audio."""
    header = msgspec.structs.replace(tape.header, has_audio=False)
    lines = [encode(silenced(line) if is_audio(line) else line) for line in map(decode, tape.lines)]
    return Tape(tape.path, header, lines, is_torn=False)


def is_audio(line: Line) -> bool:
    start = bytes(line.msg)[:400] if line.msg else b""
    return b'"event":"media"' in start or b'"response.output_audio.delta"' in start


def audio_of(lines: list[WireLine], sender: str, kind: str) -> bytes:
    """All audio that messages of a kind carried, in order."""
    found = [line["msg"] for line in lines if line["from"] == sender and "msg" in line]
    return b"".join(b64decode(payload(message)) for message in found if kind in message.values())


def payload(message: dict[str, Any]) -> str:
    return str(message.get("audio") or message.get("delta") or message["media"]["payload"])


@pytest.mark.parametrize("name", NAMES)
def test_a_call_of_the_daemon_keeps_every_rule_of_both_protocols(name: str) -> None:
    assert check_wire.check_file(exported(name), tape=True) == []


def test_the_agents_audio_stands_in_the_messages_that_carried_it() -> None:
    lines = exported("late_stream.jsonl.gz")
    sent = audio_of(lines, "bridge", "media")
    assert sent
    assert sent == audio_of(lines, "openai", "response.output_audio.delta")[: len(sent)]


def test_the_callers_audio_stands_in_the_messages_that_gave_it_to_the_model() -> None:
    lines = exported("late_model.jsonl.gz")
    given, said = audio_of(lines, "bridge", "input_audio_buffer.append"), audio_of(lines, "twilio", "media")
    assert said.startswith(given)
    assert len(said) - len(given) < 20 * 160  # what came in after the end is given to nobody


def test_held_frames_are_restored_into_one_message() -> None:
    tape = held_call(frames=30)
    lines = list(wire_lines(tape))
    assert [decode(line).append for line in tape.lines if b'"append"' in line] == [(6, 30), (31, 31)]
    frames = [frame(number) for number in range(6, 32)]  # the first five were held too long
    assert audio_of(lines, "bridge", "input_audio_buffer.append") == b"".join(frames)


def test_a_frame_of_another_stream_is_not_counted() -> None:
    lines = list(wire_lines(held_call(frames=3, stray=True)))
    given = audio_of(lines, "bridge", "input_audio_buffer.append")
    assert given == b"".join(frame(number) for number in (1, 2, 3, 31))


def test_a_tape_without_audio_is_exported_as_silence_of_the_same_length() -> None:
    tape = read_tape(INTERRUPTED)
    whole, muted = list(wire_lines(tape)), list(wire_lines(silent(tape)))
    assert check_wire.check_file(muted, tape=True) == []
    for sender, kind in (("bridge", "media"), ("bridge", "input_audio_buffer.append")):
        audio = audio_of(muted, sender, kind)
        assert audio == SILENCE * len(audio_of(whole, sender, kind))


def test_the_silent_tape_replays_like_the_one_with_audio() -> None:
    tape = silent(read_tape(INTERRUPTED))
    assert list(retold(tape)) == tape.lines


def test_lines_that_are_no_messages_become_notes() -> None:
    notes = [line["note"] for line in exported("interrupted.jsonl.gz") if line["leg"] == "note"]
    assert any("check_table" in note for note in notes)
    assert any("milestone" in note for note in notes)
    assert all(isinstance(note, str) for note in notes)


@pytest.mark.parametrize("message", ['"text"', "[1, 2]", "17"])
def test_a_message_that_is_no_object_becomes_a_note(message: str) -> None:
    line = Line(t_ms=1, leg="openai_ws", sender="openai", msg=msgspec.Raw(message.encode()))
    tape = Tape(Path("x"), a_header(), [encode(line)], is_torn=False)
    assert list(wire_lines(tape))[1]["leg"] == "note"


def test_the_command_writes_json_lines_to_standard_output() -> None:
    result = CliRunner().invoke(main, ["export", "--wire", str(INTERRUPTED)])
    assert result.exit_code == 0
    assert [json.loads(line) for line in result.stdout.splitlines()] == exported(INTERRUPTED.name)


def test_the_command_writes_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    result = CliRunner().invoke(main, ["export", "--wire", str(INTERRUPTED), "-o", str(path)])
    assert result.exit_code == 0
    assert (
        check_wire.check_file([json.loads(line) for line in path.read_text().splitlines()], tape=True) == []
    )


def test_a_file_that_cant_be_written_is_an_error_with_advice(tmp_path: Path) -> None:
    target = str(tmp_path / "nowhere" / "call.jsonl")
    result = CliRunner().invoke(main, ["export", "--wire", str(INTERRUPTED), "-o", target])
    assert result.exit_code == 2
    assert "Try:" in result.stderr


# ---------------------------------------------------------------- a call made by hand


def a_header() -> Header:
    agent = Agent(name="front-desk")
    settings = settings_of(agent) | {"limits": {"held_caller_audio_ms": 500}}
    return Header(
        call_id="CA1", call_sid="CA1", account_sid="AC1", agent="front-desk", started_at="2026-11-23",
        settings=settings,
    )  # fmt: skip


def frame(number: int) -> bytes:
    return bytes([number]) * 160


def media(number: int, stream_sid: str = "MZ1") -> bytes:
    body = {"track": "inbound", "chunk": str(number), "timestamp": str(number * 20)}
    body["payload"] = b64encode(frame(number)).decode()
    return twilio(number * 20, {"event": "media", "streamSid": stream_sid, "media": body})


def twilio(t_ms: int, message: dict[str, Any]) -> bytes:
    raw = msgspec.Raw(msgspec.json.encode(message))
    return encode(Line(t_ms=t_ms, leg="twilio_ws", sender="twilio", msg=raw))


def openai(t_ms: int, kind: str) -> bytes:
    message = msgspec.json.encode({"type": kind, "event_id": f"event_{t_ms}", "session": {}})
    return encode(Line(t_ms=t_ms, leg="openai_ws", sender="openai", msg=msgspec.Raw(message)))


def held_call(frames: int, *, stray: bool = False) -> Tape:
    """A call whose model is ready only after so many frames; the bridge's own lines come from today's heart."""
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "mediaFormat": form}
    inputs = [
        twilio(0, {"event": "start", "streamSid": "MZ1", "start": start}),
        *([media(9, "MZ2")] if stray else []),
        *(media(number) for number in range(1, frames + 1)),
        openai(610, "session.created"),
        openai(611, "session.updated"),
        media(31),
    ]
    tape = Tape(Path("made-by-hand"), a_header(), inputs, is_torn=False)
    assert list(decisions(tape))
    return Tape(tape.path, tape.header, list(retold(tape)), is_torn=False)
