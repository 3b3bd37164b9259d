"""The daemon's task that puts finished tapes into object storage. No call, no record and no ending waits for it.

What is to be done stands on the disk: a tape without a stub of its own time. So nothing is lost when this ends, and
storage that is away or slow costs no more than that tapes stay here for longer.
"""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
import trio
from attrs import define, field

from bridge.config import Settings
from bridge.errors import ObjectError
from bridge.indexing.waiting import Pauses
from bridge.uploads.upload import not_uploaded, upload

EVERY_SECONDS: Final = 10.0
LOOK_AT_ALL_SECONDS: Final = 3600.0
"""In between only the last days are looked at: that is where new tapes are."""

LAST_DAYS: Final = 2
AT_ONCE: Final = 4
"""Uploads at a time, each with its tape in memory: some 300 KB as a rule, 70 MB at most."""

MOST_IN_A_ROUND: Final = 1000
"""Tapes that are known to wait; those beyond them are found when these are done."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


@define(eq=False)
class Uploader:
    """Uploads what is complete, a few at a time, and tries again after ever longer pauses while it can't."""

    settings: Settings
    send: Callable[[Path, str], bool] = upload
    uploaded: int = 0
    failed: int = 0
    """Uploads since the start, and tries that failed: each is made again."""
    fault: str = ""
    """Why nothing can be uploaded now; "" while it can."""
    _waiting: list[Path] = field(factory=list)
    _under_way: int = 0
    _looked: float = float("-inf")
    _pauses: Pauses = field(factory=Pauses)
    _limiter: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(AT_ONCE + 1))

    @property
    def waiting(self) -> int:
        """Return how many tapes are known not to be in storage."""
        return len(self._waiting) + self._under_way

    def counts(self) -> dict[str, float]:
        """Return what was counted since the start, by its metric."""
        return {"bridge_uploads": self.uploaded, "bridge_uploads_failed": self.failed}

    def gauges(self) -> dict[str, float]:
        """Return how it is now, by its metric."""
        return {"bridge_uploads_waiting": self.waiting, "bridge_uploads_failing": bool(self.fault)}

    async def run(self) -> None:
        """Upload what there is, for ever; nothing while no storage is named."""
        while True:
            is_well = await self.once() if self.settings.store.tapes else True
            if is_well:
                self._pauses.begin_anew()
            await trio.sleep(EVERY_SECONDS if is_well else self._pauses.next())

    async def once(self) -> bool:
        """Upload what is here and not in storage; say whether all of it is there now."""
        self._waiting = await self._in_thread(self._look)
        if not self._waiting:
            return True
        fault, self.fault = self.fault, ""
        async with trio.open_nursery() as nursery:
            for _ in range(min(AT_ONCE, len(self._waiting))):
                nursery.start_soon(self._keep_sending, name="upload")
        self._tell(fault)
        return not self.fault

    def _look(self) -> list[Path]:
        now = trio.from_thread.run_sync(trio.current_time)
        is_for_all = bool(self.fault) or now >= self._looked + LOOK_AT_ALL_SECONDS
        tapes = not_uploaded(self.settings.data_folder / "tapes", 0 if is_for_all else LAST_DAYS)
        found = list(islice(tapes, MOST_IN_A_ROUND))
        if is_for_all and len(found) < MOST_IN_A_ROUND:
            self._looked = now
        return found

    async def _keep_sending(self) -> None:
        """Send one tape after the other, until none is left or one can't be sent: then others can't be either."""
        while self._waiting and not self.fault:
            path = self._waiting.pop(0)
            self._under_way += 1
            try:
                is_there = await self._in_thread(self.send, path, self.settings.store.tapes)
                self.uploaded += is_there
            except FileNotFoundError:
                continue  # erased meanwhile
            except (ObjectError, OSError) as error:
                self.failed += 1
                self.fault = str(error)
            finally:
                self._under_way -= 1

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        return await trio.to_thread.run_sync(work, *args, limiter=self._limiter, abandon_on_cancel=True)

    def _tell(self, before: str) -> None:
        """Say once that nothing can be uploaded, and once that it can again."""
        if self.fault and not before:
            log.error("tapes can't be uploaded, trying on; they stay here", fault=self.fault[:300])
        if before and not self.fault:
            log.warning("tapes are uploaded again")
