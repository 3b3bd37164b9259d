"""Twilio's side of a simulated caller who is off the stream: it asks what comes next, does one step, and asks again.

What becomes of each step is a `FarEnd`, and so is what goes wrong out there. It keeps no token: there is no web server.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, Literal

from attrs import define, field, frozen

from bridge.heart.plans import (
    CollectDigits,
    Dial,
    Excursion,
    GoTo,
    HangUp,
    JoinQueue,
    Plan,
    PressDigits,
    TakeMessage,
)
from replay.simulation.agenda import Agenda

Form = Mapping[str, str]
Trouble = Literal[
    "", "never_asks", "asks_twice", "never_back", "back_twice", "hangs_up", "vanishes", "no_callbacks",
    "callbacks_late", "no_stream", "stopped", "refused",
]  # fmt: skip
"""never_asks: no action request comes after the stream; stopped: the caller hangs up in that moment; vanishes: while
away, and nothing says so; no_stream: on return the media socket never comes, and Twilio asks what comes after it."""

ASKS_MS: Final = 40
CONNECTS_MS: Final = 730
"""From the answer to Twilio's upgrade of the next socket, as it was measured once."""

GIVES_UP_MS: Final = 1500


@frozen
class FarEnd:
    """What becomes of one excursion: how its step ends and after how long, and what goes wrong."""

    outcome: str = "completed"
    after_ms: int = 3000
    trouble: Trouble = ""
    digits: str = "4711"


OF_DIAL: Final[Mapping[str, str]] = {"no_answer": "no-answer", "declined": "completed"}


@define(eq=False, kw_only=True)
class SimulatedAway:
    """Everything that happens to the caller between two streams; `ask` posts to one of our paths, with a form."""

    far_ends: Sequence[FarEnd]
    agenda: Agenda = field(repr=False)
    ask: Callable[[str, Form], None]
    hang_up: Callable[[], None]
    number: int = 0
    is_asking: bool = False
    """A request of Twilio's waits for its answer: what is to be done now is done at once."""
    has_gone: bool = False
    _leg: int = 1

    @property
    def far_end(self) -> FarEnd:
        """Return what becomes of the present excursion."""
        return self.far_ends[self.number - 1] if 0 < self.number <= len(self.far_ends) else FarEnd()

    def leave(self, number: int, plan: Plan) -> None:
        """The bridge has closed the stream, or answers with this plan."""
        self.number = number
        if self.is_asking:
            return self._take(plan)
        match self.far_end.trouble:
            case "never_asks":
                pass
            case "stopped":
                self.agenda.at(self.agenda.now_ms, self.hang_up)
            case _:
                self._later(ASKS_MS, partial(self._ask_what_next, number, plan))

    def lose_stream(self) -> None:
        """The stream has broken off, and Connect is over: Twilio asks what comes next."""
        self._later(ASKS_MS, lambda: self._post(f"next?leg={self._leg}", {}))

    def come_back(self, leg: int, meet: Callable[[], None]) -> None:
        """The bridge has answered that the caller is to be connected again."""
        self._leg = leg
        if self.far_end.trouble == "no_stream":
            return self._later(GIVES_UP_MS, partial(self._post, f"next?leg={leg}", {}))
        self._later(CONNECTS_MS, meet)

    def _ask_what_next(self, number: int, plan: Plan) -> None:
        times = 2 if self.far_end.trouble == "asks_twice" else 1
        for _ in range(times):
            self._post(f"next?leg={self._leg}", {})
        if number == self.number:
            self._take(plan)

    # ------------------------------------------------------------ one step

    def _take(self, plan: Plan) -> None:
        number, far_end, step = self.number, self.far_end, plan.step
        if isinstance(step, Dial) and far_end.trouble != "no_callbacks":
            self._ring(number, step, far_end)
        match far_end.trouble:
            case "never_back" | "vanishes":
                return
            case "hangs_up":
                gone = {"CallStatus": "completed"}
                return self._later(far_end.after_ms // 2, partial(self._post, f"away/{number}/back", gone))
        assert not isinstance(step, GoTo | HangUp)  # they are ends, and no excursions
        form = _form(step, far_end)
        for place in range(2 if far_end.trouble == "back_twice" else 1):
            self._later(far_end.after_ms + 50 * place, partial(self._post, f"away/{number}/back", form))

    def _ring(self, number: int, step: Dial, far_end: FarEnd) -> None:
        """Tell of whoever is rung: their phone rings, they answer, and of a warm call they press a key or don't."""
        late_ms = far_end.after_ms if far_end.trouble == "callbacks_late" else 0
        answers = far_end.outcome in ("completed", "declined")
        told: list[tuple[int, str, Form]] = [(300, "leg", {"CallStatus": "ringing"})]
        if answers:
            told.append((800, "leg", {"CallStatus": "in-progress"}))
        if answers and step.place.is_warm:
            told.append((900, "whisper", {}))
            told.append((1200, "key", {"Digits": "1" if far_end.outcome == "completed" else "2"}))
        told.append((far_end.after_ms - 10, "leg", {"CallStatus": "completed"}))
        for at_ms, asked, form in told:
            at_ms = at_ms if asked in ("whisper", "key") else at_ms + late_ms
            self._later(
                min(at_ms, far_end.after_ms + late_ms), partial(self._post, f"away/{number}/{asked}", form)
            )

    def _post(self, path: str, form: Form) -> None:
        if self.has_gone:
            return
        is_back = path.endswith("/back")
        self.has_gone = form.get("CallStatus") == "completed" and is_back
        self.is_asking = is_back
        try:
            self.ask(path, form)
        finally:
            self.is_asking = False

    def _later(self, after_ms: int, act: Callable[[], None]) -> None:
        self.agenda.at(self.agenda.now_ms + after_ms, act)


def _form(step: Excursion, far_end: FarEnd) -> Form:
    """Return what Twilio posts when a step has ended so."""
    outcome = far_end.outcome
    if far_end.trouble == "refused":
        return {"ErrorCode": "13214"}
    match step:
        case Dial():
            seconds = {"DialCallDuration": str(far_end.after_ms // 1000)} if outcome == "completed" else {}
            bridged = {"DialBridged": "false"} if outcome == "declined" else {}
            return {
                "DialCallStatus": OF_DIAL.get(outcome, outcome),
                "DialCallSid": "CA" + "8" * 32,
                **seconds,
                **bridged,
            }
        case JoinQueue():
            result = {"completed": "bridged", "busy": "queue-full", "no_answer": "leave"}.get(
                outcome, "error"
            )
            return {"QueueResult": result, "QueueTime": str(far_end.after_ms // 1000)}
        case CollectDigits():
            return {"Digits": far_end.digits if outcome == "completed" else ""}
        case TakeMessage():
            url = {"RecordingUrl": "https://api.example.com/RE1"} if outcome == "completed" else {}
            return {**url, "RecordingDuration": str(far_end.after_ms // 1000), "Digits": "#"}
        case PressDigits():
            return {}
