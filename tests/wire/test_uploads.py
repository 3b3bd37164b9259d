"""A daemon with object storage: tapes are there when calls have ended, and no caller notices storage that is away."""

import httpx2
import pytest
import trio
from storage import Storage, storage

from bench.stage import MakePlace, Stage, open_stage
from bridge.indexing import uploader as uploader_module
from bridge.objects import bucket
from bridge.tapes.reader import read_tape
from bridge.uploads.stub import lying, stored_of
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent
from replay.tapes.player import replay_tape

__all__ = ["storage"]
pytestmark = pytest.mark.real_time("storage is another server")

HELLO = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)


async def all_uploaded(stage: Stage, count: int) -> None:
    """Return when so many tapes were uploaded."""
    while stage.daemon.uploader.uploaded < count:  # noqa: ASYNC110 - nobody tells when
        await trio.sleep(0.02)


async def test_a_call_that_ended_is_in_storage_whatever_storage_did_meanwhile(
    place: MakePlace, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploader_module, "EVERY_SECONDS", 0.1)
    setup = place(shared={"tapes": storage.url})
    with trio.fail_after(60):
        with storage.away():
            async with open_stage(setup) as stage:
                reports = [await stage.ring(HELLO) for _ in range(3)]
                await stage.wait_recorded()
                while not stage.daemon.uploader.fault:  # noqa: ASYNC110 - nobody tells when
                    await trio.sleep(0.02)
        assert [report.closed_by for report in reports] == ["caller"] * 3
        assert all(report.first_heard_ms is not None for report in reports)
        assert (len(setup.calls()), storage.keys()) == (3, [])
        async with open_stage(setup) as stage:  # the next start finds on the disk what is to be done
            await stage.ring(HELLO)
            await stage.wait_recorded()
            await all_uploaded(stage, 4)
    assert len(storage.keys()) == 4
    for path in setup.tapes:
        stored = stored_of(path)
        assert stored is not None
        assert bucket.read(stored.path) == path.read_bytes()
        path.unlink()
        assert read_tape(lying(path)).header.call_id == path.name.partition(".")[0]
        assert replay_tape(lying(path)).difference is None


async def test_a_call_in_storage_alone_has_its_page_its_sound_and_its_tape_in_the_console(
    place: MakePlace, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploader_module, "EVERY_SECONDS", 0.1)
    setup = place(
        shared={"tapes": storage.url},
        admin={"bind": "127.0.0.1:0"},
        admin_token="let-me-in",
        console={"on": True},
    )
    with trio.fail_after(90):
        async with open_stage(setup) as stage:
            await stage.ring(HELLO)
            await stage.wait_recorded()
            await all_uploaded(stage, 1)
            (path,), (row,) = setup.tapes, setup.calls()
            tape, pages, home = path.read_bytes(), {}, f"/console/calls/{row['call_id']}"
            for has_local_copy in (True, False):
                if not has_local_copy:
                    path.unlink()
                async with httpx2.AsyncClient(
                    trust_env=False,
                    timeout=60,
                    base_url=f"http://{stage.daemon.monitoring.address}",
                    headers={"Authorization": "Bearer let-me-in"},
                ) as client:
                    names = (home, f"{home}/sound.wav", f"{home}/lines.json", f"{home}/tape")
                    answers = [await client.get(name) for name in names]
                assert [answer.status_code for answer in answers] == [200] * 4
                pages[has_local_copy] = [answer.content for answer in answers[1:]]
            assert pages[True] == pages[False]
            assert pages[False][-1] == tape
            assert (setup.folder / "data" / "ready" / row["call_id"] / path.name).read_bytes() == tape
