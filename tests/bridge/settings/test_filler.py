"""An agent's filler: read beside the file that names it, and kept in the header of each tape."""

from pathlib import Path

import msgspec
import pytest

from bridge.agents import Agent, agent_from
from bridge.config import parse
from bridge.errors import ConfigError
from bridge.settings.filler import Clip, Filler
from bridge.tapes.header import Header, decode_header, encode_header, settings_of
from replay.sound.formats import murmur

SOUND = murmur(800)


def agent_in(folder: Path, **filler: object) -> Agent:
    """Return the agent of a file in this folder."""
    return parse({"agents": {"a": {"filler": filler}}}, folder / "config.toml").agents["a"]


def test_a_relative_path_starts_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "hold.ulaw").write_bytes(SOUND)
    filler = agent_in(tmp_path, clip="hold.ulaw", after_ms=800).filler
    assert filler == Filler(Clip("hold.ulaw", SOUND), after_ms=800)
    assert filler.clip.ms == 800


def test_without_one_nothing_is_read() -> None:
    assert agent_in(Path("/nowhere"), clip="").filler == Filler()


@pytest.mark.parametrize(
    ("filler", "words"),
    [
        ({"clip": "none.wav"}, r"\[agents.a.filler\]: .*none.wav can't be read"),
        ({"clip": 7}, "clip = 7: use the path of a WAV file"),
        ({"after_ms": 1}, "after_ms = 1: use a whole number from 200 to 60000"),
        ({"file": "a.wav"}, "file: unknown key"),
    ],
)
def test_a_fault_is_told_when_the_file_is_read(tmp_path: Path, filler: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        agent_in(tmp_path, **filler)


def test_its_sound_is_in_the_header_so_that_a_tape_needs_no_other_file() -> None:
    agent = Agent(name="a", filler=Filler(Clip("hold.ulaw", SOUND)))
    header = Header(
        call_id="c", call_sid="CA1", account_sid="AC1", agent="a", started_at="2026-11-28T00:00:00+00:00",
        settings=settings_of(agent),
    )  # fmt: skip
    again = decode_header(encode_header(header)).agent_settings()
    assert again.filler == agent.filler
    assert again.clips == {"hold.ulaw": SOUND}


def test_a_tape_of_before_has_none() -> None:
    kept = msgspec.json.decode(msgspec.json.encode(settings_of(Agent(name="a"))))
    del kept["filler"]
    assert agent_from("a", kept).filler == Filler()
