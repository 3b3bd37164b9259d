"""Calls on paper: the real heart, both peers by plan, and a tape of it that is one like any other."""

import importlib.util
from pathlib import Path

import msgspec

from bridge.agents import Agent
from bridge.heart.audio import silence
from bridge.tapes.header import Header, settings_of
from bridge.tapes.reader import Tape
from bridge.tapes.tape import Line, decode
from replay.simulation.rehearsal import Rehearsal
from replay.sound.formats import murmur
from replay.tapes.player import replay_tape, retold
from replay.tapes.rewrite import write_tape

BENCH = Path(__file__).parents[3] / "bench" / "replay_speed.py"


def header() -> Header:
    return Header(
        call_id="CA1", call_sid="CA1", account_sid="AC1", agent="front-desk", started_at="2026-11-23T10:00:00Z",
        settings=settings_of(Agent()),
    )  # fmt: skip


def rehearsed() -> Rehearsal:
    """The agent speaks for two seconds, off the frames' clock; the caller speaks after one of them."""
    rehearsal = Rehearsal(header(), line_ms=35)
    rehearsal.opens()
    rehearsal.streams(100, silence(1000) + murmur(1500) + silence(500), "CA1", "AC1")
    rehearsal.agent_turn("item_a", 107, murmur(2000), "Hello, this is Harbour Table.")
    rehearsal.caller_turn("item_c", 1107, 2607, "Wait, stop.")
    rehearsal.run()
    return rehearsal


def messages(lines: list[Line], kind: str) -> list[Line]:
    return [line for line in lines if line.msg and kind in msgspec.json.decode(line.msg).values()]


def test_a_rehearsed_call_is_its_own_replay() -> None:
    lines = rehearsed().lines
    assert list(retold(Tape(Path("by-plan"), header(), lines, is_torn=False))) == lines
    assert rehearsed().lines == lines


def test_time_goes_forward_and_the_alarm_rings() -> None:
    lines = [decode(raw) for raw in rehearsed().lines]
    times = [line.t_ms for line in lines]
    assert times == sorted(times)
    assert any(line.rang for line in lines)


def test_marks_come_back_when_they_were_played_and_at_once_after_a_clear() -> None:
    lines = [decode(raw) for raw in rehearsed().lines]
    (clear,) = messages(lines, "clear")
    marks = messages(lines, "mark")
    sent, echoed = ([mark for mark in marks if (mark.sender == "twilio") is came] for came in (False, True))
    assert len(sent) == len(echoed)
    assert all(mark.t_ms <= clear.t_ms + 35 for mark in echoed)
    assert [msgspec.json.decode(mark.msg)["mark"] for mark in echoed if mark.msg] == [
        msgspec.json.decode(mark.msg)["mark"] for mark in sent if mark.msg
    ]


def test_twilios_messages_are_numbered_in_order() -> None:
    lines = [decode(raw) for raw in rehearsed().lines]
    said = [msgspec.json.decode(line.msg) for line in lines if line.msg and line.sender == "twilio"]
    numbers = [int(message["sequenceNumber"]) for message in said if "sequenceNumber" in message]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_calls_of_the_speed_bench_replay_without_a_difference(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("replay_speed", BENCH)
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    path = tmp_path / "call.jsonl.gz"
    write_tape(path, bench.rehearse(3, 60_000))
    result = replay_tape(path)
    assert result.difference is None
    assert result.duration_ms > 60_000
    assert result.decisions > 3000
