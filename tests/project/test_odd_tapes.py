"""One odd tape stops no tool: it is named, the others are worked on, the exit code says so, nothing half done stays."""

import gzip
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import attrs
import duckdb
import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings
from hypothesis import strategies as st
from odd import CONTENT, FILES, GOOD, GOOD_ID, KINDS, LINES, MIDDLE, put_good, put_odd
from vad_calls import write_calls

from bridge.cli import main as bridge_main
from bridge.errors import ConfigError, TapeError
from bridge.store.database import Store
from bridge.store.records import records_of
from bridge.tapes.odd_tapes import about
from bridge.tapes.reader import Tape, header_of, read_tape
from bridge.tapes.recovery import closing_lines, finish_torn
from bridge.tapes.tape import decode, event_of
from bridge.text.wording import short_id
from replay.cli import main as replay_main
from replay.compare.plan import callers_of, load_plan
from replay.tapes.beside import written_beside
from replay.tapes.player import replay_tape

CONFIG = "[agents.front-desk]\n"
PLAN = 'callers = ["data/tapes"]\n[variants.today]\nstandin = "model.toml"\n'


@attrs.frozen
class Room:
    """A data folder with one good tape and odd ones beside it."""

    folder: Path
    odd: tuple[Path, ...]
    good: Path

    def bridge(self, *args: str | Path) -> Result:
        config = self.folder / "config.toml"
        config.write_text(CONFIG)
        asked = [str(arg) for arg in (*args, "-c", config, "--data", self.data)]
        return CliRunner().invoke(bridge_main, asked)

    def replay(self, *args: str | Path) -> Result:
        return CliRunner().invoke(replay_main, [str(arg) for arg in args])

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def tapes(self) -> Path:
        return self.data / "tapes"

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


