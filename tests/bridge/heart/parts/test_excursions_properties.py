"""What holds of every caller who may leave the stream, whatever Twilio, the model and the caller do, and whenever."""

from collections import Counter

from away import agent_with_places
from courses import BEGUN, PRESENT, Course, History, agents, courses, history
from heart import of
from hypothesis import example, given, settings

from bridge.agents import Agent
from bridge.heart.effects import (
    AnswerTool,
    AppendAudio,
    ClearPlayback,
    CreateResponse,
    Effect,
    EndCall,
    EndSession,
    LeaveStream,
    OpenSession,
    PlayAudio,
    ReturnToStream,
    SendMark,
    ToModel,
    WriteNote,
)
from bridge.heart.events import (
    CallerAway,
    ExcursionEnded,
    FarEndTold,
    ResponseCreated,
    StreamStarted,
    ToolCalled,
    TurnCommitted,
)
from bridge.heart.parts.excursions import CONNECT_MS
from bridge.heart.plans import Dial, GoTo, HangUp, JoinQueue

some = settings(max_examples=120, database=None)

TO_PHONE = (PlayAudio, SendMark, ClearPlayback)
TO_MODEL = (AppendAudio, CreateResponse)


def timed(past: History) -> list[tuple[int, Effect | None, object]]:
    """Return every event and effect of a call in order, each with its time: (ms, effect or None, event)."""
    found: list[tuple[int, Effect | None, object]] = [(0, effect, None) for effect in past.first]
    for one in past.told:
        found.append((one.at, None, one.event))
        found += [(one.at, effect, one.event) for effect in one.wanted]
    return found


@some
@given(agents, courses)
def test_excursions_and_legs_are_counted_and_no_leg_begins_before_the_last_was_left(
    agent: Agent, course: Course
) -> None:
    wanted = history(agent, course).wanted
    assert [leave.number for leave in of(wanted, LeaveStream)] == [
        *range(1, len(of(wanted, LeaveStream)) + 1)
    ]
    assert [back.leg for back in of(wanted, ReturnToStream)] == [
        *range(2, len(of(wanted, ReturnToStream)) + 2)
    ]
    is_away = False
    for effect in wanted:
        if isinstance(effect, ReturnToStream):
            assert is_away
            is_away = False
        is_away = is_away or isinstance(effect, LeaveStream) or is_loss(effect)


def is_loss(effect: Effect) -> bool:
    """Say whether this notes that a stream broke off."""
    return isinstance(effect, WriteNote) and effect.data.get("name") == "stream_lost"


@some
@given(agents, courses)
def test_nothing_is_sent_to_a_stream_that_was_left_nor_to_one_that_has_not_come(
    agent: Agent, course: Course
) -> None:
    is_there = False
    for _, effect, event in timed(history(agent, course)):
        if effect is None and isinstance(event, StreamStarted):
            is_there = True  # refused or not: what is refused changes nothing below
        if isinstance(effect, LeaveStream):
            is_there = False
        if isinstance(effect, TO_PHONE):
            assert is_there


@some
@given(agents, courses)
def test_the_model_hears_nothing_and_is_asked_nothing_while_the_caller_is_away(
    agent: Agent, course: Course
) -> None:
    is_away = False
    for effect in history(agent, course).wanted:
        if isinstance(effect, LeaveStream | ReturnToStream):
            is_away = isinstance(effect, LeaveStream)
        assert not (is_away and isinstance(effect, TO_MODEL))


TAKEN: Course = [
    *BEGUN,
    (0, ToolCalled("r1", "c1", "transfer_call", '{"place": "sales"}')),
    (0, FarEndTold(PRESENT, "answered")),
]
DONE = ExcursionEnded(PRESENT, "completed", 0, {"DialCallStatus": "completed"})
STILL_TOLD: Course = [(0, TurnCommitted("u")), (0, ResponseCreated("r2"))]


@some
@example(agent_with_places(), [*TAKEN, (0, DONE), *STILL_TOLD])
@example(agent_with_places(), [*TAKEN, *STILL_TOLD, (0, DONE)])
@given(agents, courses)
def test_after_the_session_nothing_is_said_to_the_model(agent: Agent, course: Course) -> None:
    wanted = history(agent, course).wanted
    assert len(of(wanted, EndSession)) <= 1
    for place, effect in enumerate(wanted):
        if isinstance(effect, EndSession):
            assert not any(isinstance(later, ToModel) for later in wanted[place + 1 :])


@some
@given(agents, courses)
def test_nobody_is_sent_anywhere_but_to_a_place_of_the_file(agent: Agent, course: Course) -> None:
    queues = {place.queue for place in agent.transfer.values()} | {"support"}
    for leave in of(history(agent, course).wanted, LeaveStream):
        match leave.plan.step:
            case Dial(place):
                assert place in agent.transfer.values()
            case JoinQueue(name):
                assert name in queues
            case step:
                assert not isinstance(step, GoTo | HangUp)


@some
@given(agents, courses)
def test_nobody_is_away_for_longer_than_the_step_allows(agent: Agent, course: Course) -> None:
    past = history(agent, course).live([(8_000_000, CallerAway(99))])
    left: tuple[int, LeaveStream] | None = None
    for at, effect, _ in timed(past):
        if left is not None and isinstance(effect, LeaveStream | ReturnToStream | EndCall):
            step = left[1].plan.step
            assert not isinstance(step, GoTo | HangUp)
            talk_ms = step.talk_ms if isinstance(step, Dial) else 0
            assert at - left[0] <= CONNECT_MS + left[1].plan.said_ms + step.bound_ms + talk_ms + 600
            left = None
        if isinstance(effect, LeaveStream):
            left = at, effect
    assert past.call.is_over


@some
@given(agents, courses)
def test_each_wish_is_answered_at_most_once_and_none_before_its_excursion_ended(
    agent: Agent, course: Course
) -> None:
    past = history(agent, course)
    answers: Counter[tuple[int, str]] = Counter()
    session, is_lost = 1, False
    for one in past.told:
        for effect in one.wanted:
            session = effect.number if isinstance(effect, OpenSession) else session
            is_lost = is_lost or is_loss(effect)
            if isinstance(effect, AnswerTool):
                answers[session, effect.call_id] += 1
            elif isinstance(effect, ReturnToStream):
                assert is_lost or isinstance(one.event, ExcursionEnded)
                is_lost = False
    assert set(answers.values()) <= {1}
