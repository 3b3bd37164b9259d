"""One call as both stand-ins saw it, on one clock: milliseconds since it rang. It judges nothing."""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

import attrs

from replay.conformance.card import Evidence, JudgedCall
from replay.conformance.machine import Hurry
from replay.conformance.session_log import DELTA, SessionLog, Told
from replay.conformance.situations import Situation
from replay.model.watch import Happening, told_of
from replay.phone.line import FRAME_MS, Clear
from replay.phone.report import CallReport
from replay.phone.report import Happening as PhoneEvent
from replay.phone.screen import told_of as phone_told_of

MOST_LINES: Final = 600
"""Of one call's log on the card."""

ACTS: Final = ("caller_says", "caller_presses", "caller_hangs_up", "socket_dropped", "stream_lost", "closed")
"""With each of these what the agent says may change."""


@attrs.frozen
class Spoken:
    """The audio of one of the model's items: when its first and its last piece were sent, and how long it is."""

    item_id: str
    response_id: str
    first_ms: int
    last_ms: int
    length_ms: int


@attrs.frozen
class Answer:
    """One response of the model: when it began and ended, how, and how much audio it has."""

    id: str
    created: Told
    began_ms: int
    ended_ms: int | None
    status: str
    audio_ms: int


@attrs.frozen(eq=False)
class BothSides:
    """A call that was made. `number` tells the copies of a situation apart."""

    situation: Situation
    report: CallReport
    sessions: tuple[SessionLog, ...]
    number: int = 1
    hurry: Hurry = Hurry()
    at_once: int = 1
    """So many calls went on at the same time, with this one, when there were most."""

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

    def heard_at_ms(self, line_ms: int) -> int:
        """When something was really heard that the line has at a moment: a busy machine comes to it later."""
        ticks = self.report.ticks
        place = bisect_right(ticks, line_ms, key=lambda tick: tick[0]) - 1
        late_ms = ticks[place][1] - ticks[place][0] if place >= 0 else 0
        return self.line_ms(line_ms) + late_ms

    def _on_line(self, at_ms: int) -> int:
        """How far the line had really come by a moment since the ring."""
        line_ms, ticks = at_ms - (self.report.line_began_ms or 0), self.report.ticks
        place = bisect_right(ticks, line_ms, key=lambda tick: tick[1]) - 1
        return min(line_ms, ticks[place][0] + FRAME_MS) if place >= 0 else line_ms

    @property
    def over_ms(self) -> int:
        """When its stream was over."""
        return self.report.closed_ms or self.report.events[-1].t_ms

    # ------------------------------------------------------------------ the model's side

    def told(self, kind: str, who: str = "model") -> list[Told]:
        """Return the messages of one kind, of all its sessions, in order."""
        found = (told for log in self.sessions for told in log.told if told.kind == kind and told.who == who)
        return sorted(found, key=lambda told: told.at)

    @property
    def refusals(self) -> set[str]:
        """Why the model refused a session, in its words: without a model's name in the address, say."""
        seen = {log.number for log in self.sessions if any(log.of("session.created"))}
        logs = (log for log in self.sessions if log.number not in seen)
        return {str(told.what["error"].get("code")) for log in logs for told in log.of("error")}

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

    def answers(self) -> list[Answer]:
        """Return the model's responses, in order."""
        done = {told.what["response"]["id"]: told for told in self.told("response.done")}
        audio_ms: dict[str, int] = {}
        for item in self.spoken():
            audio_ms[item.response_id] = audio_ms.get(item.response_id, 0) + item.length_ms
        return [
            Answer(
                one.what["response"]["id"],
                one,
                self.ms(one),
                self.ms(end) if (end := done.get(one.what["response"]["id"])) else None,
                end.what["response"]["status"] if end else "in_progress",
                audio_ms.get(one.what["response"]["id"], 0),
            )
            for one in self.told("response.created")
        ]

    # ------------------------------------------------------------------ the phone's side

    def events(self, *kinds: str) -> list[PhoneEvent]:
        """Return what happened on the phone's side of these kinds."""
        return [event for event in self.report.events if event.kind in kinds]

    def next_act_ms(self, after_ms: int) -> int:
        """When the caller did something next, or the stream was over; at once, if they are speaking."""
        acts = (
            max(event.t_ms, after_ms)
            for event in self.events(*ACTS)
            if event.t_ms + event.detail.get("ms", 0) > after_ms
        )
        return min(acts, default=self.over_ms)

    def heard_ms(self, since_ms: int, until_ms: int) -> int:
        """How much of the agent was heard on the line between two moments since the ring."""
        return self.report.line.heard_ms(self._on_line(since_ms), self._on_line(until_ms))

    def heard_from(self, since_ms: int) -> int | None:
        """When the agent was next heard, from a moment on; None if never."""
        begins = (
            max(self.heard_at_ms(span.begin_ms), since_ms)
            for span in self.report.line.spans
            if self.heard_at_ms(span.end_ms) > since_ms
        )
        return min(begins, default=None)

    def clears_ms(self) -> list[int]:
        """When each `clear` came."""
        return [self.line_ms(clear.at_ms) for clear in self.report.clears]

    def arrived_behind(self, clear: Clear, until_ms: int) -> int:
        """How much audio came from the bridge behind a `clear`, before a moment."""
        behind = self.report.line.arrivals[clear.arrivals :]
        return sum(one.length_ms for one in behind if self.line_ms(one.at_ms) < until_ms)

    # ------------------------------------------------------------------ lines that prove something

    def phone_line(self, at_ms: int, line: str) -> Evidence:
        """A line of the phone's side."""
        return Evidence("phone", at_ms, line)

    def act_line(self, event: PhoneEvent) -> Evidence:
        """A line of the phone's side, as its log has it."""
        told = phone_told_of(event.kind, event.detail) or ("", event.kind)
        return Evidence("phone", event.t_ms, " ".join(filter(None, told)))

    def model_line(self, told: Told) -> Evidence:
        """A line of the model's side, as its log has it."""
        return Evidence("model", self.ms(told), _words(told))

    def log(self) -> JudgedCall:
        """Return what both sides have to tell, in the order in which it happened."""
        lines = sorted([*self._phone_lines(), *self._model_lines()], key=lambda line: line.at_ms)
        return JudgedCall(self.name, self.situation.title, tuple(lines[:MOST_LINES]))

    def _phone_lines(self) -> Iterator[Evidence]:
        for event in self.report.events:
            if phone_told_of(event.kind, event.detail) is not None:
                yield self.act_line(event)
        for span in self.report.line.spans:
            heard_ms = span.end_ms - span.begin_ms
            yield Evidence("phone", self.heard_at_ms(span.end_ms), f"agent was heard for {heard_ms} ms")

    def _model_lines(self) -> Iterator[Evidence]:
        for log in self.sessions:
            yield from (self.model_line(told) for told in log.told if told.is_shown)
        for item in self.spoken():
            yield Evidence("model", item.last_ms, f"{item.length_ms} ms of audio were sent of {item.item_id}")


def _words(told: Told) -> str:
    what = told.what if "type" in told.what else {"type": told.kind}
    words = [words for _, words in told_of(Happening(0, 0, told.who, what)) if words]
    return "; ".join(words) or told.kind
