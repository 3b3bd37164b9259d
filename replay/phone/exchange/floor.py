"""The clock of a call off its media stream: every 20 ms each telephone hears, speaks and presses."""

import attrs
import trio

from replay.phone.leg import Leg
from replay.phone.line import FRAME_MS
from replay.phone.report import CallReport


@attrs.define(eq=False)
class Floor:
    """All telephones of one call. While `is_streaming` the caller's is the media stream's, which has its own clock."""

    _report: CallReport
    legs: list[Leg] = attrs.field(factory=list)
    is_streaming: bool = False
    _ticked: trio.Event = attrs.field(factory=trio.Event)
    _begun: trio.Event = attrs.field(factory=trio.Event)

    def begin(self) -> None:
        """The caller's line is up: from now on time passes on it."""
        self._report.begin_line()
        self._begun.set()

    @property
    def now_ms(self) -> int:
        """Now, on the clock of all lines."""
        return self._report.line_now_ms()

    async def run(self) -> None:
        """Let time pass for as long as the call lasts."""
        await self._begun.wait()
        while True:
            now_ms = self.now_ms // FRAME_MS * FRAME_MS
            for leg in [*self.legs]:
                if not leg.is_gone and not (self.is_streaming and leg is self.legs[0]):
                    leg.tick(now_ms)
            self._ticked.set()
            self._ticked = trio.Event()
            await trio.sleep_until(self._report.line_time(now_ms + FRAME_MS))

    async def tick(self) -> int:
        """Wait for the next 20 ms; the time then."""
        await self._ticked.wait()
        return self.now_ms
