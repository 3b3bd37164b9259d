"""A shadow in the settings, on the tape and in the lab: what it said is there, and decides nothing."""

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve
from click.testing import CliRunner, Result
from taped import header_of, text_of
from wire_checker import check_wire

from bridge import config
from bridge.agents import Agent, agent_from
from bridge.heart.session_settings import SessionSettings
from bridge.settings.turn_detection import SemanticVad, ServerVad, TurnDetection
from bridge.store.records import records_of
from bridge.tapes import tape
from bridge.tapes.header import decode_header, encode_header, settings_of
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.recovery import closing_lines
from bridge.tapes.tape import BRIDGE, NOTE, OPENAI, SHADOW, Line, decode, encode
from bridge.wire.realtime_session import session_of, shadow_session_of
from replay.cli import main
from replay.compare import variants
from replay.compare.types import Variant
from replay.tapes.player import replay_tape, retold
from replay.tapes.rewrite import accept
from replay.tapes.scrub import Scrub
from replay.vad.engine.machine import Setting
from replay.vad.truth.recording import ServerTurn, read_recording

INTERRUPTED = Path(__file__).parents[3] / "tapes" / "interrupted.jsonl.gz"
PATH = Path("config.toml")
SILENT = {"create_response": False, "interrupt_response": False}
Message = dict[str, Any]


def agent_with(**shadow: Any) -> Agent:
    return config.parse({"agents": {"a": {"shadow": shadow}}}, PATH).agents["a"]


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("table", "vad"),
    [
        ({}, ServerVad(**SILENT)),
        ({"silence_duration_ms": 300, "threshold": 1}, ServerVad(threshold=1.0, silence_duration_ms=300, **SILENT)),
        ({"type": "semantic_vad", "eagerness": "high"}, SemanticVad(eagerness="high", **SILENT)),
    ],
)  # fmt: skip
def test_a_shadow_has_the_keys_of_turn_detection_and_never_answers(
    table: Message, vad: TurnDetection
) -> None:
    assert agent_with(**table).shadow == vad


def test_no_table_is_no_shadow() -> None:
    assert config.parse({"agents": {"a": {}}}, PATH).agents["a"].shadow is None


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"create_response": False}, "create_response = false: a shadow never answers: leave it out"),
        ({"interrupt_response": 7}, "interrupt_response = 7: a shadow never answers: leave it out"),
        ({"silence_duration_ms": 9}, "silence_duration_ms = 9: use a whole number from 50 to 10000"),
        ({"type": "vad"}, 'type = "vad": use "server_vad" or "semantic_vad"'),
        ({"creat_response": True}, "unknown key; known here: prefix_padding_ms, silence_duration_ms, threshold, type"),
    ],
)  # fmt: skip
def test_a_fault_in_it_says_what_to_write(table: Message, fault: str) -> None:
    with pytest.raises(config.ConfigError) as caught:
        agent_with(**table)
    (found,) = caught.value.faults
    assert found.startswith("config.toml: [agents.a.shadow] ")
    assert found.endswith(fault)


def test_a_shadow_that_is_no_table_is_a_fault() -> None:
    with pytest.raises(config.ConfigError, match=r"\[agents.a.shadow\] = 3: use a table"):
        config.parse({"agents": {"a": {"shadow": 3}}}, PATH)


@pytest.mark.parametrize("shadow", [{"silence_duration_ms": 300}, {"type": "semantic_vad"}])
def test_a_header_keeps_the_shadow(shadow: Message) -> None:
    agent = agent_with(**shadow)
    header = decode_header(encode_header(header_of(agent, [])))
    assert header.agent_settings() == agent


def test_a_header_without_one_reads_as_before() -> None:
    settings = settings_of(Agent(name="a"))
    assert "shadow" not in settings
    assert agent_from("a", settings) == Agent(name="a")


def test_the_file_that_comes_with_the_bridge_shows_a_shadow_that_can_be_used(tmp_path: Path) -> None:
    text = (Path(__file__).parents[4] / "config.toml").read_text(encoding="utf-8")
    at = text.index("# [agents.front-desk.shadow]")
    example = text[at:].split("\n\n")[0]
    shown = text.replace(example, "\n".join(line.removeprefix("# ") for line in example.splitlines()))
    (tmp_path / "config.toml").write_text(shown, encoding="utf-8")
    shadow = config.load(tmp_path / "config.toml").agents["front-desk"].shadow
    assert shadow == ServerVad(silence_duration_ms=300, **SILENT)


