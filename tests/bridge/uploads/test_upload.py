"""A tape goes into storage whole, is proved to be there, and leaves a stub; nothing of anybody's is overwritten."""

import os
import shutil
from pathlib import Path

import pytest
from storage import Storage, storage

from bridge.errors import ObjectError
from bridge.objects import bucket
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.names import DONE_SUFFIX, call_id_of
from bridge.tapes.reader import header_of, known_on_disk, read_tape
from bridge.uploads.stub import is_uploaded, lying, read_stub, stored_of, stub_of
from bridge.uploads.upload import not_uploaded, object_of, upload

__all__ = ["storage"]
TAPE = Path("tests/tapes/interrupted.jsonl.gz")


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return laid(tmp_path)


def laid(data: Path, source: Path = TAPE) -> Path:
    """Lay a finished tape into a data folder."""
    header = header_of(source)
    assert header is not None
    path = data / "tapes" / header.started_at[:10] / f"{header.call_id}{DONE_SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, path)
    return path


def test_a_tape_is_put_under_its_day_and_id_and_its_stub_says_so(tape: Path, storage: Storage) -> None:
    assert not is_uploaded(tape)
    assert upload(tape, storage.url)
    assert is_uploaded(tape)
    target = object_of(storage.url, tape)
    assert bucket.read(target) == tape.read_bytes()
    assert storage.keys() == [f"tapes/{tape.parent.name}/{tape.name}"]
    tape.unlink()
    assert lying(tape) == target
    assert read_tape(lying(tape)).header.call_id == call_id_of(tape)


def test_a_stub_knows_whose_call_it_was_and_no_number(tape: Path, storage: Storage) -> None:
    upload(tape, storage.url)
    header = header_of(tape)
    known = known_on_disk(tape.parents[1], call_id_of(tape))
    tape.unlink()
    assert header is not None
    assert known_on_disk(tape.parents[1], call_id_of(tape)) == known
    assert header.caller.encode() not in stub_of(tape).read_bytes()


def test_a_tape_that_was_changed_is_put_there_again_in_its_place(tape: Path, storage: Storage) -> None:
    upload(tape, storage.url)
    shutil.copy("tests/tapes/hung_up.jsonl.gz", tape)
    os.utime(tape, ns=(1, 1))
    assert list(not_uploaded(tape.parents[1])) == [tape]
    assert upload(tape, storage.url)
    assert list(not_uploaded(tape.parents[1])) == []
    assert bucket.read(object_of(storage.url, tape)) == tape.read_bytes()
    assert len(storage.keys()) == 1


def test_what_a_crash_left_there_is_taken_for_what_it_is(tape: Path, storage: Storage) -> None:
    bucket.put(object_of(storage.url, tape), tape.read_bytes())
    assert upload(tape, storage.url)
    assert len(storage.keys()) == 1


def test_the_tape_of_another_host_stays_and_ours_gets_a_name_beside_it(tape: Path, storage: Storage) -> None:
    bucket.put(object_of(storage.url, tape), b"of another host")
    assert upload(tape, storage.url)
    assert bucket.read(object_of(storage.url, tape)) == b"of another host"
    stored = stored_of(tape)
    assert stored is not None
    assert bucket.read(stored.path) == tape.read_bytes()
    assert len(storage.keys()) == 2


def test_a_call_that_is_erased_meanwhile_is_not_there_afterwards(tape: Path, storage: Storage) -> None:
    Forgotten.in_folder(tape.parents[2]).add([call_id_of(tape)])
    assert not upload(tape, storage.url)
    assert storage.keys() == []
    assert not stub_of(tape).exists()


def test_storage_that_keeps_something_else_is_not_believed(
    tape: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_new = bucket.put_new
    monkeypatch.setattr(bucket, "put_new", lambda path, data: put_new(path, data[:-1] + b"?"))
    with pytest.raises(ObjectError, match="not what was sent"):
        upload(tape, storage.url)
    assert not is_uploaded(tape)


def test_a_tape_that_can_not_be_read_is_kept_there_all_the_same(tape: Path, storage: Storage) -> None:
    tape.write_bytes(b"no tape")
    assert upload(tape, storage.url)
    assert read_stub(stub_of(tape)) is not None
    assert is_uploaded(tape)
