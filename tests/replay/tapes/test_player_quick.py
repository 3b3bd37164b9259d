"""A tape is found unchanged in one quick go; whatever that says, looking into it says too."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import GOOD, LINES

from bridge.errors import TapeError
from bridge.tapes.late import Late, Mark, keep_late, keep_mark
from bridge.tapes.names import call_id_of
from bridge.tapes.reader import read_tape
from replay.tapes import player
from replay.tapes.pages import entry_of
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


def marked(folder: Path, path: Path, at: datetime) -> Path | None:
    return keep_mark(folder, Mark(call_id_of(path), "anna", at, "good"))


def told_late(folder: Path, path: Path, at: datetime) -> Path | None:
    header = read_tape(path).header
    form = {"CallSid": header.call_sid, "AccountSid": header.account_sid}
    http = {
        "method": "POST",
        "url": f"https://example.org/failed/stream-ended/1/{header.call_id}",
        "form": form,
    }
    return keep_late(
        folder, Late(header.call_sid, header.agent, (call_id_of(path),), http, at, {"say": "Goodbye."})
    )


@pytest.mark.parametrize("tell", [marked, told_late])
def test_what_is_told_behind_a_calls_end_is_no_part_of_its_length(
    tmp_path: Path, tell: Callable[[Path, Path, datetime], Path | None]
) -> None:
    path = tmp_path / "2026-11-28" / GOOD.name
    path.parent.mkdir()
    path.write_bytes(GOOD.read_bytes())
    before, listed = replay_tape(path), entry_of(path).length_ms
    started = datetime.fromisoformat(read_tape(path).header.started_at)
    started = started if started.tzinfo else started.replace(tzinfo=UTC)
    kept = tell(tmp_path, path, started + timedelta(minutes=5))
    assert kept == path
    assert json.loads(read_tape(path).lines[-1])["t_ms"] > before.duration_ms + 60_000
    assert replay_tape(path) == looked_into(path) == before
    assert entry_of(path).length_ms == listed == before.duration_ms
