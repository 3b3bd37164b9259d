"""`bridge demo --story`: each way off the line from beginning to end, and what is left of it."""

import json
import struct
import sys
import wave
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.patient_clock import in_all_runs
from bridge import config
from bridge.cli import main as bridge
from bridge.extras import install_hint, missing_extras
from replay.cli import main as replay
from replay.demo.run import settings_of
from replay.demo.stories import STORIES
from replay.sound.clips import clip

Record = dict[str, Any]


def told(story: str, out: Path) -> Record:
    """Let a story be told, and return its record; its tape replays without a difference."""
    with in_all_runs():
        result = CliRunner().invoke(bridge, ["demo", "--story", story, "--json", "--out", str(out)])
    assert result.exit_code == 0, result.output
    record: Record = json.loads(result.stdout)
    again = CliRunner().invoke(replay, ["run", record["paths"]["tape"]])
    assert again.exit_code == 0, again.output
    return record


def said(record: Record) -> list[tuple[str, str]]:
    return [(row["role"], row["said"]) for row in record["transcript"]]


def words(*names: str) -> list[tuple[str, str]]:
    return [("agent" if name.startswith("agent") else "caller", clip(name).text) for name in names]


def steps(record: Record) -> list[tuple[str, str]]:
    return [(row["step"], row["outcome"]) for row in record["legs"] if row["part"] == "excursion"]


def is_heard(record: Record, name: str, channel: int) -> bool:
    """Say whether a clip is in a channel of the WAV: left the caller, right what they hear."""
    with wave.open(record["paths"]["wav"]) as file:
        frames = file.readframes(file.getnframes())
    samples = struct.unpack(f"<{len(frames) // 2}h", frames)[channel::2]
    loud = [abs(sample) > 500 for sample in samples]
    return sum(loud) > 8 * clip(name).ms // 20  # a fifth of speech is loud


def test_every_story_that_can_be_asked_for_is_there() -> None:
    option = next(one for one in bridge.get_command(None, "demo").params if one.name == "story")
    assert list(option.type.choices) == list(STORIES)


def test_a_transfer_comes_back_from_a_busy_line_and_is_taken(tmp_path: Path) -> None:
    record = told("transfer", tmp_path)
    assert said(record) == words("agent_greeting", "caller_party", "agent_connecting", "agent_busy")
    assert steps(record) == [("dial", "busy"), ("dial", "completed")]
    assert (record["call"]["ended_by"], record["call"]["why"]) == ("tool", "transferred to office")
    assert {row["place"] for row in record["legs"] if row["taken_ms"] is not None} == {"office"}
    assert is_heard(record, "colleague_hello", 1)


def test_a_menu_is_gone_through_key_by_key(tmp_path: Path) -> None:
    record = told("menu", tmp_path)
    assert steps(record) == [("digits", "sent"), ("digits", "sent")]
    assert [tool["arguments"]["digits"] for tool in record["tool_calls"][:2]] == ["2", "1"]
    assert said(record)[-1] == ("agent", clip("agent_thanks").text)
    assert is_heard(record, "machine_time", 0)


def test_a_message_is_taken_and_the_caller_is_back_with_the_agent(tmp_path: Path) -> None:
    record = told("voicemail", tmp_path)
    assert said(record) == words("agent_greeting", "caller_message", "agent_message", "agent_delivered")
    ((step, outcome),) = steps(record)
    assert (step, outcome) == ("voicemail", "recorded")
    assert '"recording"' in record["tool_calls"][0]["output"]


def test_a_call_of_the_agents_own_begins_when_a_person_has_answered(tmp_path: Path) -> None:
    pytest.importorskip("phonenumbers", reason="needs the extra outbound")
    record = told("outbound", tmp_path)
    assert said(record) == words("agent_reminder", "caller_there", "agent_goodbye")
    assert (record["call"]["outcome"], record["call"]["answered_by"]) == ("answered", "person")
    assert is_heard(record, "agent_reminder", 1)


@pytest.mark.parametrize("story", [name for name in STORIES if not STORIES[name]().calls])
def test_a_story_in_which_nobody_is_called_needs_no_extra(
    story: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    raw = settings_of(STORIES[story](), tmp_path, model_url="ws://127.0.0.1:1", api_url="http://127.0.0.1:1")
    assert missing_extras(config.parse(raw, tmp_path / "config.toml")) == []


def test_a_story_that_lacks_its_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    result = CliRunner().invoke(bridge, ["demo", "--story", "outbound", "--out", str(tmp_path)])
    wanted = f"Error: this story needs packages that are not here: {install_hint('outbound')}"
    assert (result.exit_code, "".join(result.stderr.split())) == (2, "".join(wanted.split()))


@pytest.mark.parametrize("story", STORIES)
def test_a_story_says_what_it_is_about(story: str) -> None:
    assert STORIES[story]().told
