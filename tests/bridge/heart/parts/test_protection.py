"""What nothing interrupts: the greeting, a notice, wherever the agent says it."""

from typing import Any

from attrs import evolve
from heart import SID, Driver, agent_with, of, open_call, played, ready_call, voice

from bridge.heart.effects import CancelResponse, ClearPlayback, CreateResponse, TruncateItem
from bridge.heart.events import (
    AgentWords,
    KeyPressed,
    ModelFinishedAudio,
    ResponseCreated,
    ResponseFinished,
    SpeechStarted,
    SpeechStopped,
    TranscriptCame,
    TurnCommitted,
)
from bridge.settings.speaking import Speaking

NOTICE = "This call is recorded."


def ready(**speaking: Any) -> Driver:
    return ready_call(evolve(agent_with(), speaking=Speaking(**speaking)))


def saying(words: str, *, ms: int = 4000, is_finished: bool = True, **speaking: Any) -> Driver:
    """A call whose agent says these words."""
    line = open_call(evolve(agent_with(), speaking=Speaking(protected=(NOTICE,), **speaking)))
    line.tell(ResponseCreated("r1"), AgentWords("i1", 0, words))
    line.generate("r1", "i1", ms)
    if is_finished:
        line.tell(ModelFinishedAudio("i1", 0), ResponseFinished("r1", "completed"))
    return line


def cut(line: Driver) -> int:
    return len(of(line.wanted, ClearPlayback)) + len(of(line.wanted, TruncateItem))


def test_a_protected_greeting_is_heard_to_its_end_and_the_caller_answered_behind_it() -> None:
    line = ready(protect_greeting=True)
    line.answer("r0", "i0", 3000)
    line.tell(SpeechStarted("u1", 0), after=200)
    line.tell(SpeechStopped("u1", 0), TurnCommitted("u1"), after=1500)
    line.tell(TranscriptCame("u1", "A table for two."), after=300)
    assert (cut(line), line.notes("milestone")[-1]["why"]) == (0, "protected")
    assert len(of(line.wanted, CreateResponse)) == 2
    line.hear_out()
    assert played(line.wanted) == voice(3000)


def test_who_still_speaks_when_the_greeting_ends_interrupts_nothing_and_has_the_turn() -> None:
    line = ready(protect_greeting=True)
    line.answer("r0", "i0", 1000)
    line.tell(SpeechStarted("u1", 0), after=800)
    line.hear_out()
    line.tell(SpeechStopped("u1", 0), TurnCommitted("u1"), after=1000)
    assert (cut(line), len(of(line.wanted, CreateResponse))) == (0, 2)


def test_who_speaks_before_the_first_sound_of_the_greeting_does_not_take_it_away() -> None:
    line = ready(protect_greeting=True)
    line.tell(SpeechStarted("u1", 0), after=50)
    line.tell(
        ResponseCreated("r0"), SpeechStopped("u1", 0), TurnCommitted("u1"), TranscriptCame("u1", "Hello?")
    )
    line.generate("r0", "i0", 2000)
    line.tell(ModelFinishedAudio("i0", 0), ResponseFinished("r0", "completed"))
    line.hear_out()
    assert (cut(line), of(line.wanted, CancelResponse)) == (0, [])
    assert played(line.wanted) == voice(2000)


def test_after_the_greeting_everything_can_be_interrupted() -> None:
    line = ready(protect_greeting=True)
    line.answer("r0", "i0", 1000)
    line.hear_out()
    line.answer("r1", "i1", 3000)
    line.tell(SpeechStarted("u1", 0), after=300)
    assert cut(line) == 2


def test_a_notice_is_protected_to_its_last_word_and_not_further() -> None:
    line = saying(f"{NOTICE} How can I help you with your booking at the harbour today?")
    line.tell(SpeechStarted("u1", 0), after=300)
    assert cut(line) == 0
    line.wait(700)
    assert cut(line) == 0
    line.wait(700)
    assert cut(line) == 2


def test_what_is_said_before_a_notice_is_heard_too_or_the_notice_would_not_be() -> None:
    line = saying(f"One moment please, I have to tell you something. {NOTICE}")
    line.tell(SpeechStarted("u1", 0), after=100)
    line.wait(3500)
    assert cut(line) == 0


def test_while_the_model_is_saying_a_notice_its_end_is_waited_for() -> None:
    line = saying("This call is", ms=800, is_finished=False)
    line.tell(SpeechStarted("u1", 0), after=300)
    line.wait(400)
    assert cut(line) == 0


def test_other_words_are_not_protected() -> None:
    line = saying("This is about your booking.")
    line.tell(SpeechStarted("u1", 0), after=300)
    assert cut(line) == 2


def test_keys_interrupt_what_is_protected_only_if_that_is_so_set() -> None:
    for is_set in (False, True):
        line = saying(NOTICE, keys_interrupt_protected=is_set)
        line.tell(KeyPressed(SID, "1"), after=300)
        assert cut(line) == (2 if is_set else 0)


def test_a_key_that_interrupts_nothing_is_given_to_the_model_all_the_same() -> None:
    line = saying(NOTICE)
    line.tell(KeyPressed(SID, "1"), after=300)
    line.wait(2000)
    assert "keys_pressed" in line.milestones()
    assert len(of(line.wanted, CreateResponse)) == 1
