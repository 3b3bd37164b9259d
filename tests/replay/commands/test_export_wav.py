"""`replay wav`: a call as it was on the line, held against what the stand-in's caller heard and said."""

import gzip
import wave
from collections.abc import Iterator
from pathlib import Path
from re import finditer

import pytest
from attrs import evolve
from click.testing import CliRunner

from bridge.agents import Agent
from bridge.heart.audio import SILENCE, to_pcm16
from bridge.settings.filler import Clip, Filler
from bridge.tapes.reader import Tape, read_tape
from replay.cli import main
from replay.commands.redact import redacted_tape
from replay.model.script import Faults, Script
from replay.phone.script import Caller, HangUp, Wait
from replay.simulation.simulate import simulate
from replay.sound.formats import murmur
from replay.tapes.player import decisions
from replay.tapes.scrub import Scrub, parting
from replay.tapes.wav import Sound, sound_of, write_wav

TAPES = Path(__file__).parents[2] / "tapes"
NAMES = sorted(path.name.removesuffix(".jsonl.gz") for path in TAPES.glob("*.jsonl.gz"))
INTERRUPTED = TAPES / "interrupted.jsonl.gz"

CLIP = murmur(300)
APART = 40 * 8
"""Bytes: two frames, one for the wire and one for the stand-in's clock, which plays in steps of 20 ms."""


def reported(name: str, side: str) -> bytes:
    """What the stand-in's caller heard or said, from `start` on."""
    return gzip.decompress((TAPES / f"{name}.{side}.gz").read_bytes())


def sound(name: str) -> Sound:
    return sound_of(read_tape(TAPES / f"{name}.jsonl.gz"))


def utterances(audio: bytes) -> Iterator[tuple[int, bytes]]:
    """Every stretch of sound between silences of 400 ms, with the place where it begins."""
    silences = [(found.start(), found.end()) for found in finditer(rb"\xff{3200,}", audio)]
    edges = [0, *(edge for silence in silences for edge in silence), len(audio)]
    for begin, end in zip(edges[0::2], edges[1::2], strict=True):
        if sound := audio[begin:end].strip(SILENCE):
            yield begin + audio[begin:end].index(sound), sound


@pytest.mark.parametrize("name", NAMES)
def test_the_right_channel_is_what_the_caller_heard(name: str) -> None:
    was_heard, heard = list(utterances(reported(name, "heard"))), list(utterances(sound(name).agent))
    assert was_heard
    assert len(heard) == len(was_heard)
    for (place, audio), (was_place, was_audio) in zip(heard, was_heard, strict=True):
        shorter = min(len(audio), len(was_audio))
        assert audio[:shorter] == was_audio[:shorter]
        assert abs(len(audio) - len(was_audio)) <= APART
        assert abs(place - was_place) <= APART


@pytest.mark.parametrize("name", NAMES)
def test_the_left_channel_is_what_the_caller_said(name: str) -> None:
    said = reported(name, "said")
    assert sound(name).caller[: len(said)] == said[: len(sound(name).caller)]


def test_what_a_barge_in_threw_away_is_not_in_it() -> None:
    tape = read_tape(INTERRUPTED)
    sent = sum(size_sent(line) for line in tape.lines)
    assert sum(len(audio) for _, audio in utterances(sound_of(tape).agent)) < sent - APART


def size_sent(line: bytes) -> int:
    return int(line.partition(b'"bytes":')[2].rstrip(b"}\n") or 0) if b'"audio":{' in line else 0


def test_lost_frames_leave_silence_and_nothing_moves() -> None:
    tape = read_tape(INTERRUPTED)
    frames = [line for line in tape.lines if b'"event":"media"' in line and b'"inbound"' in line]
    lost = frames[50:60]
    holed = Tape(tape.path, tape.header, [line for line in tape.lines if line not in lost], is_torn=False)
    whole, caller = sound_of(tape).caller, sound_of(holed).caller
    assert caller == whole[: 50 * 160] + SILENCE * 1600 + whole[60 * 160 :]


def test_a_timestamp_from_nowhere_makes_no_endless_silence() -> None:
    tape = read_tape(INTERRUPTED)
    lines = list(tape.lines)
    place = next(place for place, line in enumerate(lines) if b'"chunk":"30"' in line)
    before, _, after = lines[place].partition(b'"timestamp":"')
    lines[place] = before + b'"timestamp":"99999999999' + after
    assert len(sound_of(Tape(tape.path, tape.header, lines, is_torn=False)).caller) == len(
        sound_of(tape).caller
    )


def test_the_file_is_stereo_with_the_caller_on_the_left(tmp_path: Path) -> None:
    tape = read_tape(INTERRUPTED)
    write_wav(tape, tmp_path / "call.wav")
    with wave.open(str(tmp_path / "call.wav"), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        frames = file.readframes(file.getnframes())
    both = [frames[place : place + 2] for place in range(0, len(frames), 2)]
    assert b"".join(both[0::2]) == to_pcm16(sound_of(tape).caller)
    assert b"".join(both[1::2]) == to_pcm16(sound_of(tape).agent)


def test_a_call_without_a_stream_is_an_empty_file(tmp_path: Path) -> None:
    tape = read_tape(INTERRUPTED)
    write_wav(Tape(tape.path, tape.header, [], is_torn=False), tmp_path / "call.wav")
    with wave.open(str(tmp_path / "call.wav"), "rb") as file:
        assert file.getnframes() == 0


def test_the_command_names_the_file_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    result = CliRunner().invoke(main, ["wav", str(INTERRUPTED), "-o", str(path)])
    assert result.exit_code == 0
    assert result.output.strip() == str(path)
    assert path.stat().st_size > 100_000


def test_the_command_says_what_is_no_tape(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"hello\n")
    result = CliRunner().invoke(main, ["wav", str(tmp_path / "x.jsonl")])
    assert result.exit_code == 2
    assert "x.jsonl: not a tape" in result.stderr


def a_call_that_waits() -> Tape:
    """A call whose session never comes to be, of an agent that has a clip for that."""
    agent = evolve(Agent(name="a"), filler=Filler(Clip("hold.wav", CLIP), after_ms=500))
    return simulate(Caller(steps=(Wait(6000), HangUp())), Script(faults=Faults(never_update=True)), agent)


def test_a_clip_of_ours_is_in_it_where_it_was_heard() -> None:
    tape = a_call_that_waits()
    (place, heard), *_ = utterances(sound_of(tape).agent)
    assert heard == CLIP.strip(SILENCE)
    assert abs(place - 500 * 8) <= APART


def test_a_redacted_tape_has_silence_for_a_clip_and_decides_the_same() -> None:
    tape = a_call_that_waits()
    redacted = redacted_tape(tape, Scrub())
    assert not list(utterances(sound_of(redacted).agent))
    assert parting(decisions(tape), decisions(redacted)) is None
