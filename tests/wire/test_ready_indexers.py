"""Indexers that are forked, as tests have them: processes as ever."""

import os
import signal
import sys
from pathlib import Path

import pytest
import trio
from ready_indexers import Forked

from bridge.config import Secrets, parse
from bridge.indexing.process import ProcessDied, start_indexer
from bridge.store.messages import Found, Look, Prepare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they are started as ever")


async def test_it_has_a_number_and_a_memory_of_its_own_answers_and_can_be_killed(tmp_path: Path) -> None:
    settings = parse({"agents": {"front-desk": {}}}, tmp_path / "config.toml")
    settings.data_folder.mkdir()
    async with trio.open_nursery() as nursery:
        one = await start_indexer(nursery, Prepare(settings, Secrets()))
        assert isinstance(one.process, Forked)  # type: ignore[unreachable]
        await one.wait_ready()
        other = await start_indexer(nursery, Prepare(settings, Secrets()))  # waits for the folder until then
        assert isinstance(await one.ask(Look(settings, "", 1)), Found)
        assert len({os.getpid(), one.pid, other.pid}) == 3
        os.kill(one.pid, signal.SIGKILL)
        with pytest.raises(ProcessDied, match="status -9"):
            await one.ask(Look(settings, "", 1))
        await other.wait_ready()
        other.process.kill()
        assert await other.process.wait() == -signal.SIGKILL
        nursery.cancel_scope.cancel(reason="both are dead")
