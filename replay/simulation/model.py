"""The model's side of a simulated call: the stand-in's own session, on an agenda instead of a socket.

What the stand-in's connection does to a session (refusals, closes, resets, stalls) is done here without one.
"""

from collections.abc import Callable, Iterator
from functools import partial
from math import ceil
from typing import Final

from attrs import define, field

from bridge.links.model import HEARTBEAT_ANSWER_SECONDS, HEARTBEAT_SECONDS
from replay.model.script import Script
from replay.model.session import Session
from replay.simulation.agenda import Agenda

CONNECT_MS: Final = 1
SESSION_SECONDS: Final = 3600
REFUSALS: Final = {"invalid_api_key": 3000, "model_not_found": 4000}
"""Close codes of sessions that are refused after the upgrade."""


@define(eq=False, kw_only=True)
class SimulatedModel:
    """One session; `tell` is given each message, `leave` a close, `stall` is called when silence is noticed."""

    script: Script
    model: str
    number: int
    agenda: Agenda = field(repr=False)
    tell: Callable[[str | bytes], None]
    leave: Callable[[int, str], None]
    stall: Callable[[], None]
    has_begun: bool = False
    is_gone: bool = False
    session: Session = field(init=False)
    _is_stalled: bool = False

    def __attrs_post_init__(self) -> None:
        headers: dict[str, str] = {}
        self.session = Session(
            self.number, self.model, headers, self.script, self._send, self._later, SESSION_SECONDS
        )

    @property
    def is_refused(self) -> bool:
        """Say whether not even the upgrade is granted."""
        return self.session.faults.refuse == "http_401"

    def begin(self) -> None:
        """Greet the bridge, or refuse it, and plan what goes wrong later; at the moment of the upgrade."""
        self.has_begun = True
        faults, now_ms = self.session.faults, self.agenda.now_ms
        if faults.refuse is not None:
            return self._refuse(faults.refuse)
        for after_ms, act in (
            (faults.close_after_ms, self._expire),
            (faults.drop_after_ms, partial(self._close, 1006, "")),
            (faults.stall_after_ms, partial(self._stop, now_ms)),
        ):
            if after_ms is not None:
                self.agenda.at(now_ms + after_ms, act)
        self.session.begin()

    def hear(self, message: str) -> None:
        """Take a message of the bridge's."""
        if not self.is_gone and not self._is_stalled and self.session.faults.refuse is None:
            self.session.receive(message)

    def end(self) -> None:
        """The bridge has closed the socket."""
        if not self.is_gone:
            self.is_gone = True
            self.session.end(1000)

    def _send(self, frame: str | bytes) -> None:
        if not self.is_gone and not self._is_stalled:
            self.agenda.at(self.agenda.now_ms, partial(self.tell, frame))

    def _later(self, waits: Iterator[float]) -> None:
        self.agenda.at(self.agenda.now_ms, partial(self._drive, waits, float(self.agenda.now_ms)))

    def _drive(self, waits: Iterator[float], due: float) -> None:
        if self.is_gone or self._is_stalled:
            return
        wait = next(waits, None)
        if wait is not None:
            due += wait
            self.agenda.at(ceil(due), partial(self._drive, waits, due))

    # ------------------------------------------------------------ what goes wrong

    def _refuse(self, refusal: str) -> None:
        self.session.wire.error(refusal, f"The session was refused: {refusal}.")
        self._close(REFUSALS[refusal], f"invalid_request_error.{refusal}")

    def _expire(self) -> None:
        faults = self.session.faults
        if faults.close_with_error:
            self.session.wire.error("session_expired", faults.close_reason)
        self._close(faults.close_code, faults.close_reason)

    def _close(self, code: int, reason: str) -> None:
        if not self.is_gone and not self._is_stalled:
            self.is_gone = True
            self.session.end(code)
            self.agenda.at(self.agenda.now_ms, partial(self.leave, code, reason))

    def _stop(self, began_ms: int) -> None:
        """Say and read nothing any more: the first ping that is not answered tells the bridge."""
        self._is_stalled = True
        every_ms = round(HEARTBEAT_SECONDS * 1000)
        pings = (self.agenda.now_ms - began_ms) // every_ms + 1
        noticed_ms = began_ms + pings * every_ms + round(HEARTBEAT_ANSWER_SECONDS * 1000)
        self.agenda.at(noticed_ms, self.stall)
