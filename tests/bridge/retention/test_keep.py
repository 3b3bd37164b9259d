"""How long calls are kept: sound goes first, then the tape, then the rows, each agent's after its own days."""

import gzip
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from kept import Folder, cached

from bridge.agents import Agent
from bridge.cli import main
from bridge.config import Settings, parse
from bridge.errors import ConfigError, StoreError
from bridge.heart.audio import SILENCE
from bridge.heart.events import CallerSpoke
from bridge.indexing.worker import Indexing
from bridge.retention import keep as keeping
from bridge.retention.erase import erase_rows, given_audio
from bridge.store.database import patiently
from bridge.store.messages import Found, Look, Removed
from bridge.store.records import records_of
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.header import settings_of
from bridge.tapes.reader import read_tape
from bridge.tapes.redact import soundless
from bridge.tapes.tape import Line, decode, received
from replay.tapes.player import replay_tape
from replay.tapes.wav import sound_of

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
CALLS = ("hung_up", "interrupted", "late_model", "late_stream", "model_lost")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "data")


def settings_for(folder: Folder, agents: dict[str, Any] | None = None, **recording: Any) -> Settings:
    raw = {"recording": recording, "agents": agents or {"front-desk": {}}}
    return parse(raw, folder.data.parent / "config.toml")


def keep(folder: Folder, now: datetime = NOW, **recording: Any) -> Removed:
    return keeping.keep(folder.data, settings_for(folder, **recording), now)


# ---------------------------------------------------------------- sound


@pytest.mark.parametrize("name", CALLS)
def test_a_tape_that_lost_its_sound_replays_and_has_the_same_records(folder: Folder, name: str) -> None:
    path = folder.put("CA1", tape=name)
    before = read_tape(path)
    assert keep(folder, keep_audio_days=1).silenced == 1
    after = read_tape(path)
    assert not after.header.has_audio
    assert replay_tape(path).difference is None
    assert records_of(after.header, map(decode, after.lines)) == records_of(
        before.header, map(decode, before.lines)
    )
    assert not sound_of(after).caller.strip(SILENCE)
    assert not sound_of(after).agent.strip(SILENCE)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_words_and_decisions_stay_to_the_byte(folder: Folder) -> None:
    path = folder.put("CA1", tape="interrupted")
    before = read_tape(path).lines
    keep(folder, keep_audio_days=1)
    after = read_tape(path).lines
    changed = [now for was, now in zip(before, after, strict=True) if was != now]
    assert changed
    assert all(b'"event":"media"' in raw or b"audio.delta" in raw for raw in changed)
    assert sound_of(read_tape(path)).agent == SILENCE * len(sound_of(read_tape(path)).agent)


def test_a_tape_is_silenced_once(folder: Folder) -> None:
    folder.put("CA1")
    assert keep(folder, keep_audio_days=1).silenced == 1
    assert keep(folder, keep_audio_days=1) == Removed()


def test_sound_is_found_wherever_a_message_keeps_it() -> None:
    deep = {
        "type": "conversation.item.retrieved",
        "item": {"content": [{"type": "input_audio", "audio": "AAAA"}]},
    }
    line = received(1, "openai_ws", "openai", msgspec.json.encode(deep).decode(), CallerSpoke("MZ", 1, b"x"))
    assert msgspec.json.decode(soundless(line).msg or b"")["item"]["content"][0] == {
        "type": "input_audio", "audio": "////",
    }  # fmt: skip
    assert soundless(Line(t_ms=1, leg="twilio_ws", sender="twilio", binary=b"ABC")).binary == bytes(3)
    text = received(
        1, "openai_ws", "openai", '{"type":"x","audio":{"rate":8000}}', CallerSpoke("MZ", 1, b"x")
    )
    assert soundless(text) is text


