"""`replay import`: a stereo recording becomes a tape that replays, and sounds the same again."""

import wave
from array import array
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from wire_checker import check_wire

from bridge.heart.audio import SILENCE, silence, to_pcm16
from bridge.sound.g711 import ulaw_of
from bridge.tapes.reader import read_tape
from replay.cli import main
from replay.sound.clips import clip
from replay.sound.recordings import Turn, resampled, turns_of
from replay.tapes.pages import page_of
from replay.tapes.player import replay_tape
from replay.tapes.wav import sound_of
from replay.tapes.wire import wire_lines
from replay.vad.study.study import setting_in_force
from replay.vad.truth.recording import read_recording

TAPES = Path(__file__).parents[2] / "tapes"
INTERRUPTED = TAPES / "interrupted.jsonl.gz"
GREETING, QUESTION = clip("agent_greeting").audio, clip("caller_yes").audio


def replay(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def write(path: Path, caller: bytes, agent: bytes, *, rate: int = 8000) -> Path:
    """Write µ-law sides as a stereo WAV; at another rate it plays faster or slower."""
    length = max(len(caller), len(agent))
    both = array("h", bytes(4 * length))
    both[0::2] = array("h", to_pcm16(caller.ljust(length, SILENCE)))
    both[1::2] = array("h", to_pcm16(agent.ljust(length, SILENCE)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(both.tobytes())
    return path


def conversation() -> tuple[bytes, bytes]:
    """The agent greets, the caller says something, the agent answers."""
    caller = silence(500 + len(GREETING) // 8) + QUESTION
    agent = silence(200) + GREETING
    agent += silence(len(caller) // 8 + 600 - len(agent) // 8) + clip("agent_goodbye").audio
    return caller + silence(300), agent + silence(300)


def imported(tmp_path: Path, caller: bytes, agent: bytes, *options: str | Path) -> Path:
    wav, tape = write(tmp_path / "call.wav", caller, agent), tmp_path / "call.jsonl.gz"
    result = replay("import", wav, "-o", tape, *options)
    assert result.exit_code == 0, result.output
    return tape


def padded(audio: bytes, length: int) -> bytes:
    return audio.ljust(length, SILENCE)


def test_the_tape_sounds_like_the_recording(tmp_path: Path) -> None:
    caller, agent = conversation()
    sound = sound_of(read_tape(imported(tmp_path, caller, agent)))
    length = len(sound.caller)
    assert to_pcm16(sound.caller) == to_pcm16(padded(caller, length))
    assert to_pcm16(sound.agent) == to_pcm16(padded(agent, length))


def test_a_call_of_the_daemons_comes_back_as_it_was(tmp_path: Path) -> None:
    was = sound_of(read_tape(INTERRUPTED))
    now = sound_of(read_tape(imported(tmp_path, was.caller, was.agent)))
    assert to_pcm16(now.caller) == to_pcm16(padded(was.caller, len(now.caller)))
    assert to_pcm16(now.agent) == to_pcm16(padded(was.agent, len(now.agent)))


def test_the_tape_replays_without_a_difference(tmp_path: Path) -> None:
    result = replay_tape(imported(tmp_path, *conversation()))
    assert result.difference is None
    assert result.decisions > 100


def test_the_tape_says_that_it_is_imported(tmp_path: Path) -> None:
    tape = read_tape(imported(tmp_path, *conversation()))
    assert tape.header.agent == "imported"
    assert tape.header.code.startswith("imported by ")
    (note,) = [row for row in page_of(tape)["log"] if row["text"] == "imported"]
    assert note["data"]["file"] == "call.wav"


def test_turns_and_words_and_how_fast_the_answer_came(tmp_path: Path) -> None:
    transcript = tmp_path / "call.txt"
    transcript.write_text(
        "# by hand\n0.3 agent: Hello, this is\n1 agent: Harbour Table.\n[3.9s] Caller: Yes.\n\n"
    )
    page = page_of(read_tape(imported(tmp_path, *conversation(), "--transcript", transcript)))
    assert [(row["role"], row["said"]) for row in page["transcript"]][:2] == [
        ("agent", "Hello, this is Harbour Table."),
        ("caller", "Yes."),
    ]
    (turn,) = page["turns"]
    assert 500 <= turn["latency_ms"] <= 800
    assert page["call"]["ended_by"] == "caller"


def test_the_wire_log_of_it_keeps_the_rules_of_the_phone(tmp_path: Path) -> None:
    lines = list(wire_lines(read_tape(imported(tmp_path, *conversation()))))
    problems = check_wire.check_file(lines, tape=True)
    assert [problem for problem in problems if "twilio" in problem] == []


def test_a_long_silence_is_survived(tmp_path: Path) -> None:
    caller = silence(130_000) + QUESTION + silence(70_000)
    agent = silence(60_000) + GREETING + silence(60_000) + GREETING
    tape = imported(tmp_path, caller, agent)
    assert replay_tape(tape).difference is None
    assert page_of(read_tape(tape))["call"]["duration_ms"] > 200_000


@pytest.mark.parametrize("side", [b"", silence(2000)])
def test_a_side_that_says_nothing_is_silence(tmp_path: Path, side: bytes) -> None:
    sound = sound_of(read_tape(imported(tmp_path, QUESTION, side)))
    assert not sound.agent.strip(SILENCE)
    assert to_pcm16(sound.caller[: len(QUESTION)]) == to_pcm16(QUESTION)


def test_both_may_speak_at_once(tmp_path: Path) -> None:
    sound = sound_of(
        read_tape(imported(tmp_path, GREETING + silence(900) + QUESTION, silence(300) + GREETING * 2))
    )
    assert to_pcm16(sound.agent[2400:]).startswith(to_pcm16(GREETING * 2))


# ---------------------------------------------------------------- levels and rates


def test_turns_are_told_from_the_noise_of_the_line() -> None:
    noise = ulaw_of([40 if place % 2 else -40 for place in range(8000)])
    (turn,) = turns_of(noise + QUESTION + noise + noise)
    begin, end = 50, 50 + len(QUESTION) // 160
    assert abs(turn.first - begin) <= 10
    assert abs(turn.end - end) <= 25


def test_a_pause_of_half_a_second_makes_two_turns() -> None:
    voice = ulaw_of([8000, -8000] * 800)
    assert turns_of(voice + silence(480) + voice) == [Turn(0, 44)]
    assert turns_of(voice + silence(500) + voice) == [Turn(0, 10), Turn(35, 45)]


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 11025])
def test_another_rate_is_brought_to_that_of_the_phone(rate: int) -> None:
    ramp = [place * 8000 // rate for place in range(rate)]
    found = list(resampled(ramp, rate))
    assert len(found) == 8000
    assert all(0 <= after - before <= 2 for before, after in pairwise(found))


def test_a_recording_at_another_rate_lasts_as_long(tmp_path: Path) -> None:
    wav = write(tmp_path / "fast.wav", QUESTION, silence(100), rate=16000)
    assert replay("import", wav, "-o", tmp_path / "x.jsonl").exit_code == 0
    assert abs(len(sound_of(read_tape(tmp_path / "x.jsonl")).caller) - len(QUESTION) // 2) <= 480


# ---------------------------------------------------------------- what can't be imported


def test_a_mono_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "mono.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    result = replay("import", tmp_path / "mono.wav", "-o", tmp_path / "x.jsonl")
    assert result.exit_code == 2
    assert "ffmpeg" in result.stderr


@pytest.mark.parametrize("data", [b"", b"RIFF", b"no sound at all"])
def test_a_file_that_is_no_wav_is_an_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.wav").write_bytes(data)
    assert replay("import", tmp_path / "x.wav", "-o", tmp_path / "x.jsonl").exit_code == 2


def test_an_empty_recording_is_an_error(tmp_path: Path) -> None:
    result = replay("import", write(tmp_path / "x.wav", b"", b""), "-o", tmp_path / "x.jsonl")
    assert result.exit_code == 2
    assert "lasts 0 s" in result.stderr


@pytest.mark.parametrize("text", ["hello", "1.0 somebody: hello", "agent: hello", "1.5 agent:"])
def test_a_transcript_that_cant_be_read_names_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "call.txt").write_text(f"# fine\n{text}\n")
    wav = write(tmp_path / "x.wav", *conversation())
    result = replay("import", wav, "-o", tmp_path / "x.jsonl", "--transcript", tmp_path / "call.txt")
    assert result.exit_code == 2
    assert "call.txt, line 2" in result.stderr


def test_the_vad_lab_sees_no_turn_detection_in_an_imported_call_but_its_words(tmp_path: Path) -> None:
    caller, agent = conversation()
    words = tmp_path / "words.txt"
    begin = (500 + len(GREETING) // 8) / 1000
    words.write_text(f"0.2 agent: Hello.\n{begin:.1f} caller: Yes.\n")
    tape = imported(tmp_path, caller, agent, "--transcript", words)
    found = read_recording(read_tape(tape))
    assert [heard.setting for heard in found.heard] == [None]
    assert [turn.words for turn in found.heard[0].turns if turn.words] == ["Yes."]
    assert setting_in_force([found]) is None
    result = replay("vad", "sweep", tape, "--data", tmp_path, "--html", tmp_path / "vad.html", "-j", "1")
    assert result.exit_code == 1, result.output
    assert "no call has events of a server's server_vad to compare with" in result.output
    assert "now" not in result.output.splitlines()[2]
