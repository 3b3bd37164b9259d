"""Calls whose tapes are in object storage: local copies go, and what is too old or to be forgotten goes there too."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from kept import CALLER, OURS, Folder
from storage import BUCKET, Storage, storage

from bridge.cli import main
from bridge.config import Settings, parse
from bridge.errors import ForgetError, ObjectError
from bridge.indexing.worker import Indexing
from bridge.retention.forget import erase, look_for
from bridge.retention.keep import keep
from bridge.store.messages import KeepMark, Told
from bridge.tapes.late import Mark, mark_on
from bridge.tapes.reader import header_of, read_tape
from bridge.tapes.tape import decode
from bridge.uploads.stub import is_uploaded, located, lying, stub_of
from bridge.uploads.upload import not_uploaded, upload
from replay.cli import main as replay_main

__all__ = ["storage"]
NOW = datetime(2026, 12, 24, tzinfo=UTC)


def settings_of(folder: Folder, url: str, **recording: int) -> Settings:
    raw = {
        "store": {"tapes": url, "keep_local_days": 7},
        "recording": {"folder": str(folder.data), **recording},
        "agents": {"front-desk": {}},
    }
    return parse(raw, folder.data / "config.toml")


@pytest.fixture
def folder(tmp_path: Path, storage: Storage) -> Folder:
    """Return a data folder with three calls, all in storage; the last one of today."""
    made = Folder(tmp_path / "data")
    for call_id, day in (("CAfirst", "2026-11-23"), ("CAsecond", "2026-11-23"), ("CAthird", "2026-12-23")):
        assert upload(made.put(call_id, tape="interrupted", day=day), storage.url)
    return made


def bytes_in(storage: Storage) -> bytes:
    """Return everything that is in the bucket, in any version, unpacked where it is a tape."""
    import gzip

    client = storage.client()
    found = client.list_object_versions(Bucket=BUCKET).get("Versions", [])
    bodies = [
        client.get_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
        for one in found
    ]
    return b"".join(gzip.decompress(body) for body in bodies) + b" ".join(
        one["Key"].encode() for one in found
    )


def test_local_copies_go_once_they_are_old_and_only_of_what_is_in_storage(
    folder: Folder, storage: Storage
) -> None:
    kept = folder.put("CAfourth", day="2026-11-23")  # not uploaded
    removed = keep(folder.data, settings_of(folder, storage.url), NOW)
    assert (removed.local_copies, removed.deleted, removed.failed) == (2, 0, 0)
    assert sorted(path.name for path in folder.data.rglob("*.jsonl.gz")) == [kept.name, "CAthird.jsonl.gz"]
    assert len(storage.keys()) == 3
    assert len(folder.rows("CAfirst")["calls"]) == 1


def test_a_call_in_storage_alone_is_shown_and_replayed_as_before(folder: Folder, storage: Storage) -> None:
    keep(folder.data, settings_of(folder, storage.url), NOW)
    shown = CliRunner().invoke(main, ["show", "CAfirst", "--data", str(folder.data)])
    assert f"{storage.url}/2026-11-23/CAfirst.jsonl.gz" in shown.output.replace("\n", "")
    for command in ("run", "show"):
        result = CliRunner().invoke(replay_main, [command, "CAfirst", "--data", str(folder.data)])
        assert result.exit_code == 0, result.output
    again = CliRunner().invoke(main, ["reindex", "--data", str(folder.data)])
    assert "3 calls from 3 tapes" in again.output
    (row,) = folder.rows("CAfirst")["calls"]
    assert read_tape(located(folder.data, row["tape"])).header.call_id == "CAfirst"


def test_what_is_too_old_loses_its_sound_in_storage_too(folder: Folder, storage: Storage) -> None:
    storage.keep_versions()
    settings = settings_of(folder, storage.url, keep_audio_days=20)
    tape = folder.data / "tapes" / "2026-11-23" / "CAfirst.jsonl.gz"
    tape.unlink()
    assert keep(folder.data, settings, NOW).silenced == 2
    for path in list(not_uploaded(folder.data / "tapes")):
        assert upload(path, storage.url)
    keep(folder.data, settings, NOW)
    assert not tape.exists()
    header = header_of(lying(tape))
    assert header is not None
    assert not header.has_audio
    assert all(not line.binary for line in map(decode, read_tape(lying(tape)).lines))
    versions = storage.client().list_object_versions(Bucket=BUCKET)["Versions"]
    assert len(versions) == 3, "no older version has kept the sound"
    assert keep(folder.data, settings, NOW).silenced == 0


@pytest.mark.parametrize("has_local_copy", [True, False])
def test_what_is_too_old_is_deleted_in_storage_too(
    folder: Folder, storage: Storage, has_local_copy: bool
) -> None:
    if not has_local_copy:
        keep(folder.data, settings_of(folder, storage.url), NOW)
    removed = keep(folder.data, settings_of(folder, storage.url, keep_tapes_days=20), NOW)
    assert (removed.deleted, removed.failed) == (2, 0)
    assert storage.keys() == ["tapes/2026-12-23/CAthird.jsonl.gz"]
    assert not list(folder.data.rglob("CAfirst*"))


def test_storage_that_is_away_keeps_what_is_too_old_for_the_next_time(
    folder: Folder, storage: Storage
) -> None:
    settings = settings_of(folder, storage.url, keep_tapes_days=20)
    with storage.away():
        removed = keep(folder.data, settings, NOW)
    assert (removed.deleted, removed.failed) == (0, 2)
    assert "can't be reached" in removed.refusals[0]
    assert keep(folder.data, settings, NOW).deleted == 2


@pytest.mark.parametrize("keeps_versions", [True, False])
def test_forgetting_a_number_leaves_no_byte_in_storage(
    folder: Folder, storage: Storage, keeps_versions: bool
) -> None:
    if keeps_versions:
        storage.keep_versions()
        for path in folder.data.rglob("*.jsonl.gz"):  # an older version of each, and a mark of a deletion
            storage.client().delete_object(Bucket=BUCKET, Key=f"tapes/{path.parent.name}/{path.name}")
            storage.client().put_object(
                Bucket=BUCKET, Key=f"tapes/{path.parent.name}/{path.name}", Body=path.read_bytes()
            )
    other = folder.put("CAother", caller="+15559876001", tape="interrupted")
    assert upload(other, storage.url)
    storage.client().put_object(
        Bucket=BUCKET, Key="tapes/2026-11-23/CAfirst.0a1b2c3d.jsonl.gz", Body=other.read_bytes()
    )
    keep(folder.data, settings_of(folder, storage.url), NOW)
    assert CALLER[1:].encode() in bytes_in(storage)
    result = CliRunner().invoke(main, ["forget", CALLER, "--data", str(folder.data), "--yes", "--json"])
    assert result.exit_code == 0, result.output
    told = msgspec.json.decode(result.stdout)
    assert sorted(told["calls"]) == ["CAfirst", "CAsecond", "CAthird"]
    assert (told["objects"], told["proof"]["left"]) == (4, [])
    assert storage.keys() == ["tapes/2026-11-23/CAother.jsonl.gz"]
    left = bytes_in(storage)
    for needle in (CALLER[1:].encode(), b"CAfirst", b"CAsecond", b"CAthird"):
        assert needle not in left


def test_a_call_of_which_only_storage_knows_is_found_by_its_number(folder: Folder, storage: Storage) -> None:
    keep(folder.data, settings_of(folder, storage.url), NOW)
    (folder.data / "calls.duckdb").unlink()
    meant = look_for(CALLER, folder.data, daemon_runs=False)
    assert sorted(known.call_id for known in meant.calls) == ["CAfirst", "CAsecond", "CAthird"]


def test_what_can_not_be_erased_in_storage_is_erased_nowhere_yet(folder: Folder, storage: Storage) -> None:
    meant = look_for("CAfirst", folder.data, daemon_runs=False)
    with storage.away(), pytest.raises(ObjectError, match="can't be reached"):
        erase(folder.data, meant)
    assert stub_of(folder.data / "tapes" / "2026-11-23" / "CAfirst.jsonl.gz").exists()
    assert len(folder.rows("CAfirst")["calls"]) == 1
    assert erase(folder.data, look_for("CAfirst", folder.data, daemon_runs=False)).objects == 1


def test_an_older_tape_that_is_laid_back_is_not_taken_for_what_is_in_storage(
    folder: Folder, storage: Storage
) -> None:
    tape = folder.data / "tapes" / "2026-11-23" / "CAfirst.jsonl.gz"
    shutil.copy(tape, tape.with_suffix(".copy"))
    shutil.move(tape.with_suffix(".copy"), tape)
    assert not is_uploaded(tape)


def test_a_call_in_storage_alone_can_be_marked_and_goes_there_again(folder: Folder, storage: Storage) -> None:
    keep(folder.data, settings_of(folder, storage.url), NOW)
    reply = Indexing(folder.data).reply_to(KeepMark(Mark("CAfirst", "anna", NOW, mark="bad")))
    tape = folder.data / "tapes" / "2026-11-23" / "CAfirst.jsonl.gz"
    assert reply == Told(str(tape))
    assert list(not_uploaded(folder.data / "tapes")) == [tape]
    assert upload(tape, storage.url)
    keep(folder.data, settings_of(folder, storage.url), NOW)
    assert not tape.exists()
    assert mark_on(lying(tape)) == "bad"


def test_a_number_of_ones_own_is_refused_though_all_tapes_are_in_storage_alone(
    folder: Folder, storage: Storage
) -> None:
    keep(folder.data, settings_of(folder, storage.url), datetime(2027, 1, 24, tzinfo=UTC))
    assert not list(folder.data.rglob("*.jsonl.gz"))
    with pytest.raises(ForgetError, match="number of your own"):
        look_for(OURS, folder.data, daemon_runs=False)