def test_a_payload_that_was_no_base64_is_none_afterwards() -> None:
    line = received(
        1, "twilio_ws", "twilio", '{"event":"media","media":{"payload":"AAA"}}', CallerSpoke("", 1, b"")
    )
    assert b'"payload":"="' in bytes(soundless(line).msg or b"")


# ---------------------------------------------------------------- days


def test_each_kind_has_its_own_days(folder: Folder) -> None:
    paths = [folder.put(f"CA{age}", day=f"{NOW - timedelta(days=age):%Y-%m-%d}") for age in (2, 12, 22, 32)]
    removed = keep(folder, keep_audio_days=10, keep_tapes_days=20, keep_rows_days=30)
    assert (removed.silenced, removed.deleted, removed.rows, removed.failed) == (1, 2, 1, 0)
    assert [path.exists() for path in paths] == [True, True, False, False]
    assert [read_tape(path).header.has_audio for path in paths[:2]] == [True, False]
    assert {row["call_id"] for row in folder.rows()["calls"]} == {"CA2", "CA12", "CA22"}
    assert not paths[3].parent.exists()


def test_nothing_goes_unless_days_are_set(folder: Folder) -> None:
    path = folder.put("CA1", day="2001-01-01")
    before = path.read_bytes()
    assert keep(folder) == Removed()
    assert path.read_bytes() == before


def test_a_call_goes_at_the_moment_its_days_are_over(folder: Folder) -> None:
    path = folder.put("CA1")
    begun = datetime.fromisoformat(read_tape(path).header.started_at)
    assert keep(folder, begun + timedelta(days=7, seconds=-1), keep_tapes_days=7).deleted == 0
    assert keep(folder, begun + timedelta(days=7), keep_tapes_days=7).deleted == 1


def test_an_agent_has_days_of_its_own_and_zero_is_for_ever(folder: Folder) -> None:
    agents = {"front-desk": {}, "sales": {"keep": {"tapes_days": 1}}, "law": {"keep": {"tapes_days": 0}}}
    for name in (*agents, "gone"):
        folder.put(f"CA-{name}", **{'"agent":"front-desk"': f'"agent":"{name}"'})
    settings = settings_for(folder, agents, keep_tapes_days=100)
    keeping.keep(folder.data, settings, NOW)
    left = {path.name.split(".")[0] for path in (folder.data / "tapes").rglob("*.gz")}
    assert left == {"CA-front-desk", "CA-law", "CA-gone"}
    assert keeping.keep(folder.data, settings, NOW + timedelta(days=100)).deleted == 2
    assert (settings.keep_of("law").audio_days, settings.keep_of("gone").tapes_days) == (0, 100)


def test_days_are_not_on_the_tape_for_they_may_change() -> None:
    assert "keep" not in settings_of(Agent())


# ---------------------------------------------------------------- rows


def test_the_bytes_of_rows_are_gone_and_other_calls_rows_are_the_same(folder: Folder) -> None:
    folder.put("CAold", day="2026-10-01", **{"Hello!": "Xylophone!"})
    folder.put("CAnew", tape="interrupted")
    before = folder.rows("CAnew")
    assert "calls.duckdb" in folder.holding("CAold")
    assert keep(folder, keep_tapes_days=30, keep_rows_days=30).rows == 1
    assert folder.holding("CAold", "Xylophone") == []
    assert folder.rows("CAnew") == before
    assert folder.rows()["calls"] == before["calls"]


def test_rows_that_are_gone_are_not_indexed_again_while_the_tape_is_kept(folder: Folder) -> None:
    path = folder.put("CA1", day="2020-01-01")
    settings = settings_for(folder, keep_rows_days=30)
    assert keeping.keep(folder.data, settings, NOW).rows == 1
    wants = keeping.keeps_rows(settings, lambda: NOW)
    assert path.exists()
    assert not wants(path)
    assert Indexing(folder.data).reply_to(Look(settings, "", 10)) == Found((), has_more=False)


