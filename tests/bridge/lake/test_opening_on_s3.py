"""A lake whose files lie in object storage: written, read, and erased there."""

import os
from pathlib import Path

import pytest
from kept import ALICE, Folder
from lakes import asked, needs_extensions

storages = pytest.importorskip("storage", reason="the extra s3 and the group fleet are not installed")

from bridge.errors import LakeError  # noqa: E402
from bridge.lake.opening import LakePlace, opened  # noqa: E402
from bridge.lake.searching import left_in  # noqa: E402
from bridge.lake.sending import send  # noqa: E402
from bridge.lake.upkeep import erase, tidy  # noqa: E402
from bridge.settings.store import STORAGE  # noqa: E402
from bridge.store.unsent import Unsent  # noqa: E402

pytestmark = needs_extensions


def place_in(tmp_path: Path) -> LakePlace:
    given = {name: os.environ[name] for name in STORAGE if name in os.environ}
    return LakePlace(str(tmp_path / "lake.ducklake"), f"s3://{storages.BUCKET}/lake", "host-a", given)


def test_calls_are_written_to_object_storage_and_erased_from_it(tmp_path: Path):
    folder = Folder(tmp_path / "data")
    folder.put("CA1", caller=ALICE)
    folder.put("CA2")
    with storages.open_storage() as storage:
        place = place_in(tmp_path)
        with opened(place) as connection:
            for call_id in ("CA1", "CA2"):
                Unsent.in_folder(folder.data).mark([call_id], are_new=True)
                send(connection, place, folder.store)
            many = len(storage.keys())
            tidy(connection, place, keep_hours=0)
            assert 0 < len(storage.keys()) < many
            erase(connection, place, ["CA1"])
            assert left_in(connection, place, ["CA1", ALICE[1:]]) == []
        assert asked(place, "select call_id from lake.calls") == [("CA2",)]
        client, names = storage.client(), storage.keys()
        held = [client.get_object(Bucket=storages.BUCKET, Key=name)["Body"].read() for name in names]
        assert held
        assert not [data for data in held if ALICE[1:].encode() in data or b"CA1" in data]


def test_storage_that_is_away_costs_no_call_and_its_key_is_not_told(tmp_path: Path):
    folder = Folder(tmp_path / "data")
    folder.put("CA1")
    Unsent.in_folder(folder.data).mark(["CA1"], are_new=True)
    with storages.open_storage() as storage:
        place = place_in(tmp_path)
        with storage.away():
            away = place_in(tmp_path)
            with pytest.raises(LakeError) as refused, opened(away) as connection:
                send(connection, away, folder.store)
        assert "a-test-secret" not in str(refused.value)
        assert Unsent.in_folder(folder.data).count() == 1
        with opened(place) as connection:
            assert send(connection, place, folder.store).calls == 1
        assert asked(place, "select call_id from lake.calls") == [("CA1",)]