# ---------------------------------------------------------------- its session


@pytest.mark.parametrize("vad", [ServerVad(threshold=0.3), SemanticVad(eagerness="low")])
def test_its_session_hears_as_the_real_one_and_can_say_nothing(vad: TurnDetection) -> None:
    agent = Agent(name="a", noise_reduction="far_field")
    real, shadow = session_of(SessionSettings(agent, ())), shadow_session_of(agent, vad)
    update = {"type": "session.update", "event_id": "e", "session": shadow}
    assert check_wire.check_openai_shape(update, "c") == []
    heard, hears = real["audio"]["input"], shadow["audio"]["input"]
    assert (hears["format"], hears["noise_reduction"]) == (heard["format"], heard["noise_reduction"])
    assert hears["transcription"] is None
    detection = hears["turn_detection"]
    assert (detection["create_response"], detection["interrupt_response"]) == (False, False)
    assert (shadow["tools"], shadow["tool_choice"], shadow["output_modalities"]) == ([], "none", ["text"])


# ---------------------------------------------------------------- on the tape


def told(t_ms: int, sender: str, kind: str, **fields: Any) -> Line:
    """Return the line of a message on a shadow's leg."""
    message = text_of({"type": kind, **fields})
    return Line(t_ms=t_ms, leg=SHADOW, sender=sender, msg=msgspec.Raw(message.encode()))


def session(silence_ms: int) -> Message:
    detection = {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": silence_ms,
    }
    return {
        "session": {"instructions": "Zanzibar", "audio": {"input": {"turn_detection": detection | SILENT}}}
    }


def shadow_lines(t_ms: int, first_frame: int) -> list[Line]:
    """Return what stands on a shadow's leg, of everything something."""
    return [
        Line(t_ms=t_ms, leg=SHADOW, sender=BRIDGE, upgrade={"method": "GET", "url": "wss://zanzibar.com/v1?model=m"}),
        Line(t_ms=t_ms, leg=SHADOW, sender=OPENAI, accept={"status": 101}),
        told(t_ms, OPENAI, "session.created", session={"id": "sess_1", "expires_at": 0}),
        told(t_ms, BRIDGE, "session.update", event_id="shadow1", **session(210)),
        told(t_ms, OPENAI, "session.updated", **session(220)),
        Line(t_ms=t_ms, leg=SHADOW, sender=BRIDGE, note={"kind": "shadow", "first_frame": first_frame, "dropped": 2}),
        told(t_ms, OPENAI, "input_audio_buffer.speech_started", item_id="s1", audio_start_ms=40),
        told(t_ms, OPENAI, "input_audio_buffer.speech_stopped", item_id="s1", audio_end_ms=900),
        told(t_ms, OPENAI, "input_audio_buffer.committed", item_id="s1"),
        told(t_ms, OPENAI, "input_audio_buffer.speech_started", item_id="s2", audio_start_ms=1200),
        # What should never come, and does no harm:
        told(t_ms, OPENAI, "session.updated", session=7),
        told(t_ms, OPENAI, "session.updated", session={"audio": {"input": {"turn_detection": {"threshold": {}}}}}),
        told(t_ms, OPENAI, "input_audio_buffer.speech_started", item_id=["s9"], audio_start_ms="Zanzibar"),
        told(t_ms, OPENAI, "response.output_audio_transcript.done", item_id="s1", transcript="Zanzibar"),
        told(t_ms, OPENAI, "response.output_audio.delta", response_id="r", item_id="i", content_index=0, delta="emFu"),
        told(t_ms, OPENAI, "response.created", response={"id": "r"}),
        told(t_ms, OPENAI, "response.done", response={"id": "r", "usage": {"output_tokens": 900}}),
        told(t_ms, OPENAI, "error", error={"code": "session_expired", "message": "Zanzibar is over."}),
        Line(t_ms=t_ms, leg=SHADOW, sender=OPENAI, msg=msgspec.Raw(b'["Zanzibar", 7, null]')),
        Line(t_ms=t_ms, leg=SHADOW, sender=OPENAI, text='{"Zanzibar'),
        Line(t_ms=t_ms, leg=SHADOW, sender=OPENAI, binary="WmFuemliYXI="),
        Line(t_ms=t_ms, leg=SHADOW, sender=OPENAI, refused="no Zanzibar"),
        Line(t_ms=t_ms, leg=SHADOW, sender=OPENAI, close={"code": 1001, "reason": "Zanzibar"}),
        Line(t_ms=t_ms, leg=SHADOW, sender=BRIDGE, note={"kind": "shadow", "given_up": "Zanzibar is gone"}),
    ]  # fmt: skip