def a_room(folder: Path, *kinds: str) -> Room:
    day = folder / "data" / "tapes" / "2026-11-23"
    return Room(folder, tuple(put_odd(day, kind) for kind in kinds), put_good(day))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A good tape among all odd ones."""
    return a_room(tmp_path, *KINDS)


def assert_told(result: Result, odd: tuple[Path, ...]) -> None:
    """Every odd tape is named in a sentence of its own on standard error, and the exit code says so."""
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert "Traceback" not in result.output
    faults = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert [path.name for path in odd if not any(f"{path}: " in fault for fault in faults)] == []
    assert (result.exit_code, len(faults)) == (2, len(odd))


# ---------------------------------------------------------------- commands that go through many


def reindexed(room: Room) -> Result:
    result = room.bridge("reindex")
    assert f"1 call from {len(room.odd) + 1} tapes" in result.stdout
    assert Store(room.data / "calls.duckdb").call_ids() == {read_tape(room.good).header.call_id}
    return result


def listed(room: Room) -> Result:
    result = room.replay("list", room.data, "--json")
    assert [Path(entry["path"]) for entry in json.loads(result.stdout)] == [room.good]
    return result


def searched(room: Room) -> Result:
    result = room.replay("grep", "Harbour Table opened", room.tapes)
    assert result.stdout.startswith(short_id(GOOD_ID))
    return result


def exported(room: Room) -> Result:
    result = room.replay("export", "--parquet", room.folder / "out", room.tapes)
    with duckdb.connect() as database:
        found = database.sql(
            f"select count(distinct call_id) from '{room.folder}/out/frames.parquet'"
        ).fetchall()
    assert found == [(1,)]
    return result


@pytest.mark.parametrize("command", [reindexed, listed, searched, exported])
def test_odd_tapes_are_named_and_the_good_one_is_worked_on(
    room: Room, command: Callable[[Room], Result]
) -> None:
    assert_told(command(room), room.odd)
    left = {name for name in room.files if name.endswith((".part", ".rebuilding", ".wal"))}
    assert left == set()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_replay_names_each_with_its_outcome(room: Room, jobs: str) -> None:
    report = room.folder / "junit.xml"
    result = room.replay("run", room.tapes, "--json", "-j", jobs, "--junit", report)
    told = json.loads(result.stdout)
    unreadable = {one["path"] for one in told["tapes"] if one["status"] == "unreadable"}
    assert (result.exit_code, told["ok"], unreadable) == (2, 1, {str(path) for path in room.odd})
    assert all(one["path"] in one["error"] for one in told["tapes"] if "error" in one)
    assert report.read_text().count("<error ") == len(room.odd)


def test_callers_of_a_comparison_are_the_others(room: Room) -> None:
    (room.folder / "config.toml").write_text(CONFIG)
    (room.folder / "model.toml").write_text("")
    (room.folder / "plan.toml").write_text(PLAN)
    plan, faults = load_plan(room.folder / "plan.toml"), list[TapeError]()
    assert [caller.name for caller in callers_of(plan, faults)] == [GOOD_ID]
    assert len(faults) == len(room.odd)
    with pytest.raises(ConfigError) as told:
        callers_of(attrs.evolve(plan, callers=room.odd), list[TapeError]())
    assert len(told.value.faults) == len(room.odd)


def test_a_comparison_goes_on_with_the_other_callers(room: Room) -> None:
    (room.folder / "config.toml").write_text(CONFIG)
    (room.folder / "model.toml").write_text('opening = { text = "Hello.", ms = 300 }')
    (room.folder / "call.toml").write_text('steps = [{ wait_for_quiet_ms = 200 }, "hang_up"]')
    room.good.unlink()
    (room.folder / "plan.toml").write_text("repeats = 1\n" + PLAN.replace("[", '["call.toml", ', 1))
    result = room.replay("compare", room.folder / "plan.toml", "--save-baseline", room.folder / "today.json")
    assert "1 calls saved as a baseline" in result.stderr
    assert_told(result, room.odd)


def test_a_sweep_goes_on_with_the_other_calls(room: Room) -> None:
    room.good.unlink()
    calls = write_calls(room.tapes, 3, heard=True)
    grid = ("--thresholds", "0.4:0.6:0.1", "--silences", "300:700:200", "--prefixes", "100", "-j", "1")
    page = room.folder / "vad.html"
    result = room.replay("vad", "sweep", room.tapes, "--data", room.data, "--html", page, *grid, "--json")
    told = json.loads(result.stdout)
    assert (told["stands_on"]["calls"], len(told["skipped"])) == (len(calls), len(room.odd))
    assert_told(result, room.odd)
    assert page.exists()
    in_words = room.replay("vad", "sweep", room.tapes, "--data", room.data, "--html", page, *grid)
    assert_told(in_words, room.odd)
    assert [path for path in room.odd if f"{path}: " in in_words.stdout] == []  # once is enough


def test_the_other_callers_ring_a_bridge_that_is_judged(room: Room) -> None:
    to = ("--to", "http://127.0.0.1:1/voice", "--model-port", 0)
    result = room.replay("judge", *to, "--callers", room.tapes, "--json")
    assert json.loads(result.stdout)["calls"]  # made, and nobody answers there
    assert_told(result, room.odd)
    room.good.unlink()
    alone = room.replay("judge", *to, "--callers", room.tapes, "--json")
    assert alone.stdout == ""
    assert_told(alone, room.odd)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_odd_is_told_with_the_file_and_the_line(tmp_path: Path, kind: str) -> None:
    path = put_odd(tmp_path, kind)
    with pytest.raises(TapeError) as told:
        read_tape(path)
    assert str(told.value).startswith(f"{path}: ")
    assert (f"line {len(LINES) // 2 + 1}: " in str(told.value)) == (kind in CONTENT)


# ---------------------------------------------------------------- commands for one


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_for_one_tape_says_what_is_odd_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    room = a_room(tmp_path, kind)
    (path,) = room.odd
    before = room.files
    for args in (
        ("show", path),
        ("wav", path, "-o", tmp_path / "x.wav"),
        ("export", "--wire", path, "-o", tmp_path / "x.jsonl"),
        ("redact", path, "-o", tmp_path / "x.jsonl.gz"),
        ("call", path, "--to", "http://127.0.0.1:1"),
        ("vad", "labels", path, "-o", tmp_path / "x.txt"),
    ):
        result = room.replay(*args)
        assert isinstance(result.exception, SystemExit), (args, result.exception)
        assert (result.exit_code, str(path) in result.stderr) == (2, True), (args, result.output)
    accepted = room.replay("run", "--accept", path)
    assert (accepted.exit_code, str(path) in accepted.output) == (2, True)
    assert room.files == before


def test_output_that_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"older")

    def interrupted() -> None:
        with written_beside(path) as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ([*tmp_path.iterdir()], path.read_bytes()) == ([path], b"older")


def test_a_device_is_written_and_not_replaced() -> None:
    with written_beside(Path(os.devnull)) as part:
        part.write_bytes(b"x")
    assert not Path(os.devnull).is_file()


# ---------------------------------------------------------------- reindex, keep, forget


def test_rows_of_a_tape_that_was_damaged_since_are_kept(tmp_path: Path) -> None:
    room = a_room(tmp_path)
    assert room.bridge("reindex").exit_code == 0
    before = room.good.read_bytes()
    room.good.write_bytes(before[: len(before) // 2])
    assert_told(room.bridge("reindex"), (room.good,))
    assert Store(room.data / "calls.duckdb").call_ids() == {read_tape(GOOD).header.call_id}


def test_torn_tapes_that_cant_be_closed_are_named_and_left_alone(tmp_path: Path) -> None:
    room = a_room(tmp_path)
    torn = room.good.with_name("CA_torn.jsonl")
    torn.write_bytes(b"".join(LINES[:100]) + b"5\n")
    folder = room.good.with_name("CA_folder.jsonl")
    folder.mkdir()
    before = torn.read_bytes()
    result = room.bridge("reindex")
    assert {path for path in (torn, folder) if f"Error: {path}: " in result.stderr} == {torn, folder}
    assert (result.exit_code, torn.read_bytes() == before, finish_torn(folder)) == (2, True, None)
    assert Store(room.data / "calls.duckdb").call_ids() == {read_tape(GOOD).header.call_id}


def test_what_no_column_can_hold_costs_that_tape_alone(tmp_path: Path) -> None:
    room = a_room(tmp_path)
    odd = room.good.with_name("CA_feb.jsonl")
    good_id = read_tape(room.good).header.call_id
    header = LINES[0].replace(b"2026-11-23T", b"2026-02-31T").replace(good_id.encode(), b"CA_feb")
    odd.write_bytes(b"".join([header, *LINES[1:]]))
    assert_told(room.bridge("reindex"), (odd.with_name(f"{odd.name}.gz"),))
    assert Store(room.data / "calls.duckdb").call_ids() == {good_id}


def test_odd_things_that_a_model_or_a_later_version_says_are_indexed(tmp_path: Path) -> None:
    room = a_room(tmp_path)
    asked = b'"arguments":"\\"Friday\\""'  # JSON, and no object: the tool refuses it
    item = b'"item":{"id":"i1","type":"function_call","call_id":"c1","name":"check_table",' + asked + b"}"
    said = (
        b'{"t_ms":900,"leg":"openai_ws","from":"openai","msg":{"type":"response.output_item.done",'
        + item
        + b"}}\n"
    )
    later = [line.replace(b'"kind":"item",', b'"kind":"item","newer":1,') for line in LINES]
    room.good.write_bytes(gzip.compress(b"".join([*later[:MIDDLE], said, *later[MIDDLE:]])))
    assert room.bridge("reindex").exit_code == 0
    rows = Store(room.data / "calls.duckdb").query("select arguments_raw, arguments from tool_calls")
    assert {"arguments_raw": '"Friday"', "arguments": None} in rows


def test_what_is_too_old_goes_and_odd_tapes_are_named(room: Room) -> None:
    config = room.folder / "keep.toml"
    config.write_text("[recording]\nkeep_audio_days = 1\n[agents.front-desk]\n")
    asked = ["keep", "-c", str(config), "--data", str(room.data)]
    result = CliRunner().invoke(bridge_main, asked)
    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, read_tape(room.good).header.has_audio) == (2, False)
    left = [path for path in room.odd if path.is_file() and not _is_silent(path)]
    assert len(left) > len(FILES)  # of the others every sound is gone
    assert [path for path in left if f"Error: {path}: " not in result.stderr] == []
    assert not [*room.folder.rglob("*.part")]
    config.write_text("[recording]\nkeep_tapes_days = 1\n[agents.front-desk]\n")
    deleted = CliRunner().invoke(bridge_main, asked)
    assert (deleted.exit_code, room.good.exists()) == (2, False)  # one of them is a folder


def _is_silent(path: Path) -> bool:
    header = header_of(path)
    return header is not None and not header.has_audio


@pytest.mark.parametrize("kind", KINDS)
def test_an_odd_tape_can_be_forgotten_by_its_id(tmp_path: Path, kind: str) -> None:
    room = a_room(tmp_path, kind)
    call_id = room.odd[0].name.partition(".")[0]
    if kind in ("a folder", "gone"):
        return  # it is no file of ours
    result = room.bridge("forget", call_id, "--yes")
    assert (result.exit_code, room.odd[0].exists(), room.good.exists()) == (0, False, True), result.output


def test_a_number_is_forgotten_and_tapes_that_may_be_its_are_named(tmp_path: Path) -> None:
    room = a_room(tmp_path, "a newer format", "empty", "of others", "an end without why")
    (unknown, known) = room.odd[:3], room.odd[3]
    result = room.bridge("forget", read_tape(GOOD).header.caller, "--yes")
    assert_told(result, unknown)
    assert ([path.exists() for path in unknown], known.exists(), room.good.exists()) == (
        [True] * 3, False, False,
    )  # fmt: skip


# ---------------------------------------------------------------- whatever else may be on a tape

some = settings(max_examples=150, database=None)
PIECES = st.sampled_from(
    [b'"', b"{", b"}", b"[", b"]", b"-", b"9" * 20, b"null", b"\xff", b"\n", b"true", b"1e9", b""]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a real tape, shortened, with a few bytes of it changed."""
    lines = [LINES[0], *draw(st.lists(st.sampled_from(LINES[1:]), max_size=40))]
    data = bytearray(b"".join(lines))
    for _ in range(draw(st.integers(1, 4))):
        at, size = draw(st.integers(0, len(data))), draw(st.integers(0, 6))
        data[at : at + size] = draw(st.one_of(st.binary(max_size=4), PIECES))
    return bytes(data)


