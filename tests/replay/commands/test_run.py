"""`replay run`: the same decisions from the same inputs, and a difference shown where there is one."""

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from bridge.tapes.names import tapes_under
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.tape import decode, encode
from replay.cli import main
from replay.tapes.player import decisions, replay_tape, retold

TAPES = Path(__file__).parents[2] / "tapes"
NAMES = sorted(path.name for path in TAPES.glob("*.jsonl.gz"))
ALL = len(tapes_under(TAPES))
INTERRUPTED = TAPES / "interrupted.jsonl.gz"


def replay(*args: str | Path) -> Result:
    """Run the command, as a shell would."""
    return CliRunner().invoke(main, [str(arg) for arg in args])


def lines_of(path: Path) -> list[bytes]:
    """All lines of a tape, its header first."""
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def written(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def messages(lines: list[bytes], kind: str) -> list[int]:
    """Where the messages of that kind stand."""
    names = (f'"type":"{kind}"'.encode(), f'"event":"{kind}"'.encode())
    return [place for place, line in enumerate(lines) if any(name in line for name in names)]


def with_an_early_mark(path: Path) -> Path:
    """The interrupted call, had the last mark before the interruption come 100 ms earlier."""
    lines = lines_of(INTERRUPTED)
    cut = messages(lines, "conversation.item.truncate")[0]
    place = max(place for place in messages(lines[:cut], "mark") if b'"from":"twilio"' in lines[place])
    line = decode(lines[place])
    lines[place] = encode(msgspec.structs.replace(line, t_ms=line.t_ms - 100))
    return written(path, lines)


def truncated_at(lines: list[bytes]) -> list[int]:
    """Every `audio_end_ms` said."""
    told: list[dict[str, Any]] = [json.loads(line)["msg"] for line in lines if b'.item.truncate"' in line]
    return [message["audio_end_ms"] for message in told]


# ---------------------------------------------------------------- the player


def test_there_are_tapes() -> None:
    assert "interrupted.jsonl.gz" in NAMES
    assert len(NAMES) == 6


@pytest.mark.parametrize("name", NAMES)
def test_todays_bridge_says_what_it_said(name: str) -> None:
    result = replay_tape(TAPES / name)
    assert result.difference is None
    assert result.decisions > 50


def test_a_call_told_again_is_its_tape() -> None:
    tape = read_tape(INTERRUPTED)
    assert list(retold(tape)) == tape.lines


def test_the_decisions_are_what_only_the_bridge_can_say() -> None:
    said = [decode(line) for line in decisions(read_tape(INTERRUPTED))]
    assert said
    assert all(line.is_decision for line in said)


def test_a_mark_that_came_earlier_means_that_more_was_heard(tmp_path: Path) -> None:
    tape = read_tape(with_an_early_mark(tmp_path / "early.jsonl"))
    (was,), (now,) = truncated_at(tape.lines[:-1]), truncated_at(list(decisions(tape)))
    assert now - was == 100


def test_a_tape_that_stops_short_has_nothing_wrong(tmp_path: Path) -> None:
    lines = lines_of(INTERRUPTED)
    torn = written(tmp_path / "torn.jsonl", [*lines[:300], lines[300][:20]])
    result = replay_tape(torn)
    assert result.difference is None
    assert result.is_torn


def test_a_tape_cut_between_an_input_and_its_answer_has_nothing_wrong(tmp_path: Path) -> None:
    lines = lines_of(INTERRUPTED)
    cut = messages(lines, "conversation.item.truncate")[0]
    assert replay_tape(written(tmp_path / "cut.jsonl", lines[:cut])).difference is None


def test_a_missing_decision_is_a_difference(tmp_path: Path) -> None:
    lines = lines_of(INTERRUPTED)
    cut = messages(lines, "conversation.item.truncate")[0]
    removed = lines.pop(cut)
    difference = replay_tape(written(tmp_path / "less.jsonl", lines)).difference
    assert difference is not None
    assert difference.now == removed


def test_a_decision_too_many_is_a_difference(tmp_path: Path) -> None:
    lines = lines_of(INTERRUPTED)
    cut = messages(lines, "conversation.item.truncate")[0]
    lines.insert(cut, lines[cut])
    difference = replay_tape(written(tmp_path / "more.jsonl", lines)).difference
    assert difference is not None
    assert difference.was == lines[cut]


def test_what_the_recorder_could_not_keep_is_said(tmp_path: Path) -> None:
    lines = lines_of(INTERRUPTED)
    del lines[messages(lines, "media")[20]]
    lines.append(b'{"t_ms":9000,"leg":"note","from":"bridge","note":{"kind":"shed","lines":1}}\n')
    result = replay_tape(written(tmp_path / "shed.jsonl", lines))
    assert result.shed == 1
    assert result.difference is not None


# ---------------------------------------------------------------- the command


def test_a_folder_of_good_tapes_is_all_ok() -> None:
    result = replay("run", TAPES)
    assert result.exit_code == 0
    assert result.output.count("ok   ") == ALL
    assert f"{ALL} tapes: {ALL} ok" in result.output


def test_a_difference_is_shown_with_the_lines_around_it(tmp_path: Path) -> None:
    path = with_an_early_mark(tmp_path / "early.jsonl")
    tape = read_tape(path)
    result = replay("run", path, "--context", "60")
    assert result.exit_code == 1
    assert "first difference at" in result.output
    said = [line for line in result.output.splitlines() if "conversation.item.truncate" in line]
    (was,), (now,) = truncated_at(tape.lines), truncated_at(list(decisions(tape)))
    assert f'"audio_end_ms":{was}' in next(line for line in said if line.startswith("  -"))
    assert f'"audio_end_ms":{now}' in next(line for line in said if line.startswith("  +"))


def test_the_changed_field_is_named(tmp_path: Path) -> None:
    lines = lines_of(INTERRUPTED)
    cut = messages(lines, "conversation.item.truncate")[0]
    (heard,) = truncated_at(lines[cut : cut + 1])
    lines[cut] = lines[cut].replace(b'"audio_end_ms":%d' % heard, b'"audio_end_ms":1')
    result = replay("run", written(tmp_path / "other.jsonl", lines))
    assert f"msg.audio_end_ms was 1, is {heard}" in result.output


def test_json_tells_the_same(tmp_path: Path) -> None:
    result = replay("run", "--json", TAPES, with_an_early_mark(tmp_path / "early.jsonl"))
    told = json.loads(result.output)
    assert result.exit_code == 1
    assert (told["ok"], told["differs"], told["unreadable"]) == (ALL, 1, 0)
    assert told["tapes"][-1]["difference"]["t_ms"] > 0


def test_what_is_no_tape_is_unreadable_and_the_others_are_still_replayed(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl", [b"hello\n"])
    written(tmp_path / "b.jsonl", lines_of(INTERRUPTED))
    result = replay("run", tmp_path)
    assert result.exit_code == 2
    assert "unreadable" in result.output
    assert "2 tapes: 1 ok, 1 unreadable" in result.output


@pytest.mark.parametrize("data", [b"", b"{}\n", b'{"tape":99,"call_id":"x"}\n', b"\x1f\x8b\x08\x00nonsense"])
def test_bytes_that_are_no_tape_are_an_error_and_no_crash(tmp_path: Path, data: bytes) -> None:
    for name in ("x.jsonl", "x.jsonl.gz"):
        (tmp_path / name).write_bytes(data)
        assert replay("run", tmp_path / name).exit_code == 2


def test_a_spoilt_archive_is_an_error_and_no_crash(tmp_path: Path) -> None:
    data = bytearray(INTERRUPTED.read_bytes())
    data[2000:2040] = bytes(40)
    (tmp_path / "x.jsonl.gz").write_bytes(data)
    result = replay("run", tmp_path / "x.jsonl.gz")
    assert result.exit_code == 2
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_broken_line_is_named_with_its_tape(tmp_path: Path) -> None:
    lines = lines_of(INTERRUPTED)
    lines[100] = b"{broken}\n"
    result = replay("run", written(tmp_path / "x.jsonl", lines))
    assert result.exit_code == 2
    assert "x.jsonl: line 101: JSON is malformed" in result.output.replace("\n", "")


def test_a_line_that_lacks_what_it_needs_is_an_error_and_no_crash(tmp_path: Path) -> None:
    lines = lines_of(INTERRUPTED)[:-40]
    now = decode(lines[-1]).t_ms
    lines.append(b'{"t_ms":%d,"leg":"twilio_ws","from":"twilio","close":{}}\n' % now)
    path = written(tmp_path / "x.jsonl", lines)
    assert replay("run", path).exit_code == 2
    assert replay("export", "--wire", path).exit_code == 2


def test_nothing_found_is_an_error_with_advice(tmp_path: Path) -> None:
    result = replay("run", tmp_path)
    assert result.exit_code == 2
    assert "Error:" in result.stderr
    assert "Try:" in result.stderr


def test_a_call_is_found_by_the_first_letters_of_its_id(tmp_path: Path) -> None:
    call_id = read_tape(INTERRUPTED).header.call_id
    folder = tmp_path / "tapes" / "2026-11-23"
    folder.mkdir(parents=True)
    (folder / f"{call_id}.jsonl.gz").write_bytes(INTERRUPTED.read_bytes())
    assert replay("run", call_id[:12], "--data", tmp_path).exit_code == 0
    assert replay("run", "CAffff", "--data", tmp_path).exit_code == 2


@pytest.mark.parametrize("command", ["run", "wav", "export"])
def test_every_command_explains_itself_with_examples(command: str) -> None:
    result = replay(command, "--help")
    assert result.exit_code == 0
    assert f"replay {command} " in result.output


def test_the_tapes_hold_no_secrets() -> None:
    for name in NAMES:
        data = b"".join(lines_of(TAPES / name))
        assert b"golden-test-auth-token" not in data
        assert b"sk-none" not in data


def test_a_tape_in_memory_is_not_changed_by_replaying_it() -> None:
    tape = read_tape(INTERRUPTED)
    copy = Tape(tape.path, tape.header, list(tape.lines), tape.is_torn)
    list(retold(tape))
    assert tape == copy
