"""A recommended setting in the configuration file: the values change, and nothing else does."""

from pathlib import Path

import pytest

from bridge.config import load
from bridge.errors import ConfigError
from bridge.settings.turn_detection import ServerVad
from replay.vad.engine.machine import Setting
from replay.vad.study.write import WriteError, write_setting

ROOT = Path(__file__).parents[4]
SETTING = Setting(0.45, 720, 200)


def copied(tmp_path, text=None):
    path = tmp_path / "config.toml"
    path.write_text(
        text if text is not None else (ROOT / "config.toml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    return path


def test_three_values_change_and_every_comment_stays(tmp_path):
    path = copied(tmp_path)
    before = path.read_text(encoding="utf-8").splitlines()
    write_setting(path, "front-desk", SETTING)
    after = path.read_text(encoding="utf-8").splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        ("threshold = 0.6", "threshold = 0.45"),
        ("prefix_padding_ms = 300", "prefix_padding_ms = 200"),
        ("silence_duration_ms = 500", "silence_duration_ms = 720"),
    ]
    assert load(path).agents["front-desk"].turn_detection == ServerVad("server_vad", 0.45, 200, 720)


def test_an_agent_without_turn_detection_gets_it(tmp_path):
    path = copied(tmp_path, '[agents.desk]\ngreeting = "Hi"  # short\n')
    write_setting(path, "desk", SETTING)
    assert "# short" in path.read_text()
    assert load(path).agents["desk"].turn_detection.silence_duration_ms == 720


def test_semantic_vad_makes_room_and_flags_stay(tmp_path):
    path = copied(
        tmp_path,
        '[agents.desk]\nturn_detection = { type = "semantic_vad", eagerness = "low", interrupt_response = false }\n',
    )
    assert write_setting(path, "desk", SETTING) == "semantic_vad"
    assert load(path).agents["desk"].turn_detection == ServerVad(
        "server_vad", 0.45, 200, 720, interrupt_response=False
    )


def test_a_file_with_faults_is_not_touched(tmp_path):
    path = copied(tmp_path, '[agents.desk]\nvoice = "nobody"\n')
    with pytest.raises(ConfigError):
        write_setting(path, "desk", SETTING)
    assert path.read_text() == '[agents.desk]\nvoice = "nobody"\n'
    assert [one.name for one in tmp_path.iterdir()] == ["config.toml"]


def test_an_agent_that_is_not_there_is_told(tmp_path):
    path = copied(tmp_path)
    with pytest.raises(WriteError, match="no agent 'nobody'"):
        write_setting(path, "nobody", SETTING)


def test_permissions_and_links_stay(tmp_path):
    path, link = copied(tmp_path), tmp_path / "link.toml"
    path.chmod(0o640)
    link.symlink_to(path)
    write_setting(link, "front-desk", SETTING)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640


def test_line_ends_of_windows_stay(tmp_path):
    path = copied(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    write_setting(path, "front-desk", SETTING)
    assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n")


def test_an_agent_written_in_one_line_gets_it_in_that_line(tmp_path):
    path = copied(tmp_path, 'agents = { desk = { greeting = "Hi" } }\n')
    write_setting(path, "desk", SETTING)
    assert load(path).agents["desk"].turn_detection.silence_duration_ms == 720
    assert path.read_text().count("\n") == 1
