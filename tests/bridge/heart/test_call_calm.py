"""A caller's frame passes through the heart while nothing is due: what comes of a call is what came of it if everything
were looked at with each frame, on random courses with a caller whose line never rests.
"""

import os
from collections.abc import Iterator

import pytest
from attrs import define
from courses import Course, Echo, History, courses, everybody
from heart import SID, Driver, open_call
from hypothesis import example, given, settings
from hypothesis import strategies as st
from talks import talk_of

from bridge.agents import Agent
from bridge.heart.call import Call
from bridge.heart.effects import AppendAudio, Effect
from bridge.heart.events import CallerSpoke, ClockRang, Event, MessageIgnored
from bridge.settings.limits import Limits

some = settings(deadline=None, max_examples=80, database=None, derandomize="CI" in os.environ)
FRAME_MS = 20


@define
class Thorough(Call):
    """A heart that remembers of no deadline how far away it was: everything is looked at, whatever happens."""

    def handle(self, event: Event, now: int) -> list[Effect]:
        self.calm_until = 0
        return super().handle(event, now)


def with_frames(course: Course) -> Course:
    """Return the course with a frame every 20 ms, and something that the model says and nobody minds now and then."""
    return list(_with_frames(course))


def _with_frames(course: Course) -> Iterator[tuple[int, Event | Echo]]:
    chunk = 100
    for gap, event in course:
        for _ in range(gap // FRAME_MS):
            chunk += 1
            yield FRAME_MS, CallerSpoke(SID, chunk, b"\x01" * 160)
            if chunk % 7 == 0:
                yield 0, MessageIgnored("response.output_audio_transcript.delta")
        yield gap % FRAME_MS, event


def lived(history: History, course: Course, *, is_held_up: bool) -> History:
    """Live through a course, in time or with a process whose alarms never ring: what comes is all that happens."""
    if not is_held_up:
        return history.live(course)
    now = 0
    for gap, event in course:
        now += gap
        for one in history.echoes(event.marks) if isinstance(event, Echo) else [event]:
            history.tell(now, one)
    return history


def thorough(agent: Agent) -> History:
    history = History(agent)
    call = history.call
    history.call = Thorough(agent, call.tools, prices=call.prices, tool_rules=call.tool_rules)
    history.first = history.call.begin()
    return history


def first_difference(quick: History, slow: History) -> str:
    """Say in a line where two histories part: a comparison of everything that was told takes pytest minutes to show."""
    for one, other in zip(quick.told, slow.told, strict=True):
        if one != other:
            ways = [
                f"{[type(effect).__name__ for effect in way.wanted]}, {way.deadline}" for way in (one, other)
            ]
            return f"{one.at} ms, {type(one.event).__name__}: {ways[0]}; {other.at} ms: {ways[1]}"
    return ""


@some
@given(everybody, courses, st.sampled_from([False, False, True]))
def test_what_comes_of_a_call_is_what_came_of_it_if_all_were_looked_at_with_each_frame(
    agent: Agent, course: Course, is_held_up: bool
) -> None:
    course = with_frames(course)
    quick = lived(History(agent), course, is_held_up=is_held_up)
    slow = lived(thorough(agent), course, is_held_up=is_held_up)
    assert first_difference(quick, slow) == ""


@some
@example(number=4535667, is_held_up=False)  # what is protected ends between two frames
@given(st.integers(0, 2**32), st.sampled_from([False, True]))
def test_so_it_is_while_both_speak_at_once(number: int, is_held_up: bool) -> None:
    talk = talk_of(number)
    quick = lived(History(talk.agent), talk.course, is_held_up=is_held_up)
    slow = lived(thorough(talk.agent), talk.course, is_held_up=is_held_up)
    assert first_difference(quick, slow) == ""


@some
@given(everybody, courses)
def test_nothing_is_due_while_a_call_is_calm(agent: Agent, course: Course) -> None:
    history = History(agent)
    for step in with_frames(course):
        history.live([step])
        assert history.call.is_over or history.call.calm_until <= (history.call.deadline or 0)


def frames(line: Driver, count: int) -> None:
    for _ in range(count):
        line.caller_frame(after=FRAME_MS)


def test_a_frame_puts_the_alarm_for_a_silent_line_off() -> None:
    line = open_call()
    lost_ms = Limits().lost_media_ms
    frames(line, 10)
    assert line.call.deadline == line.now + lost_ms
    assert line.call.calm_until < line.now + lost_ms


def test_an_alarm_that_rings_too_soon_does_nothing() -> None:
    line = open_call()
    frames(line, 10)
    deadline = line.call.deadline
    line.now = line.call.calm_until
    assert line.tell(ClockRang()) == []
    assert line.call.deadline == deadline


@pytest.mark.parametrize("count", [1, 600])
def test_each_frame_is_given_to_the_model_once_however_many_come(count: int) -> None:
    line = open_call()
    frames(line, count)
    appended = [effect for effect in line.wanted if isinstance(effect, AppendAudio)]
    assert [one.last for one in appended] == list(range(1, count + 1))
