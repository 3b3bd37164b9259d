"""The examples in the docstrings of what others use say what really comes of them."""

import doctest
import shutil
from importlib import import_module
from pathlib import Path

import pytest
from vad_calls import write_calls

ROOT = Path(__file__).parents[2]
SHOWN = (
    "bridge.tapes.reader", "bridge.tapes.tape", "bridge.tools", "replay.compare.plan", "replay.sound.silero",
    "replay.testing.rung_call", "replay.vad.compose.compose", "replay.vad.engine.machine", "replay.vad.study.study",
    "replay.vad.study.sweep", "replay.vad.truth.truth",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the examples are run: a configuration, a tape, and calls for the VAD lab."""
    shutil.copy(ROOT / "bridge" / "templates" / "config.toml", tmp_path)
    shutil.copy(ROOT / "tests" / "tapes" / "interrupted.jsonl.gz", tmp_path / "call.jsonl.gz")
    write_calls(tmp_path / "calls", 3)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", SHOWN)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    done = doctest.testmod(import_module(name))
    assert done.failed == 0
    assert done.attempted > 0
