"""A tape is found unchanged in one quick go; whatever that says, looking into it says too."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import GOOD, LINES

from bridge.errors import TapeError
from replay.tapes import player
from replay.tapes.player import CONTEXT, Result, replay_tape


def looked_into(path: Path) -> Result | str:
    try:
        return player._looked_into(path, CONTEXT)
    except TapeError as error:
        return str(error)


def quickly(path: Path) -> Result | str:
    try:
        return replay_tape(path)
    except TapeError as error:
        return str(error)


@st.composite
def edited(draw: st.DrawFn) -> bytes:
    """Draw a tape with a few lines left out, said twice, moved, later, or written another way."""
    lines = list(LINES)
    for _ in range(draw(st.integers(0, 3))):
        if len(lines) == 1:
            break
        at = draw(st.integers(1, len(lines) - 1))
        line = lines.pop(at)
        match draw(st.sampled_from(["drop", "twice", "move", "later", "spaced", "blank", "tail"])):
            case "twice":
                lines[at:at] = [line, line]
            case "move":
                lines.insert(draw(st.integers(1, len(lines))), line)
            case "later":
                whole = json.loads(line)
                whole["t_ms"] += draw(st.sampled_from([-50, -1, 1, 20, 1500]))
                lines.insert(at, json.dumps(whole, separators=(",", ":")).encode() + b"\n")
            case "spaced":
                lines.insert(at, line.replace(b'","', b'" ,"', 1))
            case "blank":
                lines[at:at] = [line, b" \n"]
            case "tail":
                del lines[at:]
    return b"".join(lines)


@settings(max_examples=80, deadline=None)
@given(edited())
def test_what_comes_of_a_tape_is_the_same_quickly_and_carefully(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "edited.jsonl"
    path.write_bytes(data)
    assert quickly(path) == looked_into(path)


def test_a_tape_without_a_difference_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    careful = looked_into(GOOD)
    monkeypatch.setattr(player, "_looked_into", None)
    assert replay_tape(GOOD) == careful
