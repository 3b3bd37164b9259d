"""What the calls of a day have cost, whichever process carried them: those on record, and what all others said last.

A call that is over costs what it cost, though its record may come seconds later, or hours where the indexer is stuck.
The day is the calendar's in UTC, as on every page, and a call is of the day on which it began. What is on record is the
database's word, so that a restart forgets nothing.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

import structlog
import trio
from attrs import define, field

from bridge.calls.switchboard import Switchboard
from bridge.heart.parts.glance import Glance
from bridge.indexing.indexer import Indexer
from bridge.store.messages import Question, Rows

LOOK_SECONDS: Final = 10
"""A call costs cents a minute: what is let in between two looks is no more than what the calls there cost anyway."""

ON_RECORD: Final = "select coalesce(sum(cost_usd), 0) as usd from calls where started_at >= cast(? as date)"

ARE_RECORDED: Final = "select call_id from calls where call_id in (select unnest(cast(? as varchar[])))"

MOST_UNRECORDED: Final = 10_000
"""Calls that are remembered until they are on record; of more, those are forgotten that were there first."""

log = structlog.get_logger(__name__)


@define(eq=False)
class DayBill:
    """Counts while there is a cap, and tells the switchboard, which lets nobody in beyond it."""

    switchboard: Switchboard
    indexer: Indexer
    _recorded_usd: float = 0.0
    _as_of: tuple[date, int] | None = None
    """Of which day that is, and after how many recorded calls."""
    _unrecorded: dict[str, float] = field(factory=dict)
    """What each call that is not on record said last of what it has cost."""
    _is_reached: bool = False

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            if self.switchboard.settings.server.max_cost_per_day_usd:
                await self.look(datetime.now(UTC).date())
            await trio.sleep(LOOK_SECONDS)

    async def look(self, day: date) -> None:
        """Count what this day's calls have cost so far."""
        board = self.switchboard
        if self._as_of is not None and self._as_of[0] != day:
            self._unrecorded.clear()
        self._remember(await board.host.glances(board.calls))
        if (as_of := (day, self.indexer.added)) != self._as_of:
            await self._ask_what_is_recorded(as_of)
        spent_usd = self._recorded_usd + sum(self._unrecorded.values())
        board.admission.spent_today_usd = spent_usd
        self._say(spent_usd)

    def _remember(self, going_on: Mapping[str, Glance]) -> None:
        for call_id, one in going_on.items():
            self._unrecorded[call_id] = one.spent_usd or 0.0
        while len(self._unrecorded) > MOST_UNRECORDED:
            del self._unrecorded[next(iter(self._unrecorded))]

    async def _ask_what_is_recorded(self, as_of: tuple[date, int]) -> None:
        """Take the database's word; where there is none what was known holds, and the next look asks again."""
        spent = ON_RECORD, (as_of[0].isoformat(),)
        recorded = ARE_RECORDED, ([*self._unrecorded],)
        answer = await self.indexer.read(Question({"spent": spent, "recorded": recorded}))
        if not isinstance(answer, Rows):
            return
        # before the first call there is no database, and no row
        self._recorded_usd = sum(float(row["usd"]) for row in answer.tables["spent"])
        self._as_of = as_of
        for row in answer.tables["recorded"]:
            self._unrecorded.pop(row["call_id"], None)

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
