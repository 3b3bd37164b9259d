"""`bridge demo`, once, from end to end: what a newcomer sees, and what is left of it."""

import json
import re
import struct
import wave
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from wire_checker import check_wire

from bench.patient_clock import in_all_runs
from bridge.cli import main as bridge
from bridge.tapes.header import encode_header
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode, encode
from replay.cli import main as replay
from replay.sound.clips import clip
from replay.tapes.wire import wire_lines

Record = dict[str, Any]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    out = tmp_path_factory.mktemp("demo")
    with in_all_runs():
        result = CliRunner().invoke(bridge, ["demo", "--json", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


@pytest.fixture
def tape(record: Record) -> Path:
    return Path(record["paths"]["tape"])


def agent_channel(record: Record) -> tuple[int, ...]:
    """The right channel of the WAV: the agent as heard, 8 samples a millisecond."""
    with wave.open(record["paths"]["wav"]) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        frames = file.readframes(file.getnframes())
    return struct.unpack(f"<{len(frames) // 2}h", frames)[1::2]


def is_sounding(channel: tuple[int, ...], from_ms: int, to_ms: int) -> bool:
    return max(map(abs, channel[from_ms * 8 : to_ms * 8]), default=0) > 500


def on_the_line(record: Record, t_ms: int) -> int:
    """A moment of the call as a moment of the WAV, which begins with the media stream."""
    return int(t_ms - record["call"]["stream_started_ms"])


def test_the_call_goes_from_greeting_to_goodbye(record: Record) -> None:
    said = [(row["role"], row["said"]) for row in record["transcript"]]
    names = ["agent_greeting", "caller_hours", "agent_hours", "caller_table", "agent_checking", "agent_table",
             "caller_thanks", "agent_goodbye"]  # fmt: skip
    assert said == [(clip(name).speaker, clip(name).text) for name in names]
    assert record["call"]["ended_by"] == "tool"
    assert record["call"]["interruptions"] == 1
    assert [row["name"] for row in record["tool_calls"]] == ["check_table", "hang_up"]


def test_the_page_plays_the_interruption_at_one_click(record: Record) -> None:
    page = Path(record["paths"]["page"]).read_text(encoding="utf-8")
    (cut_in,) = (row["t_ms"] for row in record["milestones"] if row["name"] == "barge_in")
    (chip,) = re.findall(r'<button type="button" data-play="(\d+)">[^<]*the caller cut in', page)
    said = next(row["began_ms"] for row in record["transcript"] if row["unheard"])
    assert said <= int(chip) + 2500 == cut_in
    assert 'id="sound"' in page


def test_every_word_of_the_agent_but_the_interrupted_ones_was_heard(record: Record) -> None:
    unheard = [row["item_id"] for row in record["transcript"] if row["unheard"]]
    assert unheard == [row["item_id"] for row in record["items"] if row["cut"]]
    assert len(unheard) == 1


def test_the_interrupted_sentence_stops_within_200_ms_of_the_voice_being_detected(record: Record) -> None:
    cut_in = next(turn for turn in record["turns"] if turn["position"] == 1)
    detected = on_the_line(record, cut_in["speech_started_ms"])
    channel = agent_channel(record)
    assert is_sounding(channel, detected - 1000, detected)
    assert not is_sounding(channel, detected + 200, detected + 1500)


def test_the_wav_holds_the_greeting_and_the_tools_answer(record: Record) -> None:
    channel = agent_channel(record)
    for row in record["items"]:
        begins = on_the_line(record, row["first_heard"])
        assert is_sounding(channel, begins, begins + min(row["heard_ms"], 1000))


def test_its_tape_replays_without_a_difference(tape: Path) -> None:
    result = CliRunner().invoke(replay, ["run", str(tape)])
    assert result.exit_code == 0, result.output


def test_a_mark_moved_by_100_ms_before_the_interruption_shows(tape: Path, tmp_path: Path) -> None:
    read = read_tape(tape)
    lines = [decode(line) for line in read.lines]
    cut = next(place for place, line in enumerate(lines) if line.msg and b'"clear"' in bytes(line.msg))
    mark = max(place for place, line in enumerate(lines[:cut])
               if line.is_input and line.msg and b'"event":"mark"' in bytes(line.msg))  # fmt: skip
    lines[mark] = msgspec.structs.replace(lines[mark], t_ms=lines[mark].t_ms - 100)
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(encode_header(read.header) + b"".join(map(encode, lines)))
    result = CliRunner().invoke(replay, ["run", str(moved)])
    assert result.exit_code == 1
    assert "differs" in result.output


def test_exported_with_its_audio_it_passes_the_wire_checker(tape: Path) -> None:
    assert check_wire.check_file(list(wire_lines(read_tape(tape))), tape=True) == []
