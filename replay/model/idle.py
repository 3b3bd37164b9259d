"""The idle time-out of server_vad: a caller who says nothing after an answer is spoken to again.

How long an answer plays is the service's guess, for it does not hear the line: from response.done, in real time.
"""

from collections.abc import Callable, Iterator

import attrs

from replay.model.caller import Caller


@attrs.define
class Patience:
    """Waits after each answer; `on_timeout` is told once the caller's silence was committed as a turn."""

    _caller: Caller
    _limit_ms: Callable[[], int | None]
    """The session's idle_timeout_ms at this moment; None for never."""
    _on_timeout: Callable[[], None]
    _later: Callable[[Iterator[float]], None]
    _waits: int = attrs.field(default=0, init=False)

    def begin(self, audio_ms: float) -> None:
        """An answer is done, and is taken to play for so long from now; who said nothing is not waited for."""
        self.end()
        if audio_ms and self._limit_ms() is not None:
            self._later(self._wait(self._waits, audio_ms))

    def end(self) -> None:
        """Somebody speaks, or is about to: nothing comes of the wait that is under way."""
        self._waits += 1

    def _wait(self, number: int, audio_ms: float) -> Iterator[float]:
        yield audio_ms
        since_ms, limit_ms = self._caller.judged_ms, self._limit_ms()
        if limit_ms is None or number != self._waits:
            return
        yield limit_ms
        if number == self._waits and limit_ms == self._limit_ms() and not self._caller.is_speaking:
            self._caller.give_up(since_ms)
            self._on_timeout()
