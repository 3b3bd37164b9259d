"""Random courses in which caller and agent speak at once, again and again, each drawn from a number: hypothesis likes
what is small, and hardly ever has one interrupt the other.
"""

from collections.abc import Iterator
from random import Random

from attrs import evolve, frozen
from courses import BEGUN, Course, Echo
from heart import SID, agent_with

from bridge.agents import Agent
from bridge.heart.events import (
    AgentWords,
    CallerSpoke,
    CallerWords,
    Event,
    KeyPressed,
    ModelFinishedAudio,
    ModelLeft,
    ModelSpoke,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    StreamStopped,
    ToolCalled,
    TranscriptCame,
    TranscriptionFailed,
    TurnCommitted,
)
from bridge.settings.speaking import Speaking

LOUD, QUIET = b"\x10\x90" * 80, b"\xff" * 160
SAID = ("Mhm.", "Yeah, okay.", "No, wait.", "Stop!", "I see.", "", "...")
NOTICE = "This call is recorded."


@frozen
class Talk:
    """An agent with speaking rules, and what happens to one of its calls."""

    agent: Agent
    course: Course


def talk_of(number: int) -> Talk:
    """Return the talk of this number."""
    dice = Random(number)
    return Talk(_agent(dice), [*BEGUN, *_Course(dice).steps()])


def _agent(dice: Random) -> Agent:
    speaking = Speaking(
        protect_greeting=dice.random() < 0.2,
        protected=(NOTICE,) if dice.random() < 0.2 else (),
        keys_interrupt_protected=dice.random() < 0.5,
        min_speech_ms=dice.choice([0, 0, 200, 600]),
        min_words=dice.choice([0, 0, 2]),
        backchannels=dice.random() < 0.5,
        resume_after_ms=dice.choice([0, 500, 2000]),
    )
    rules = speaking if speaking.has_rules else Speaking(resume_after_ms=1000)
    agent = agent_with(
        interrupt=dice.random() < 0.95, reconnects=dice.choice([0, 2]), lead_ms=dice.choice([40, 300, 300])
    )
    return evolve(agent, speaking=rules)


class _Course:
    """Draws what happens."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.responses = self.items = 0

    def steps(self) -> Iterator[tuple[int, Event | Echo]]:
        """Yield everything that happens; now and then something gets lost."""
        is_whole = self.dice.random() < 0.7
        scenes = (self._answer, self._speech, self._speech, self._speech, self._line, self._echo, self._other)
        for scene in (self._answer, *self.dice.choices(scenes, k=self.dice.randint(4, 14))):
            yield from (step for step in scene() if is_whole or self.dice.random() > 0.02)

    def _answer(self) -> Iterator[tuple[int, Event]]:
        """A response that takes some seconds to hear."""
        self.responses += 1
        response, chance = f"r{self.responses}", self.dice.random
        yield 0, ResponseCreated(response)
        for item in ("a", "b")[: self.dice.randint(1, 2)]:
            name = response + item
            yield 0, AgentWords(name, 0, f"{NOTICE} And so on." if chance() < 0.3 else "Something else.")
            for _ in range(self.dice.randint(1, 3)):
                size = self.dice.choice([1600, 8000, 24_000])
                sound = QUIET * 8 + bytes(at * 7 % 251 for at in range(size))
                yield self.dice.choice([0, 0, 60, 300]), ModelSpoke(response, name, 0, sound)
            yield 0, ModelFinishedAudio(name, 0)
        if chance() < 0.1:
            yield (
                0,
                ToolCalled(response, f"c{self.responses}", self.dice.choice(["hang_up", "look_up"]), "{}"),
            )
        yield (
            self.dice.choice([0, 400]),
            ResponseFinished(response, self.dice.choice(["completed", "cancelled"])),
        )

    def _speech(self) -> Iterator[tuple[int, Event]]:
        """One time that the caller speaks, and what is written down of it, if anything is."""
        self.items += 1
        item, words, choice = f"u{self.items}", self.dice.choice(SAID), self.dice.choice
        yield from self._frames(choice([0, 100]), LOUD)
        yield 0, SpeechStarted(item, 0)
        yield from self._frames(choice([100, 400, 800, 2400]), LOUD)
        if self.dice.random() < 0.3:
            yield 0, CallerWords(item, words)
        yield from self._frames(choice([0, 500]), QUIET)
        if self.dice.random() < 0.95:
            yield 0, SpeechStopped(item, 0)
            yield 0, TurnCommitted(item)
        yield from self._frames(choice([0, 300, 300, 2500]), QUIET)
        if (come := self.dice.random()) < 0.7:
            yield 0, TranscriptCame(item, words)
        elif come < 0.8:
            yield 0, TranscriptionFailed(item, "no code")

    def _frames(self, ms: int, frame: bytes) -> Iterator[tuple[int, Event]]:
        for _ in range(ms // 20):
            yield 20, CallerSpoke(SID, 0, frame)

    def _line(self) -> Iterator[tuple[int, Event]]:
        yield from self._frames(self.dice.choice([300, 1200, 4000]), QUIET)

    def _echo(self) -> Iterator[tuple[int, Echo]]:
        yield self.dice.choice([0, 40, 200]), Echo(self.dice.randint(1, 20))

    def _other(self) -> Iterator[tuple[int, Event]]:
        kind = self.dice.random()
        if kind < 0.5:
            yield 100, KeyPressed(SID, "1")
        elif kind < 0.8:
            yield 100, ModelLeft(1006, "")
            yield 200, SessionCreated(0)
            yield 20, SessionUpdated()
        elif kind < 0.85:
            yield 100, StreamStopped(SID)
