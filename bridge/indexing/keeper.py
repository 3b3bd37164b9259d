"""The daemon's task that lets old calls go: the indexer does the work, every six hours and at each start."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
import trio
from attrs import asdict, define, evolve

from bridge.config import Settings
from bridge.indexing.indexer import Indexer
from bridge.store.messages import Removed

EVERY_SECONDS: Final = 6 * 3600
log = structlog.get_logger(__name__)


@define(eq=False)
class Keeper:
    """Has what is too old removed."""

    settings: Settings
    indexer: Indexer
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def run(self) -> None:
        """Remove what is too old, for ever."""
        while True:
            await self.once()
            await trio.sleep(EVERY_SECONDS)

    async def once(self) -> Removed:
        """Remove what is too old; what can't be now is tried again the next time."""
        data = self.settings.data_folder
        if not await trio.to_thread.run_sync(_has_calls, data, abandon_on_cancel=True):
            return Removed()
        removed = await self.indexer.keep(self.clock())
        for refusal in removed.refusals:
            log.error(refusal)
        if removed.silenced or removed.deleted or removed.rows or removed.local_copies:
            log.info("removed what is too old", **asdict(evolve(removed, refusals=())))
        return removed


def _has_calls(data: Path) -> bool:
    """Say whether anything was ever recorded here: else nobody has to be asked."""
    return any((data / "tapes").glob("*")) or (data / "calls.duckdb").exists()
