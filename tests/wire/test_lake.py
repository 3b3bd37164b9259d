"""A daemon with a lake: its calls are there soon after they ended; one that is away delays nothing and is caught up."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from attrs import evolve
from kept import Folder
from lakes import asked, needs_extensions

from bridge.config import Recording, Secrets, Settings
from bridge.indexing.indexer import Indexer
from bridge.indexing.shipper import Shipper
from bridge.lake.opening import LakePlace
from bridge.settings.store import SharedStore
from bridge.store.unsent import Unsent

pytestmark = needs_extensions


def settings_in(folder: Path) -> Settings:
    store = SharedStore(lake="lake.ducklake", data="files", lake_seconds=1)
    return evolve(Settings(), folder=folder, store=store, recording=evolve(Recording(), folder="data"))


async def until(is_so: Callable[[], object], seconds: float = 60) -> None:
    with trio.fail_after(seconds):
        while not is_so():  # noqa: ASYNC110 - nobody tells when
            await trio.sleep(0.05)


@pytest.mark.real_time("it waits for processes of our own, one after the other")
async def test_what_is_indexed_is_in_the_lake_and_a_lake_that_was_away_is_caught_up(tmp_path: Path):
    settings = settings_in(tmp_path)
    place = LakePlace.of(settings, Secrets())
    folder = Folder(tmp_path / "data")
    tapes = [folder.put(f"CA{n}") for n in range(2)]
    folder.store.path.unlink()
    (tmp_path / "lake.ducklake").mkdir()  # no catalogue can be there
    indexer, shipper = Indexer(settings, Secrets()), Shipper(settings, Secrets())
    async with trio.open_nursery() as nursery:
        await nursery.start(indexer.run)
        nursery.start_soon(shipper.run)
        for tape in tapes:
            indexer.add(tape)
        await until(lambda: indexer.added >= 2 and shipper.fault)  # nobody has waited for it
        assert (
            Unsent.in_folder(folder.data).count() >= 2
        )  # a call may be marked twice: it was looked for, too
        (tmp_path / "lake.ducklake").rmdir()
        await until(lambda: shipper.sent >= 2 and not shipper.fault)
        nursery.cancel_scope.cancel()
    assert asked(place, "select call_id, host from lake.calls order by 1") == [
        ("CA0", settings.host_name), ("CA1", settings.host_name),
    ]  # fmt: skip
    assert Unsent.in_folder(folder.data).count() == 0
