"""Phone scenarios as TOML: what a file means, and what is said of one that is wrong."""

import tomllib
import wave
from array import array
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.sound.g711 import LINEAR
from replay.phone.exchange.expect import Expect
from replay.phone.network import Network
from replay.phone.scenario import CallSettings, load, parse
from replay.phone.script import (
    DropSocket,
    GoSilent,
    HangUp,
    InterruptAfter,
    LoseStream,
    Press,
    Say,
    StopReading,
    Wait,
    WaitForAgent,
    WaitForEnd,
    WaitForQuiet,
)
from replay.phone.step_words import STEPS
from replay.sound.clips import clip
from replay.sound.sound_files import to_ulaw, write_stereo

HERE = Path("call.toml")
EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "scenarios").glob("*-phone.toml"))


def faults_of(text: str, path: Path = HERE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(tomllib.loads(text), path)
    return caught.value.faults


def write_wav(path: Path, samples: list[int], rate: int = 8000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(array("h", samples).tobytes())


# ---------------------------------------------------------------- what a file means


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_in_the_docs_is_a_scenario(path: Path) -> None:
    assert load(path).caller.steps


def test_there_is_an_example() -> None:
    assert "interruption-phone" in [path.stem for path in EXAMPLES]


def test_every_step_is_read() -> None:
    words = """
        steps = [
          { say = "caller_hours" }, { wait_ms = 5 }, "wait_for_agent", { wait_for_agent = true, timeout_ms = 7 },
          { wait_for_quiet_ms = 400 }, { interrupt_after_ms = 9, timeout_ms = 8 }, { press = "1#" },
          "wait_for_end", "stop_reading", "go_silent", "drop_socket", "lose_stream", "hang_up",
        ]
    """
    hours = clip("caller_hours")
    assert parse(tomllib.loads(words), HERE).caller.steps == (
        Say(hours.audio, hours.text), Wait(5), WaitForAgent(), WaitForAgent(7), WaitForQuiet(400),
        InterruptAfter(9, 8), Press("1"), Wait(120), Press("#"), Wait(120),
        WaitForEnd(), StopReading(), GoSilent(), DropSocket(), LoseStream(), HangUp(),
    )  # fmt: skip


def test_an_empty_file_is_a_caller_who_waits_and_hangs_up() -> None:
    scenario = parse({}, HERE)
    assert (scenario.title, scenario.caller.steps) == ("call", ())
    assert (scenario.call, scenario.expect, scenario.caller.network) == (CallSettings(), Expect(), Network())


def test_the_tables_are_read() -> None:
    words = """
        title = "bad line"
        [call]
        from_number = "+4930123"
        patience_ms = 50
        [network]
        seed = 3
        loss = 0.5
        [expect]
        ended_by = "bridge"
        next_verb = "hangup"
        [parameters]
        token = "abc"
    """
    scenario = parse(tomllib.loads(words), HERE)
    assert (scenario.title, scenario.parameters) == ("bad line", {"token": "abc"})
    assert (scenario.call.from_number, scenario.caller.patience_ms) == ("+4930123", 50)
    assert scenario.caller.network == Network(seed=3, loss=0.5)
    assert scenario.expect == Expect(ended_by="bridge", next_verb="hangup")


def test_sound_files_are_looked_for_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "a.ulaw").write_bytes(b"\x10" * 200)
    write_wav(tmp_path / "b.wav", [LINEAR[0x10]] * 100)
    (tmp_path / "call.toml").write_text('steps = [{ say = "a.ulaw" }, { say = "b.wav" }]')
    first, second = load(tmp_path / "call.toml").caller.steps
    assert (first, second) == (Say(b"\x10" * 200, "a.ulaw"), Say(b"\x10" * 100, "b.wav"))


def test_every_mu_law_code_survives_a_wav_file() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)  # 0x7F is the other zero
    assert to_ulaw(array("h", [LINEAR[code] for code in codes])) == codes


@given(st.lists(st.integers(-32768, 32767), max_size=50))
@settings(max_examples=50)
def test_mu_law_is_as_near_as_its_steps_allow(samples: list[int]) -> None:
    for sample, code in zip(samples, to_ulaw(array("h", samples)), strict=True):
        assert abs(LINEAR[code] - sample) <= max(4, abs(sample) // 16 + 8, 32768 - 32124)


def test_a_call_is_written_as_stereo(tmp_path: Path) -> None:
    write_stereo(tmp_path / "call.wav", b"\x10\x20", b"\x30")
    with wave.open(str(tmp_path / "call.wav"), "rb") as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 2)
        samples = array("h")
        samples.frombytes(file.readframes(2))
    assert list(samples) == [LINEAR[0x10], LINEAR[0x30], LINEAR[0x20], 0]


