"""A call on paper: what is to happen at which millisecond, the heart that is told of it, and the tape of both.

It waits for nothing and reads no time; who says what is the business of those who plan it.
"""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Final

from attrs import define, field

from bridge.errors import BridgeError
from bridge.heart.call import Call
from bridge.heart.effects import Effect
from bridge.heart.events import ClockRang, Event
from bridge.tapes.key_mask import KeyMask
from bridge.tapes.tape import NOTE, Line, encode, line_of

MOST_ENTRIES: Final = 100_000
"""A long answer in 20 ms deltas, with its words, at once: beyond it somebody goes round in a circle."""


class AgendaFullError(BridgeError):
    """More is planned than any call needs."""


@define(eq=False)
class Agenda:
    """Acts in the order of their time; those of one millisecond in the order in which they were planned."""

    now_ms: int = 0
    most: int = MOST_ENTRIES
    _entries: list[tuple[int, int, Callable[[], None]]] = field(factory=list)
    _places: Iterator[int] = field(factory=count)

    def at(self, t_ms: int, act: Callable[[], None]) -> None:
        """Plan an act; what should have happened before happens now. Raises `AgendaFullError`."""
        if len(self._entries) >= self.most:
            raise AgendaFullError(f"more than {self.most} things are to happen at {self.now_ms} ms or later")
        heappush(self._entries, (max(t_ms, self.now_ms), next(self._places), act))

    @property
    def next_ms(self) -> int | None:
        """Return when the next act is due; None when there is none."""
        return self._entries[0][0] if self._entries else None

    def step(self) -> None:
        """Go to the next act, and do it."""
        self.now_ms, _, act = heappop(self._entries)
        act()


@define(eq=False)
class Paper:
    """The heart, its clock and its tape; `carry_out` is given everything that the heart wants."""

    call: Call
    carry_out: Callable[[Effect], None]
    agenda: Agenda = field(factory=Agenda)
    lines: list[bytes] = field(factory=list)
    _mask: KeyMask = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._mask = KeyMask.of(self.call.agent.keys)

    def begin(self) -> None:
        """Let the heart begin."""
        self._do(self.call.begin())

    def step(self) -> None:
        """Let the next thing happen: what is planned, or the heart's alarm if it is due before."""
        due, coming, agenda = self.call.deadline, self.agenda.next_ms, self.agenda
        if due is not None and (coming is None or due < coming):
            agenda.now_ms = max(agenda.now_ms, due)
            self.feed(Line(t_ms=agenda.now_ms, leg=NOTE, sender="clock", rang=True), ClockRang())
        else:
            agenda.step()

    def write(self, line: Line) -> None:
        """Put a line on the tape that the heart need not know."""
        self.lines.append(encode(self._mask.line(line)))

    def hide(self, keys: str) -> None:
        """Keep these keys off the tape: they were collected for one tool alone."""
        self._mask.hide(keys)

    def feed(self, line: Line, event: Event) -> None:
        """Tape what happened, tell the heart, carry out what it wants."""
        self.write(line)
        self._do(self.call.handle(event, line.t_ms))

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._mask.learn(effect)
            self.write(line_of(self.agenda.now_ms, effect))
            self.carry_out(effect)
