"""The invariant itself, on random courses of a call: nobody waits in silence longer than the bound, and as long again.

What counts as waiting and as sound is judged here from events and effects alone, by none of the heart's own measures.
"""

from attrs import define, evolve, field
from courses import Course, Echo, History, courses
from heart import SID, agent_with
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.agents import Agent
from bridge.heart.audio import is_audible, ms_of, silence
from bridge.heart.effects import ClearPlayback, CommitAudio, Effect, PlayAudio, RunTool
from bridge.heart.events import (
    Event,
    KeyPressed,
    ModelSpoke,
    ResponseCreated,
    ResponseFinished,
    SpeechStarted,
    SpeechStopped,
    StreamStarted,
    ToolAnswered,
    ToolCalled,
    ToolFailed,
    TurnCommitted,
)
from bridge.heart.keys import PAUSE_MS
from bridge.settings.speaking import Speaking

REST_MS = 100
"""At the end of a course nothing happens any more, looked at so often."""

plain_agents = st.builds(
    agent_with,
    create=st.booleans(),
    interrupt=st.sampled_from([True, True, False]),
    answer_timeout_ms=st.sampled_from([500, 1500, 5000]),
    max_turn_seconds=st.sampled_from([2, 5]),
    quiet_seconds=st.just(3000),
    lost_media_ms=st.just(120_000),
    waiting_seconds=st.just(300),
    model_ready_ms=st.sampled_from([400, 60_000]),
)
speaking = st.builds(
    Speaking,
    min_speech_ms=st.sampled_from([0, 300]),
    min_words=st.sampled_from([0, 2]),
    backchannels=st.booleans(),
    resume_after_ms=st.sampled_from([0, 600, 8000]),
)
agents = st.builds(lambda agent, rules: evolve(agent, speaking=rules), plain_agents, speaking)
"""With speaking rules or none: what is waited for to judge a speech is waited by the caller, too."""


BEGUN_ANSWER: Course = [(5, ResponseCreated("r1"))]
ANSWERED: Course = [
    (5, SpeechStopped("u", 0)), (5, TurnCommitted("u")), (5, ResponseCreated("ra")),
    (5, ModelSpoke("ra", "ra1", 0, b"\x01" * 3200)), (5, ResponseFinished("ra", "completed")), (600, Echo(0)),
]  # fmt: skip
"""After it nobody waits, as a rule."""

TAILS: dict[str, Course] = {
    "nothing": [],
    "no end of a turn": [(20, SpeechStarted("u", 0))],
    "no commit": [(20, SpeechStarted("u", 0)), (600, SpeechStopped("u", 0))],
    "no answer": [(20, SpeechStarted("u", 0)), (600, SpeechStopped("u", 0)), (0, TurnCommitted("u"))],
    "no answer to keys": [(20, KeyPressed(SID, "1"))],
    "an answer to keys without a sound": [
        (20, KeyPressed(SID, "#")), (300, ResponseCreated("r1")), (9, ResponseFinished("r1", "completed")),
    ],
    "a reply to a tool without a sound": [
        *BEGUN_ANSWER, (9, ToolCalled("r1", "c9", "look_up", "{}")), (9, ResponseFinished("r1", "completed")),
        (200, ToolAnswered("c9", "7 pm")), (9, ResponseCreated("r1")), (9, ResponseFinished("r1", "completed")),
    ],
    "a tool without end": [
        *BEGUN_ANSWER, (9, ToolCalled("r1", "c9", "look_up", "{}")), (9, ResponseFinished("r1", "completed")),
    ],
    "an answer that did not hear the question": [
        *BEGUN_ANSWER, (9, SpeechStarted("u", 0)), (600, SpeechStopped("u", 0)),
        (9, ModelSpoke("r1", "r1z", 0, b"\x01" * 1600)), (9, ResponseFinished("r1", "completed")),
    ],
    "no words of what the agent was stopped for": [
        *BEGUN_ANSWER, (9, ModelSpoke("r1", "r1y", 0, b"\x01" * 24_000)), (9, ResponseFinished("r1", "completed")),
        (900, SpeechStarted("v", 0)), (600, SpeechStopped("v", 0)), (0, TurnCommitted("v")),
    ],
    "no words of what was said at the end": [
        *BEGUN_ANSWER, (9, ModelSpoke("r1", "r1y", 0, b"\x01" * 8000)), (9, ResponseFinished("r1", "completed")),
        (900, SpeechStarted("v", 0)), (600, SpeechStopped("v", 0)), (0, TurnCommitted("v")),
    ],
    "silence": [*BEGUN_ANSWER, *[(200, ModelSpoke("r1", "r1z", 0, silence(200)))] * 70],
    "empty deltas": [*BEGUN_ANSWER, *[(200, ModelSpoke("r1", "r1z", 0, b""))] * 70],
    "responses without end": [(200, ResponseCreated(f"r{n}")) for n in range(70)],
    "answers without a sound": [
        step
        for n in range(30)
        for step in ((200, ResponseCreated(f"r{n}")), (200, ResponseFinished(f"r{n}", "completed")))
    ],
}  # fmt: skip
"""What a call may end with that nothing more comes of, or nothing that anybody hears."""