# ---------------------------------------------------------------- what is said of a wrong one


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('stepps = ["hang_up"]', "call.toml: stepps: unknown key; did you mean steps?"),
        ("title = 5", "call.toml: title = 5: use a line that says what this call is about"),
        ('steps = "hang_up"', "call.toml: steps: use a list of at most 1000 steps"),
        ('steps = ["hangup"]', "call.toml: steps, number 1: hangup: unknown step; did you mean hang_up?"),
        ('steps = ["hang_up", 5]', 'steps, number 2: 5: use a word like "hang_up"'),
        ('steps = [{ wait_ms = "5" }]', 'wait_ms = "5": use a whole number from 0 to 600000'),
        ("steps = [{ wait_ms = 5, press = '1' }]", "wait_ms, press: use one step a table"),
        ("steps = [{ timeout_ms = 5 }]", "timeout_ms alone: use one step a table"),
        ("steps = [{ wait_ms = 5, timeout_ms = 5 }]", "timeout_ms beside wait_ms: only these wait"),
        ("steps = [{ wait_for_quiet_ms = 5, timeout_ms = -1 }]", "timeout_ms = -1: use a whole number"),
        ("steps = [{ hang_up = false }]", "hang_up = false: use the word alone, or = true"),
        ("steps = ['wait_ms']", "wait_ms = true: use a whole number from 0 to 600000"),
        ("steps = [{ press = '12x' }]", 'press = "12x": use up to 32 keys out of 0123456789*#ABCD'),
        ("steps = [{ say = 'caller_hour' }]", "use a clip (did you mean caller_hours?)"),
        ("steps = [{ say = 'none.wav' }]", "none.wav can't be read"),
        ("steps = [{ say = 5 }]", "say = 5: use a clip (caller_"),
        ("[network]\nloss = 2", "call.toml: [network] loss = 2: use a number from 0.0 to 0.9"),
        ("[network]\njiter_ms = 2", "[network] jiter_ms: unknown key; did you mean jitter_ms?"),
        ("[expect]\nended_by = 'me'", '[expect] ended_by = "me": use "caller" or "bridge"'),
        ("[expect]\nnext_verb = 'Hangup'", '[expect] next_verb = "Hangup": use "connect" or'),
        ("call = 5", "call.toml: [call] = 5: use a table"),
        ("[parameters]\nname = 5", "[parameters] name = 5: use a string"),
        (f"[parameters]\nname = '{'x' * 496}'", "at most 499 characters together"),
    ],
)  # fmt: skip
def test_a_fault_says_where_it_is_and_what_to_write(text: str, fault: str) -> None:
    (found,) = faults_of(text)
    assert fault in found


def test_all_faults_are_told_at_once() -> None:
    assert len(faults_of("steps = ['x', 'y']\n[network]\nloss = 5\n[expect]\na = 1")) == 4


def test_a_wav_of_another_rate_is_refused_with_a_cure(tmp_path: Path) -> None:
    write_wav(tmp_path / "b.wav", [0] * 100, rate=16_000)
    (fault,) = faults_of("steps = [{ say = 'b.wav' }]", tmp_path / "call.toml")
    assert "16000 Hz" in fault
    assert "8000 are needed; ffmpeg -i" in fault


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\0" * 100])
def test_a_broken_or_empty_sound_is_a_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.wav").write_bytes(content)
    assert len(faults_of("steps = [{ say = 'b.wav' }]", tmp_path / "call.toml")) == 1


@pytest.mark.parametrize("content", [b"steps = [", b"\xff\xfe", b"a = " + b"[" * 5000])
def test_a_file_that_is_no_toml_is_a_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "call.toml").write_bytes(content)
    with pytest.raises(ConfigError):
        load(tmp_path / "call.toml")


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        load(tmp_path / "none.toml")


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(sorted(STEPS)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.sampled_from(
        ["timeout_ms", "loss", "ended_by", *sorted(STEPS)]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


TABLES = ("title", "steps", "call", "expect", "network", "parameters", "other")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(TABLES, VALUES)))
@settings(max_examples=150)
def test_any_values_make_a_scenario_or_faults_and_nothing_else(raw: dict[str, Any]) -> None:
    with suppress(ConfigError):
        parse(raw, Path("/nowhere/call.toml"))
