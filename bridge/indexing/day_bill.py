"""What the calls of a day have cost, whichever process carried them: those on record, and those that go on.

The day is the calendar's in UTC, as on every page, and a call is of the day on which it began. What is on record is the
database's word, so that a restart forgets nothing.
"""

from datetime import UTC, date, datetime
from typing import Final

import structlog
import trio
from attrs import define

from bridge.calls.switchboard import Switchboard
from bridge.indexing.indexer import Indexer
from bridge.store.messages import Question, Rows

LOOK_SECONDS: Final = 10
"""A call costs cents a minute: what is let in between two looks is no more than what the calls there cost anyway."""

ON_RECORD: Final = "select coalesce(sum(cost_usd), 0) as usd from calls where started_at >= cast(? as date)"

log = structlog.get_logger(__name__)


@define(eq=False)
class DayBill:
    """Counts while there is a cap, and tells the switchboard, which lets nobody in beyond it."""

    switchboard: Switchboard
    indexer: Indexer
    _recorded_usd: float = 0.0
    _as_of: tuple[date, int] | None = None
    """Of which day that is, and after how many recorded calls."""
    _is_reached: bool = False

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            if self.switchboard.settings.server.max_cost_per_day_usd:
                await self.look(datetime.now(UTC).date())
            await trio.sleep(LOOK_SECONDS)

    async def look(self, day: date) -> None:
        """Count what this day's calls have cost so far."""
        board, as_of = self.switchboard, (day, self.indexer.added)
        if as_of != self._as_of:
            answer = await self.indexer.read(Question({"spent": (ON_RECORD, (day.isoformat(),))}))
            if isinstance(answer, Rows):  # else what was known holds, and the next look asks again
                # before the first call there is no database, and no row
                self._recorded_usd = sum(float(row["usd"]) for row in answer.tables["spent"])
                self._as_of = as_of
        going_on = await board.host.glances(board.calls)
        spent_usd = self._recorded_usd + sum(one.spent_usd or 0.0 for one in going_on.values())
        board.admission.spent_today_usd = spent_usd
        self._say(spent_usd)

    def _say(self, spent_usd: float) -> None:
        """Log when the cap is reached, and when there is room again."""
        cap = self.switchboard.settings.server.max_cost_per_day_usd
        if self._is_reached != (spent_usd >= cap):
            self._is_reached = not self._is_reached
            told = {"spent_usd": round(spent_usd, 4), "max_cost_per_day_usd": cap}
            if self._is_reached:
                log.warning("the day's calls have cost what they may: new ones are refused", **told)
            else:
                log.info("calls may cost something again", **told)