@pytest.fixture
def plain() -> Tape:
    """Return the tape of a call without a shadow."""
    return read_tape(INTERRUPTED)


FIRST = 40
"""The caller's frame that the shadow on the tapes here began with."""


def place_of(plain: Tape) -> int:
    """Return where on the tape the shadow's lines go: before the input that follows upon its first frame's append."""
    lines = [decode(raw) for raw in plain.lines]
    given = next(at for at, line in enumerate(lines) if line.append and line.append[1] > FIRST)
    return next(at for at in range(given, len(lines)) if lines[at].is_input)


@pytest.fixture
def shadowed(plain: Tape) -> Tape:
    """Return the same tape with a shadow on it, in two places: in the middle of the call, and after its end."""
    at = place_of(plain)
    last = Line(
        t_ms=decode(plain.lines[-1]).t_ms, leg=SHADOW, sender=BRIDGE, close={"code": 1000, "reason": ""}
    )
    middle = [encode(line) for line in shadow_lines(decode(plain.lines[at - 1]).t_ms, FIRST)]
    lines = [*plain.lines[:at], *middle, *plain.lines[at:], encode(last)]
    settings = plain.header.settings | {"shadow": {"type": "server_vad", "silence_duration_ms": 210} | SILENT}
    return Tape(plain.path, msgspec.structs.replace(plain.header, settings=settings), lines, is_torn=False)


@pytest.fixture
def path(shadowed: Tape, tmp_path: Path) -> Path:
    """Return the shadowed tape on disk."""
    path = tmp_path / f"{shadowed.header.call_id}.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join([encode_header(shadowed.header), *shadowed.lines])))
    return path


