"""What holds for late results, whenever they come: with a model that answers whatever it is asked, and callers who take
their turns."""

import itertools
from collections import Counter
from collections.abc import Callable

from attrs import define, field
from heart import Driver, agent_with, of, open_call
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.heart.effects import AddCall, AnswerTool, CreateResponse, OpenSession
from bridge.heart.events import (
    ModelFinishedAudio,
    ModelLeft,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    StreamStopped,
    ToolAnswered,
    ToolCalled,
    ToolReported,
)
from bridge.tool_rules import ToolRule

LATE = {"look_up": ToolRule(late=True, once=True)}
deeds = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 2)),
        st.tuples(st.just("result"), st.integers(0, 5)),
        st.tuples(st.just("progress"), st.integers(0, 5)),
        st.tuples(st.just("begin"), st.just(0)),
        st.tuples(st.just("end"), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([20, 300, 900, 3000])),
        st.tuples(st.just("lose"), st.just(0)),
    ),
    max_size=30,
)


@define
class World:
    """A call, its model, and its caller."""

    line: Driver = field(factory=lambda: open_call(agent_with(reconnects=100), rules=LATE))
    called: int = 0
    said: int = 0
    answered: int = 0
    is_speaking: bool = False
    spoken_into: int = 0

    def do(self, deed: str, how: int) -> None:
        """Let one thing happen, and the model answer what it is asked then."""
        match deed:
            case "call":
                self._respond(ToolCalled("", f"c{self.called}", "look_up", f'{{"n": {how}}}'))
                self.called += 1
            case "result":
                self._look(lambda: self.line.tell(ToolAnswered(f"c{how}", f"result {how}")))
            case "progress":
                self._look(lambda: self.line.tell(ToolReported(f"c{how}", "half of it")))
            case "begin" if not self.is_speaking:
                self.line.caller_begins()
                self.is_speaking = True
            case "end" if self.is_speaking:
                self.is_speaking = False
                self.line.caller_ends()
                self._respond()
            case "wait":
                self._look(lambda: self.line.wait_with_frames(how))
            case "lose":
                self.line.tell(ModelLeft(1006, ""))
                self.is_speaking = False
                self.line.tell(SessionCreated(0), SessionUpdated(), after=100)
        self._answer()

    def _look(self, act: Callable[[], object]) -> None:
        before = len(of(self.line.wanted, CreateResponse))
        act()
        if self.is_speaking:
            self.spoken_into += len(of(self.line.wanted, CreateResponse)) - before

    def _answer(self) -> None:
        while not self.is_speaking and self.answered < len(of(self.line.wanted, CreateResponse)):
            self._respond()

    def _respond(self, *tools: ToolCalled) -> None:
        """Make a whole response, and have it heard."""
        self.answered = len(of(self.line.wanted, CreateResponse))
        if self.is_speaking:
            return
        self.said += 1
        response, item = f"r{self.said + 20}", f"i{self.said + 20}"
        self.line.tell(ResponseCreated(response))
        self.line.generate(response, item, 200)
        self.line.tell(*tools, ModelFinishedAudio(item, 0), ResponseFinished(response, "completed"))
        self.line.wait_with_frames(240)
        self.line.echo()


@settings(max_examples=150, database=None)
@given(deeds)
def test_every_late_result_is_told_once_or_recorded_as_undelivered_and_nobody_is_spoken_over(
    course: list[tuple[str, int]],
) -> None:
    world = World()
    for deed, how in course:
        world.do(deed, how)
    world.line.tell(StreamStopped("MZ1"))
    milestones = world.line.notes("milestone")
    told = Counter(
        (note["name"], note["call_id"])
        for note in milestones
        if note["name"] in ("tool_delivered", "tool_undelivered")
    )
    late = [note["call_id"] for note in milestones if note["name"] == "tool_late"]
    assert world.spoken_into == 0
    assert sorted(call_id for _, call_id in told) == sorted(late)
    assert set(told.values()) <= {1}
    assert {note["call_id"] for note in milestones if note["name"] == "tool_answered"} >= {
        call_id for name, call_id in told if name == "tool_delivered"
    }
    assert _results_a_session(world.line) <= {1}


def _results_a_session(line: Driver) -> set[int]:
    """Return how often any session was told of one late result."""
    session, told = 1, Counter[tuple[int, str]]()
    for effect in line.wanted:
        if isinstance(effect, OpenSession):
            session = effect.number
        if isinstance(effect, AnswerTool | AddCall) and effect.call_id.startswith("late_"):
            told[session, f"{type(effect).__name__} {effect.call_id}"] += 1
    return set(told.values())


def test_a_result_that_no_response_tells_is_asked_for_a_few_times_with_pauses_and_told_by_the_next_turn() -> (
    None
):
    """A service that takes a noise for the caller cancels whatever it is asked, at once and for as long as it lasts."""
    world = World()
    world.do("call", 0)
    world.line.tell(ToolAnswered("c0", "free on Friday"))
    asked_at = []
    for _ in range(500):
        world.line.wait_with_frames(20)
        if (asked := len(of(world.line.wanted, CreateResponse))) > world.answered:
            asked_at.append(world.line.now)
            world.answered = asked
            response = f"cancelled{asked}"
            world.line.tell(ResponseCreated(response), ResponseFinished(response, "cancelled"))
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked_at)]
    assert (len(pauses), min(pauses) >= 800) == (
        3,
        True,
    )  # the last is asked for as the caller waits for any answer
    world.do("begin", 0)
    world.do("end", 0)
    assert world.line.milestones().count("tool_delivered") == 1
