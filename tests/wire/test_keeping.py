"""Disks that fill up and calls that were erased, with real sockets: callers hear no difference, records are whole."""

import errno
import gzip
from pathlib import Path

import attrs
import trio
from structlog.testing import capture_logs

from bench.stage import MakePlace, Place, open_stage
from bridge.screen.retention import forget
from bridge.tapes.files import append_to
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.reader import read_tape
from replay.phone.ring import Caller
from replay.phone.script import HangUp, Wait, WaitForAgent
from replay.tapes.player import replay_tape

QUICK = Caller(steps=(WaitForAgent(), Wait(300), HangUp()), answer_delay_ms=0)


@attrs.define
class FillingDisk:
    """A disk that fills up after some writes, and has room again some writes later."""

    fine: int
    full: int

    def write(self, path: Path, data: bytes) -> None:
        """Append, while there is room."""
        self.fine -= 1
        if -self.full <= self.fine < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        append_to(path, data)


def log_of(setup: Place) -> list[str]:
    return [row["text"] for row in setup.store.query("select text from log order by position")]


async def test_a_disk_that_fills_up_in_mid_call_costs_its_sound_and_nothing_else(place: MakePlace) -> None:
    setup = place(write=FillingDisk(1, 2).write)
    with trio.fail_after(30), capture_logs() as logs:
        async with open_stage(setup) as stage:
            caller = attrs.evolve(QUICK, steps=(WaitForAgent(), Wait(1200), HangUp()))
            report = await stage.ring(caller)
            await stage.wait_recorded()
    assert (report.closed_by, report.error) == ("caller", None)
    assert report.first_heard_ms is not None
    (row,), (path,) = setup.calls(), setup.tapes
    assert (row["ended_by"], row["is_torn"]) == ("caller", False)
    assert log_of(setup) == ["sound is not kept from here on: the disk is full (No space left on device)"]
    assert sum(b'"event":"media"' in line for line in read_tape(path).lines) == report.frames_sent
    assert replay_tape(path).difference is None
    said = [log["event"] for log in logs]
    assert said.count("sound is not kept any more; calls and their records go on") == 1


async def test_beyond_the_quota_callers_hear_the_agent_and_records_are_kept_without_sound(
    place: MakePlace,
) -> None:
    setup = place(recording={"quota_gb": 1e-9})
    with trio.fail_after(30):
        async with open_stage(setup) as stage:
            while not stage.daemon.host.recorder.hushed_by:  # noqa: ASYNC110 - it looks at its start
                await trio.sleep(0.01)
            report = await stage.ring(QUICK)
            await stage.wait_recorded()
    (path,) = setup.tapes
    assert report.first_heard_ms is not None
    assert not read_tape(path).header.has_audio
    assert replay_tape(path).difference is None
    assert log_of(setup)[0].startswith("sound is not kept: ")


async def test_a_webhook_of_an_erased_call_starts_no_new_one(place: MakePlace) -> None:
    setup = place()
    with trio.fail_after(20):
        async with open_stage(setup) as stage:
            report = await stage.ring(QUICK)
            await stage.wait_recorded()
            data = setup.folder / "data"
            code = await trio.to_thread.run_sync(
                lambda: forget(report.call_sid, data, is_dry=False, is_sure=True, wants_json=True)
            )
        assert (code, setup.tapes, setup.calls()) == (0, [], [])
        async with open_stage(setup) as stage:  # it remembers nothing by itself
            again = await stage.ring(QUICK, call_sid=report.call_sid)
            assert (again.frames_sent, stage.daemon.switchboard.live) == (0, 0)
            await stage.ring(QUICK)
            await stage.wait_recorded()
    assert len(setup.calls()) == 1
    assert Forgotten.in_folder(data).has(report.call_sid)


async def test_the_daemon_removes_what_is_too_old_at_its_start(place: MakePlace) -> None:
    setup = place(recording={"keep_tapes_days": 1, "keep_rows_days": 1})
    with trio.fail_after(20):
        async with open_stage(setup) as stage:
            await stage.ring(QUICK)
            await stage.wait_recorded()
        (path,) = setup.tapes
        _make_old(path, setup)
        with capture_logs() as logs:
            async with open_stage(setup):
                while "removed what is too old" not in [log["event"] for log in logs]:  # noqa: ASYNC110 - the log tells
                    await trio.sleep(0.02)
    assert (setup.tapes, setup.calls()) == ([], [])


def _make_old(path: Path, setup: Place) -> None:
    """Let a call have been in another year."""
    text = gzip.decompress(path.read_bytes()).decode()
    started = read_tape(path).header.started_at
    path.write_bytes(gzip.compress(text.replace(started, "2020-01-01T00:00:00.000+00:00").encode()))
    setup.store.add([path])