def run(*args: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result


def of_the_shadow(lines: list[bytes]) -> list[bytes]:
    return [raw for raw in lines if decode(raw).leg == SHADOW]


def test_nothing_on_its_leg_is_an_event_or_a_decision() -> None:
    lines = shadow_lines(5, 1)
    assert [tape.event_of(line) for line in lines] == [None] * len(lines)
    assert not any(line.is_decision for line in lines)


def test_a_shadowed_tape_replays_without_a_difference(path: Path, plain: Tape) -> None:
    result = replay_tape(path)
    assert result.difference is None
    assert result.decisions == replay_tape(plain.path).decisions
    assert "Zanzibar" not in run("run", path).output


def test_what_is_told_again_keeps_what_the_shadow_said(shadowed: Tape) -> None:
    assert list(retold(shadowed)) == shadowed.lines


def test_a_tape_that_differs_can_be_accepted_with_its_shadow(path: Path, shadowed: Tape) -> None:
    changed = [raw.replace(b'"audio_end_ms":', b'"audio_end_ms":1') if b'"conversation.item.truncate"' in raw else raw
               for raw in shadowed.lines]  # fmt: skip
    assert changed != shadowed.lines
    path.write_bytes(gzip.compress(b"".join([encode_header(shadowed.header), *changed])))
    assert replay_tape(path).difference is not None
    accept(path)
    assert read_tape(path).lines == shadowed.lines
    run("run", "--accept", path)


def test_the_records_are_those_of_a_call_without_one(plain: Tape, shadowed: Tape) -> None:
    was, now = (records_of(one.header, map(decode, one.lines)) for one in (plain, shadowed))
    assert now == was


def test_a_torn_tape_is_closed_as_one_without_a_shadow(plain: Tape, shadowed: Tape) -> None:
    at = place_of(plain)
    torn = Tape(plain.path, plain.header, plain.lines[:at], is_torn=True)
    with_shadow = Tape(
        plain.path, shadowed.header, shadowed.lines[: at + len(shadow_lines(0, 1))], is_torn=True
    )
    assert closing_lines(with_shadow) == closing_lines(torn)


def test_the_commands_take_a_shadowed_tape_as_any_other(path: Path, plain: Tape, tmp_path: Path) -> None:
    wire = [msgspec.json.decode(line) for line in run("export", "--wire", path).output.splitlines()]
    assert check_wire.check_file(wire, tape=True) == []
    exported = [line["msg"] for line in wire if line["leg"] == SHADOW and "msg" in line]
    assert {"session.update", "session.updated"} <= {message["type"] for message in exported}
    assert run("show", "--json", path).output.count("Zanzibar") == 0
    run("show", path)
    assert CliRunner().invoke(main, ["grep", "Zanzibar", str(path)]).exit_code == 1
    run("grep", "Friday", path)
    run("wav", path, "-o", tmp_path / "call.wav")
    run("list", path.parent)


def test_a_redacted_tape_has_no_word_of_the_shadows(path: Path, tmp_path: Path) -> None:
    output = tmp_path / "redacted.jsonl.gz"
    run("redact", path, "-o", output)
    assert b"anzibar" not in gzip.decompress(output.read_bytes()).lower()
    kept, was = (of_the_shadow(read_tape(one).lines) for one in (output, path))
    assert len(kept) == len(was)
    assert b"WmFuemliYXI" not in b"".join(kept)
    assert b"emFu" not in b"".join(kept)
    assert b'"first_frame":40' in b"".join(kept)
    assert b'"audio_end_ms":900' in b"".join(kept)
    assert replay_tape(output).difference is None


# ---------------------------------------------------------------- in the lab


def test_a_recording_has_what_both_sessions_heard(plain: Tape, shadowed: Tape) -> None:
    alone, both = read_recording(plain), read_recording(shadowed)
    real, shadow = both.heard
    assert (both.audio, both.agent, real) == (alone.audio, alone.agent, alone.heard[0])
    assert (shadow.leg, shadow.setting) == (SHADOW, Setting(0.5, 220, 300))
    came = [evolve(turn, start_came_ms=None, stop_came_ms=None) for turn in shadow.turns]
    assert came == [ServerTurn(40, 900, "s1"), ServerTurn(1200, None, "s2")]
    assert shadow.turns[0].stop_came_ms is not None
    first = next(line.append[0] for line in map(decode, plain.lines) if line.append)
    assert shadow.starts_at_ms == (FIRST - first) * 20
    assert shadow.ends_at_ms is not None
    assert shadow.starts_at_ms < shadow.ends_at_ms < both.length_ms


def without(shadowed: Tape, words: bytes) -> Tape:
    lines = [raw for raw in shadowed.lines if decode(raw).leg != SHADOW or words not in raw]
    return Tape(shadowed.path, shadowed.header, lines, is_torn=False)


def test_a_setting_that_was_never_confirmed_is_the_one_asked_for(shadowed: Tape) -> None:
    _, shadow = read_recording(without(shadowed, b'"session.updated"')).heard
    assert shadow.setting == Setting(0.5, 210, 300)


def test_a_shadow_that_was_not_given_up_heard_all_of_the_call(shadowed: Tape) -> None:
    _, shadow = read_recording(without(shadowed, b"given_up")).heard
    assert shadow.ends_at_ms is None


def test_a_shadow_that_was_given_no_audio_heard_nothing(shadowed: Tape) -> None:
    assert len(read_recording(without(shadowed, b"first_frame")).heard) == 1


def test_a_comparison_makes_calls_without_the_baselines_shadow() -> None:
    base = {"agents": {"a": {"shadow": {"silence_duration_ms": 300}}}}
    variant = Variant(name="v")
    assert variants.settings_of(variant, base, PATH, "a").agents["a"].shadow is None
    wanted = Variant(name="v", agent={"shadow": {"silence_duration_ms": 400}})
    assert variants.settings_of(wanted, base, PATH, "a").agents["a"].shadow == ServerVad(
        silence_duration_ms=400, **SILENT
    )


def test_other_notes_are_left_as_they_are_by_redaction() -> None:
    note = {"kind": "log", "text": "second media socket refused"}
    assert Scrub().line(Line(t_ms=1, leg=NOTE, sender="twilio", note=note)).note == note