def test_a_rebuilt_database_keeps_the_rows_of_calls_whose_tapes_are_gone(folder: Folder) -> None:
    folder.put("CA1", day="2026-01-01")
    kept = folder.put("CA2")
    assert keep(folder, keep_tapes_days=30).deleted == 1
    before = folder.rows()
    assert folder.store.rebuild([kept], lambda: None) == []
    assert folder.rows() == before


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    """Let another process hold the database."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.communicate()


def test_a_database_that_somebody_holds_is_waited_for_and_then_told(folder: Folder) -> None:
    folder.put("CA1")
    before = folder.rows()
    with held_by_another(folder.store.path), pytest.raises(StoreError, match="held by another process"):
        patiently(lambda: erase_rows(folder.store, ["CA1"]), seconds=0.15)
    assert folder.rows() == before
    assert sorted(path.name for path in folder.data.iterdir()) == ["calls.duckdb", "tapes"]


def test_a_log_of_writes_that_another_process_left_is_no_part_of_the_new_file(folder: Folder) -> None:
    folder.put("CA1")
    write = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute(sys.argv[2]); os._exit(0)"
    sql = "update transcript set said = 'Xylophone'"
    subprocess.run([sys.executable, "-c", write, str(folder.store.path), sql], check=True)
    assert folder.holding("Xylophone") == ["calls.duckdb.wal"]
    assert erase_rows(folder.store, ["CA1"])["calls"] == 1
    assert folder.holding("Xylophone") == []
    assert folder.rows()["transcript"] == []


# ---------------------------------------------------------------- what else there is of a call


def test_labels_and_what_the_lab_heard_go_with_the_tape(folder: Folder) -> None:
    path, other = folder.put("CA1", tape="interrupted"), folder.put("CA12", tape="hung_up")
    heard, others = cached(folder, path), cached(folder, other)
    labels = [path.with_name("CA1.labels.txt"), path.with_name(".CA1.jsonl.gz.77.part")]
    for label in (*labels, other.with_name("CA12.labels.txt")):
        label.write_text("0.1\t0.2\tturn: hello")
    keeping._delete(folder.data, path)
    assert [file.exists() for file in (path, heard, *labels)] == [False] * 4
    assert other.exists()
    assert others.exists()
    assert other.with_name("CA12.labels.txt").exists()


def test_the_audio_that_the_lab_hears_is_found_as_it_finds_it(folder: Folder) -> None:
    recording = pytest.importorskip("replay.vad.truth.recording")
    for name in ("interrupted", "hung_up", "late_model"):
        tape = read_tape(folder.put(f"CA{name}", tape=name))
        assert given_audio(map(decode, tape.lines)) == recording.read_recording(tape).audio


def test_a_deleted_tapes_webhook_is_still_known(folder: Folder) -> None:
    folder.put("CA1")
    keep(folder, keep_tapes_days=1)
    known = Forgotten.in_folder(folder.data)
    assert (known.has("CA1"), known.has("CA2")) == (True, False)
    assert b"CA1" not in known.path.read_bytes()


def test_a_half_written_copy_of_a_dead_process_goes_after_a_day(folder: Folder) -> None:
    part = folder.put("CA1").with_name(".CA1.jsonl.gz.1.part")
    part.write_bytes(b"half")
    written = datetime.fromtimestamp(part.stat().st_mtime, UTC)
    settings = settings_for(folder)
    assert keeping.due(folder.data, settings, written).leftovers == ()
    assert keeping.due(folder.data, settings, written + timedelta(days=1)).leftovers == (part,)
    keeping.keep(folder.data, settings, written + timedelta(days=2))
    assert not part.exists()


def test_an_open_tape_is_the_recorders(folder: Folder) -> None:
    path = folder.put("CA1", day="2020-01-01")
    opened = path.with_suffix("")
    opened.write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    assert keep(folder, keep_tapes_days=1).deleted == 0
    assert opened.exists()


# ---------------------------------------------------------------- what is odd


def test_a_tape_that_cant_be_rewritten_is_told_and_costs_no_other(folder: Folder) -> None:
    path, good = folder.put("CA1"), folder.put("CA2")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    removed = keep(folder, keep_audio_days=1)
    assert (removed.silenced, removed.failed) == (1, 1)
    assert not read_tape(good).header.has_audio
    assert [refusal.partition(":")[0] for refusal in removed.refusals] == [str(path)]
    assert path.read_bytes() == data[: len(data) // 2]
    assert keep(folder, keep_tapes_days=1).deleted == 2


def test_a_tape_erased_while_it_is_rewritten_does_not_come_back(folder: Folder) -> None:
    path = folder.put("CA1")
    Forgotten.in_folder(folder.data).add(["CA1"])
    assert keep(folder, keep_audio_days=1).silenced == 0
    assert not path.exists()


def test_a_damaged_file_of_forgotten_calls_is_told(tmp_path: Path) -> None:
    known = Forgotten(tmp_path / "forgotten")
    assert not known.has("CA1")
    known.path.write_bytes(b"what")
    assert not known.has("CA1")
    with pytest.raises(StoreError, match="its first line is no salt"):
        known.add(["CA1"])


# ---------------------------------------------------------------- the command and the task


def bridge(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def configured(folder: Folder, text: str) -> Path:
    path = folder.data.parent / "config.toml"
    path.write_text(f"[recording]\n{text}\n[agents.front-desk]\n")
    return path


def test_the_command_shows_what_would_go_and_then_removes_it(folder: Folder) -> None:
    path = folder.put("CA1", day="2020-01-01")
    config = configured(folder, "keep_audio_days = 1\nkeep_rows_days = 30")
    dry = bridge("keep", "--dry-run", "-c", config)
    assert (dry.exit_code, read_tape(path).header.has_audio) == (0, True)
    assert dry.output.splitlines()[:2] == ["sound of 1 call would be removed", f"  {path}"]
    done = bridge("keep", "-c", config, "--json")
    assert (done.exit_code, msgspec.json.decode(done.output)["silenced"]) == (0, 1)
    assert bridge("keep", "-c", config).output == (
        "sound of 0 calls removed, tapes of 0, rows of 0; 0.0 MB freed\n"
    )


def test_what_would_go_is_for_machines_too(folder: Folder) -> None:
    folder.put("CA1", day="2020-01-01")
    said = bridge("keep", "--dry-run", "--json", "-c", configured(folder, "keep_rows_days = 1"))
    assert msgspec.json.decode(said.output) == {"silence": [], "delete": [], "rows": ["CA1"], "leftovers": []}


def test_reindexing_brings_no_row_back_that_is_too_old(folder: Folder) -> None:
    folder.put("CA1", day="2020-01-01")
    folder.put("CA2", day="2099-01-01")
    assert bridge("reindex", "-c", configured(folder, "keep_rows_days = 1")).exit_code == 0
    assert [row["call_id"] for row in folder.rows()["calls"]] == ["CA2"]


def test_what_is_too_old_goes_piece_by_piece_so_that_others_get_their_turn(folder: Folder) -> None:
    for number in range(keeping.BATCH + 1):
        folder.put(f"CA{number}", day="2020-01-01")
    settings = settings_for(folder, keep_audio_days=1, keep_rows_days=1)
    removed = list(keeping.keep_in_steps(folder.data, settings, NOW))
    assert [piece.silenced for piece in removed] == [0, keeping.BATCH, 1, 0]
    assert removed[-1].rows == keeping.BATCH + 1
    assert not sum(keeping.keep_in_steps(folder.data, settings, NOW), Removed())


def test_days_must_be_days(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"\[agents.a.keep\] audio_days = -1: use a whole number from 0 to 36500"
    ):
        parse({"agents": {"a": {"keep": {"audio_days": -1}}}}, tmp_path / "config.toml")