WEIRD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([2**31, 2**63, 10**30, -1, 1e300, "", [], {}, [[{}]]]),
    st.text(max_size=8), st.dictionaries(st.sampled_from(["item", "type", "kind"]), st.integers(), max_size=2),
)  # fmt: skip


@st.composite
def altered(draw: st.DrawFn) -> bytes:
    """Draw a real tape with values of another kind here and there."""
    lines = list(LINES)
    for at in draw(st.lists(st.integers(0, len(lines) - 1), min_size=1, max_size=4)):
        place = whole = json.loads(lines[at])
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from([*keys, *[key for key in keys if isinstance(place[key], dict)] * 9]))
            if not isinstance(place[key], dict | list) or not place[key]:
                break
            place = place[key]
        place[key] = draw(WEIRD)
        lines[at] = json.dumps(whole, separators=(",", ":")).encode() + b"\n"
    return b"".join(lines)


@some
@given(st.one_of(mutated(), altered()))
@example(b"".join(LINES).replace(b'"note":{', b'"note":{"at_ms":1e400,'))
def test_of_a_mutated_tape_nothing_but_a_tape_error_comes(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.jsonl"
    path.write_bytes(data)
    with suppress(TapeError):
        use(read_tape(path))


def use(tape: Tape) -> None:
    """Do everything with a tape that tools do; what was read without a fault makes no other either."""
    lines = [decode(line) for line in tape.lines]
    for line in lines:
        event_of(line)
    records_of(tape.header, lines)
    closing_lines(tape)
    replay_tape(tape.path)


def test_what_nobody_thought_of_is_a_tape_error_too(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="more than this version can take"), about(tmp_path / "x.jsonl"):
        raise RecursionError