@define
class Ear:
    """One caller's, who knows when they spoke, what was owed to them since, and when they heard something."""

    is_there: bool = False
    is_talking: bool = False
    talking_since: int = 0
    quiet_since: int = 0
    sound_until: int = -1
    owed_since: dict[str, int] = field(factory=dict)
    longest_wait: int = 0
    longest_turn: int = 0
    was_closed: bool = False
    """The bridge has committed the caller's turn, as it does with one that doesn't end: what comes next is another."""
    response: str = ""

    def waits_until(self, now: int) -> None:
        """Measure the silence until now."""
        if self.is_there and self.is_talking:
            silent_since = max(self.talking_since, self.sound_until)
            self.longest_turn = max(self.longest_turn, now - silent_since)
        elif self.is_there and self.owed_since:
            silent_since = max(min(self.owed_since.values()), self.sound_until, self.quiet_since)
            self.longest_wait = max(self.longest_wait, now - silent_since)

    def notice(self, event: Event, now: int) -> None:
        """Know what is owed from now on."""
        match event:
            case StreamStarted() if event.encoding == "audio/x-mulaw":
                if not self.is_there:
                    self.is_there, self.quiet_since = True, max(self.quiet_since, now)
                    self.owed_since["greeting"] = now
            case SpeechStarted():
                is_the_same_turn = self.is_talking and not self.was_closed
                self.talking_since = self.talking_since if is_the_same_turn else now
                self.is_talking, self.was_closed = True, False
                self.owed_since.pop("turn", None)
            case SpeechStopped() | TurnCommitted():
                if self.is_talking:  # an entry of keys may still be going on
                    self.quiet_since = max(self.quiet_since, now)
                self.is_talking = False
                self.owed_since["turn"] = now
            case KeyPressed() if event.stream_sid == SID and self.is_there:
                self.owed_since["keys"] = self.quiet_since = now + PAUSE_MS  # their turn, as speech is
            case ResponseCreated():
                self.owed_since["response"] = now
                self.response = event.response_id
            case ResponseFinished() if event.response_id == self.response:
                self.owed_since.pop("response", None)
            case ToolAnswered() | ToolFailed():
                if self.owed_since.pop(f"tool {event.call_id}", None) is not None:
                    self.owed_since["reply"] = now
            case _:
                pass

    def hear(self, effect: Effect, now: int) -> None:
        """Hear it, by the line's clock; whatever is heard, it answers what was owed before."""
        match effect:
            case PlayAudio() if is_audible(effect.audio):
                self.sound_until = max(self.sound_until, now) + ms_of(len(effect.audio))
                for reason in ("greeting", "turn", "keys", "reply"):
                    self.owed_since.pop(reason, None)
            case ClearPlayback():
                self.sound_until = min(self.sound_until, now)
            case CommitAudio():
                self.was_closed = True
            case RunTool():
                self.owed_since[f"tool {effect.call_id}"] = now
            case _:
                pass


def ear_of(agent: Agent, course: Course) -> Ear:
    """Live through a course and a long silence after it; return the caller's ear."""
    past, ear = History(agent), Ear()
    past.live([*course, *[(REST_MS, Echo(0))] * 400])
    for one in past.told:
        ear.waits_until(one.at)
        ear.notice(one.event, one.at)
        for effect in one.wanted:
            ear.hear(effect, one.at)
        if one.is_over:
            return ear
    ear.waits_until(past.now)
    return ear


some = settings(max_examples=200, database=None)


@some
@given(agents, courses, st.booleans(), st.sampled_from(list(TAILS)))
def test_nobody_waits_in_silence_longer_than_the_bound_and_as_long_for_the_asking(
    agent: Agent, course: Course, is_answered: bool, tail: str
) -> None:
    ear = ear_of(agent, [*course, *(ANSWERED if is_answered else ()), *TAILS[tail]])
    bound_ms, turn_ms = agent.limits.answer_timeout_ms, agent.limits.max_turn_seconds * 1000
    assert ear.longest_wait <= 2 * bound_ms + 1  # what sound pays back is rounded to whole milliseconds
    # A turn that never ends is closed for the caller, answered, and at last given up.
    assert ear.longest_turn <= 2 * turn_ms + 2 * bound_ms
