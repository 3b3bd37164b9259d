"""One call as both stand-ins saw it, on one clock: milliseconds since it rang. It judges nothing."""

from collections.abc import Iterator
from typing import Any, Final

import attrs

from replay.conformance.card import Evidence, JudgedCall
from replay.conformance.session_log import DELTA, SessionLog, Told
from replay.conformance.situations import Situation
from replay.model.watch import Happening, told_of
from replay.phone.report import CallReport
from replay.phone.screen import told_of as phone_told_of

MOST_LINES: Final = 600
"""Of one call's log on the card."""


@attrs.frozen
class Spoken:
    """The audio of one of the model's items: when its first and its last piece were sent, and how long it is."""

    item_id: str
    response_id: str
    first_ms: int
    last_ms: int
    length_ms: int


@attrs.frozen(eq=False)
class BothSides:
    """A call that was made. `number` tells the copies of a situation apart."""

    situation: Situation
    report: CallReport
    sessions: tuple[SessionLog, ...]
    number: int = 1

    @property
    def name(self) -> str:
        """Its name on the card."""
        copies = self.situation.copies
        return self.situation.name if copies == 1 else f"{self.situation.name} {self.number}"

    def ms(self, told: Told) -> int:
        """When something was said at the model, in ms since the call rang."""
        return round((told.at - self.report.rang_at) * 1000)

    def line_ms(self, line_ms: int) -> int:
        """A moment on the caller's line, in ms since the call rang."""
        return (self.report.line_began_ms or 0) + line_ms

    def on_line(self, at_ms: int) -> int:
        """The other way round."""
        return at_ms - (self.report.line_began_ms or 0)

    def told(self, kind: str, who: str = "model") -> list[Told]:
        """Return the messages of one kind, of all its sessions, in order."""
        found = (told for log in self.sessions for told in log.told if told.kind == kind and told.who == who)
        return sorted(found, key=lambda told: told.at)

    def spoken(self) -> list[Spoken]:
        """Return the audio that the model sent, item by item, in the order in which it began."""
        items: dict[str, Spoken] = {}
        for delta in self.told(DELTA):
            item_id, at_ms, ms = delta.what["item_id"], self.ms(delta), delta.what["ms"]
            before = items.get(item_id)
            first_ms, so_far_ms = (before.first_ms, before.length_ms) if before else (at_ms, 0)
            items[item_id] = Spoken(
                item_id, delta.what["response_id"], first_ms, at_ms, so_far_ms + round(ms)
            )
        return list(items.values())

    def heard_ms(self, since_ms: int, until_ms: int) -> int:
        """How much of the agent was heard on the line between two moments since the ring."""
        return self.report.line.heard_ms(self.on_line(since_ms), self.on_line(until_ms))

    # ------------------------------------------------------------------ lines that prove something

    def phone_line(self, at_ms: int, line: str) -> Evidence:
        """A line of the phone's side."""
        return Evidence("phone", at_ms, line)

    def model_line(self, told: Told) -> Evidence:
        """A line of the model's side, as its log has it."""
        return Evidence("model", self.ms(told), _words(told))

    def log(self) -> JudgedCall:
        """Return what both sides have to tell, in the order in which it happened."""
        lines = sorted([*self._phone_lines(), *self._model_lines()], key=lambda line: line.at_ms)
        return JudgedCall(self.name, self.situation.title, tuple(lines[:MOST_LINES]))

    def _phone_lines(self) -> Iterator[Evidence]:
        for event in self.report.events:
            if (told := phone_told_of(event.kind, event.detail)) is not None:
                yield Evidence("phone", event.t_ms, f"{told[0]} {told[1]}")
        for span in self.report.line.spans:
            heard_ms = span.end_ms - span.begin_ms
            yield Evidence("phone", self.line_ms(span.end_ms), f"agent was heard for {heard_ms} ms")

    def _model_lines(self) -> Iterator[Evidence]:
        for log in self.sessions:
            yield from (self.model_line(told) for told in log.told if told.is_shown)
        for item in self.spoken():
            yield Evidence("model", item.last_ms, f"{item.length_ms} ms of audio were sent of {item.item_id}")


def _words(told: Told) -> str:
    happening = Happening(0, 0, told.who, told.what if "type" in told.what else {"type": told.kind})
    words: list[Any] = [what for _, what in told_of(happening)]
    return "; ".join(filter(None, words)) or told.kind
