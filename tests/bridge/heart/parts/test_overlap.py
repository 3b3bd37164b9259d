"""A caller who speaks while the agent does, by the agent's speaking rules."""

from typing import Any

import pytest
from attrs import evolve
from heart import SID, Driver, agent_with, of, open_call, played, truncations, voice

from bridge.agents import Agent
from bridge.heart.effects import CancelResponse, ClearPlayback, CreateResponse, PlayAudio, TruncateItem
from bridge.heart.events import (
    CallerSpoke,
    CallerWords,
    KeyPressed,
    ModelFinishedAudio,
    ModelLeft,
    ResponseCreated,
    ResponseFinished,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    TranscriptCame,
    TranscriptionFailed,
    TurnCommitted,
)
from bridge.settings.speaking import Speaking

LOUD = b"\x10\x90" * 80
QUIET = b"\xff" * 160
SILENCE_MS = 500
"""How long the server hears nothing before it says that a speech has stopped."""


def agent(**speaking: Any) -> Agent:
    return evolve(agent_with(), speaking=Speaking(**speaking))


def talking(ms: int = 5000, **speaking: Any) -> Driver:
    """A call in which the agent has begun to say something, 400 ms ago; the model has made all of it."""
    line = open_call(agent(**speaking))
    line.answer(ms=ms)
    frames(line, 400, QUIET)
    line.wanted.clear()
    return line


def frames(line: Driver, ms: int, frame: bytes) -> None:
    """Let the caller's line bring so much of it, and the marks of what was played come back."""
    for _ in range(ms // 20):
        line.frames += 1
        line.tell(CallerSpoke(SID, line.frames, frame), after=20)


def speak(line: Driver, ms: int, words: str | None, *, item: str = "u1", words_after_ms: int = 300) -> None:
    """Let the caller speak: told of after 100 ms, stopped after half a second of silence, written down later."""
    frames(line, 100, LOUD)
    line.tell(SpeechStarted(item, 0))
    frames(line, ms - 100, LOUD)
    frames(line, SILENCE_MS, QUIET)
    line.tell(SpeechStopped(item, 0), TurnCommitted(item))
    if words is not None:
        frames(line, words_after_ms, QUIET)
        line.tell(TranscriptCame(item, words))


def milestones(line: Driver) -> list[dict[str, Any]]:
    return [
        note
        for note in line.notes("milestone")
        if note["name"]
        in ("barge_in", "barge_in_ignored", "false_interruption", "barge_in_possible", "words_came_late")
    ]


def asked(line: Driver) -> int:
    return len(of(line.wanted, CreateResponse))


def told(line: Driver) -> list[tuple[str, int]]:
    return truncations(line.wanted)


# ---------------------------------------------------------------- so much voice


def test_a_sound_that_is_too_short_to_count_is_spoken_over_and_a_longer_one_is_not() -> None:
    line = talking(min_speech_ms=400)
    speak(line, 200, "Oh.")
    assert (of(line.wanted, ClearPlayback), told(line)) == ([], [])
    frames(line, 400, LOUD)
    line.tell(SpeechStarted("u2", 0))
    assert len(of(line.wanted, ClearPlayback)) == 0
    frames(line, 120, LOUD)
    assert len(of(line.wanted, ClearPlayback)) == 1
    assert [item for item, _ in told(line)] == ["i1"]


def test_what_was_on_the_line_before_the_server_told_of_it_counts_too() -> None:
    line = talking(min_speech_ms=400)
    frames(line, 200, LOUD)
    line.tell(SpeechStarted("u1", 0))
    frames(line, 180, LOUD)
    assert milestones(line) == []
    frames(line, 40, LOUD)
    assert [one["name"] for one in milestones(line)] == ["barge_in"]


def test_a_voice_that_comes_late_and_all_at_once_counts_when_it_has_stopped() -> None:
    line = talking(min_speech_ms=400)
    line.tell(SpeechStarted("u1", 0))
    for _ in range(30):
        line.caller_frame(LOUD)
    assert milestones(line) == []
    line.tell(SpeechStopped("u1", 0), TurnCommitted("u1"))
    assert [one["name"] for one in milestones(line)] == ["barge_in"]
    assert asked(line) == 1


def test_quiet_within_a_sound_is_none_of_it() -> None:
    line = talking(min_speech_ms=400)
    line.tell(SpeechStarted("u1", 0))
    frames(line, 300, LOUD)
    frames(line, 460, QUIET)
    assert milestones(line) == []
    frames(line, 100, LOUD)
    assert [one["name"] for one in milestones(line)] == ["barge_in"]


def test_the_server_cancels_nothing_so_the_bridge_does() -> None:
    line = open_call(agent(min_speech_ms=200))
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 3000)
    frames(line, 300, QUIET)
    line.tell(SpeechStarted("u1", 0))
    frames(line, 240, LOUD)
    assert [one.response_id for one in of(line.wanted, CancelResponse)] == ["r1"]


def test_who_speaks_while_nothing_is_said_is_answered_as_ever() -> None:
    line = open_call(agent(min_speech_ms=400, backchannels=True, resume_after_ms=1000))
    speak(line, 200, None)
    assert asked(line) == 1


def test_too_short_a_sound_with_words_is_answered_behind_what_is_being_said() -> None:
    line = talking(min_speech_ms=500, min_words=3)
    speak(line, 300, "At seven.")
    assert milestones(line) == [{"name": "barge_in_ignored", "why": "short", "speech_ms": 300}]
    assert (asked(line), told(line)) == (1, [])


# ---------------------------------------------------------------- so many words


def test_enough_words_interrupt_however_short_they_were() -> None:
    line = talking(min_speech_ms=1000, min_words=2)
    speak(line, 400, "Wait, stop.")
    assert [one["name"] for one in milestones(line)] == ["barge_in"]
    assert (len(of(line.wanted, TruncateItem)), asked(line)) == (1, 1)


def test_words_that_come_while_the_caller_speaks_interrupt_as_soon_as_there_are_enough() -> None:
    line = talking(min_words=3)
    line.tell(SpeechStarted("u1", 0))
    frames(line, 600, LOUD)
    line.tell(CallerWords("u1", "No, I"))
    assert milestones(line) == []
    line.tell(CallerWords("u1", " meant"))
    assert [one["name"] for one in milestones(line)] == ["barge_in"]


def test_by_words_alone_two_seconds_of_voice_interrupt_all_the_same() -> None:
    line = talking(min_words=3)
    line.tell(SpeechStarted("u1", 0))
    frames(line, 1980, LOUD)
    assert milestones(line) == []
    frames(line, 40, LOUD)
    assert [one["name"] for one in milestones(line)] == ["barge_in"]


# ---------------------------------------------------------------- backchannels


@pytest.mark.parametrize("words", ["Mhm.", "Yeah, okay.", "Uh-huh, uh-huh", "Mm-hmm. I see."])
def test_a_backchannel_is_no_turn_and_the_agent_goes_on(words: str) -> None:
    line = talking(min_speech_ms=600, backchannels=True)
    speak(line, 400, words)
    frames(line, 6000, QUIET)
    line.echo()
    assert milestones(line) == [{"name": "barge_in_ignored", "why": "backchannel", "speech_ms": 400}]
    assert (asked(line), told(line), played(line.wanted)[-8000:]) == (0, [], voice(5000)[-8000:])


def test_a_backchannel_with_something_behind_it_is_none() -> None:
    line = talking(min_speech_ms=600, backchannels=True, min_words=1)
    speak(line, 500, "Yeah, but not today.")
    assert [one["name"] for one in milestones(line)] == ["barge_in"]
    assert asked(line) == 1


def test_a_long_backchannel_stops_the_agent_and_then_it_goes_on() -> None:
    line = talking(min_speech_ms=300, backchannels=True)
    speak(line, 700, "Okay, okay.")
    names = [one["name"] for one in milestones(line)]
    assert names == ["barge_in_possible", "false_interruption"]
    assert milestones(line)[1]["why"] == "backchannel"
    frames(line, 6000, QUIET)
    assert (told(line), asked(line)) == ([], 0)


def test_words_that_may_still_become_a_backchannel_are_waited_for() -> None:
    line = talking(backchannels=True)
    line.tell(SpeechStarted("u1", 0), CallerWords("u1", "I"))
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible"]
    line.tell(CallerWords("u1", " want"))
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible", "barge_in"]


def test_yes_in_the_last_second_is_an_answer() -> None:
    line = talking(1600, min_speech_ms=600, backchannels=True)
    frames(line, 400, QUIET)
    speak(line, 300, "Yes.")
    assert asked(line) == 1


def test_the_list_is_the_files_if_it_has_one() -> None:
    line = talking(min_speech_ms=600, backchannels=("tick",), more_backchannels=("tock",))
    speak(line, 300, "Tick, tock.")
    speak(line, 300, "Yeah.", item="u2")
    assert [one["why"] for one in milestones(line)] == ["backchannel", "short"]


# ---------------------------------------------------------------- false interruptions


def test_after_noise_the_agent_says_the_rest_and_the_model_is_told_nothing() -> None:
    line = talking(resume_after_ms=1000)
    line.tell(SpeechStarted("u1", 0))
    assert len(of(line.wanted, ClearPlayback)) == 1
    assert of(line.wait(500), PlayAudio) == []
    line.tell(SpeechStopped("u1", 0), TurnCommitted("u1"))
    assert of(line.wait(999), PlayAudio) == []
    again = of(line.wait(5), PlayAudio)
    assert again[0].start <= 400 * 8 < again[0].start + len(again[0].audio) + 1500 * 8
    line.hear_out()
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible", "false_interruption"]
    assert milestones(line)[1] == {"name": "false_interruption", "why": "noise", "paused_ms": 1500}
    (item,) = line.notes("item")
    assert (item["heard_ms"], item["cut"], told(line), asked(line)) == (5000, False, [], 0)


def test_a_transcript_without_words_is_not_waited_out() -> None:
    line = talking(resume_after_ms=5000)
    speak(line, 300, "")
    assert milestones(line)[-1] == {"name": "false_interruption", "why": "noise", "paused_ms": 1000}


def test_words_make_it_an_interruption_and_only_then_is_the_model_told_what_was_heard() -> None:
    line = talking(resume_after_ms=2000)
    line.tell(SpeechStarted("u1", 0))
    line.wait(700)
    line.tell(SpeechStopped("u1", 0), TurnCommitted("u1"))
    assert (told(line), asked(line)) == ([], 0)
    line.tell(TranscriptCame("u1", "What about Friday?"), after=400)
    assert (told(line), asked(line)) == ([("i1", 400)], 1)
    assert len(of(line.wanted, ClearPlayback)) == 1


def test_what_the_model_makes_while_the_agent_is_held_is_heard_behind_the_rest() -> None:
    line = open_call(agent(resume_after_ms=1000))
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 1000)
    line.wait(500)
    line.tell(SpeechStarted("u1", 0))
    line.generate("r1", "i1", 1000, first=8000 % 251)
    line.tell(ModelFinishedAudio("i1", 0), ResponseFinished("r1", "completed"))
    line.tell(SpeechStopped("u1", 0), TurnCommitted("u1"), after=300)
    line.wanted.clear()
    line.wait(4000)
    sound = voice(2000)
    assert sound.endswith(played(line.wanted))
    assert len(played(line.wanted)) >= 1500 * 8


def test_words_that_come_after_the_agent_went_on_interrupt_it_then() -> None:
    line = talking(resume_after_ms=500)
    speak(line, 300, "Not that one.", words_after_ms=900)
    names = [one["name"] for one in milestones(line)]
    assert names == ["barge_in_possible", "false_interruption", "words_came_late", "barge_in"]
    assert (len(told(line)), asked(line)) == (1, 1)


def test_a_transcription_that_fails_is_no_words() -> None:
    line = talking(resume_after_ms=800)
    speak(line, 300, None)
    line.tell(TranscriptionFailed("u1", "audio_unintelligible"))
    frames(line, 900, QUIET)
    assert milestones(line)[-1]["name"] == "false_interruption"


def test_without_the_rule_no_words_in_three_seconds_are_a_turn() -> None:
    line = talking(backchannels=True)
    speak(line, 300, None)
    frames(line, 3000, QUIET)
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible", "barge_in"]
    assert asked(line) == 1


@pytest.mark.parametrize(
    "rules",
    [
        {"backchannels": True},
        {"backchannels": True, "min_speech_ms": 300, "min_words": 2},
        {"resume_after_ms": 8000},
    ],
)
def test_who_waits_while_words_are_waited_for_waits_for_their_answer(rules: dict[str, Any]) -> None:
    line = open_call(evolve(agent_with(answer_timeout_ms=1500), speaking=Speaking(**rules)))
    line.answer(ms=5000)
    frames(line, 400, QUIET)
    speak(line, 400, None)
    line.wanted.clear()
    frames(line, 1540, QUIET)
    goes_on = played(line.wanted) != b""
    assert (goes_on, asked(line)) == ((True, 0) if "resume_after_ms" in rules else (False, 1))
    frames(line, 1500, QUIET)
    assert (line.end is None) is goes_on


def test_a_model_that_is_making_an_answer_keeps_it_while_words_are_waited_for() -> None:
    line = open_call(evolve(agent_with(answer_timeout_ms=1500), speaking=Speaking(resume_after_ms=8000)))
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 5000)
    frames(line, 400, QUIET)
    speak(line, 400, None)
    frames(line, 1540, QUIET)
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible", "false_interruption"]
    assert (of(line.wanted, CancelResponse), "dead_air" in line.milestones()) == ([], False)


def test_after_noise_of_which_nothing_is_written_down_nobody_waits_longer_than_for_an_answer() -> None:
    line = open_call(evolve(agent_with(answer_timeout_ms=1500), speaking=Speaking(resume_after_ms=600)))
    line.answer(ms=3000)
    frames(line, 400, QUIET)
    speak(line, 400, None)
    frames(line, 640 + 2600, QUIET)  # it is taken for noise, and the agent says the rest
    line.echo()
    assert asked(line) == 0
    frames(line, 1600, QUIET)
    assert asked(line) == 1


@pytest.mark.parametrize("words", ["", "Mhm."])
def test_after_what_was_noise_indeed_nobody_is_asked_anything(words: str) -> None:
    rules = Speaking(resume_after_ms=600, backchannels=True)
    line = open_call(evolve(agent_with(answer_timeout_ms=1500), speaking=rules))
    line.answer(ms=3000)
    frames(line, 400, QUIET)
    speak(line, 400, words, words_after_ms=1000)
    frames(line, 6000, QUIET)
    assert (asked(line), "dead_air" in line.milestones()) == (0, False)


def test_who_says_something_at_the_end_is_answered_though_its_words_never_come() -> None:
    line = talking(ms=1200, resume_after_ms=600)
    speak(line, 400, None)
    assert asked(line) == 0
    frames(line, 600, QUIET)
    assert milestones(line)[1] == {"name": "false_interruption", "why": "unwritten", "paused_ms": 1400}
    assert (asked(line), told(line)) == (1, [])
    frames(line, 1200, QUIET)
    line.echo()
    assert line.notes("item")[-1]["heard_ms"] == 1200  # and nothing of what was being said is lost


def test_two_seconds_of_voice_are_meant_whatever_their_words_turn_out_to_be() -> None:
    line = talking(resume_after_ms=1000, backchannels=True)
    line.tell(SpeechStarted("u1", 0))
    frames(line, 2020, LOUD)
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible", "barge_in"]


def test_a_speech_whose_end_is_never_told_holds_the_agent_for_five_seconds() -> None:
    line = talking(9000, resume_after_ms=1000)
    line.tell(SpeechStarted("u1", 0))
    frames(line, 4980, QUIET)
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible"]
    frames(line, 40, QUIET)
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible", "barge_in"]


def test_a_second_noise_keeps_the_agent_held_until_both_are_known() -> None:
    line = talking(resume_after_ms=1000)
    speak(line, 300, None)
    line.tell(SpeechStarted("u2", 0))
    frames(line, 1500, QUIET)
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible"]
    line.tell(SpeechStopped("u2", 0), TurnCommitted("u2"), TranscriptCame("u2", ""))
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible", "false_interruption"]


def test_a_key_settles_it() -> None:
    line = talking(resume_after_ms=3000)
    line.tell(SpeechStarted("u1", 0))
    line.tell(KeyPressed(SID, "1"), after=100)
    assert [one["name"] for one in milestones(line)] == ["barge_in_possible", "barge_in"]


def test_a_session_that_is_lost_tells_no_words_and_the_agent_goes_on() -> None:
    patient = evolve(agent_with(reconnects=1), speaking=Speaking(resume_after_ms=3000))
    line = open_call(patient)
    line.answer(ms=5000)
    line.wait(300)
    line.tell(SpeechStarted("u1", 0))
    line.tell(ModelLeft(1006, ""), after=100)
    assert milestones(line)[-1] == {"name": "false_interruption", "why": "lost", "paused_ms": 100}
    assert of(line.wait(500), PlayAudio) != []


def test_nobody_hangs_up_while_it_is_not_known_whether_the_caller_said_something() -> None:
    line = open_call(agent(min_speech_ms=500, resume_after_ms=2000))
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 600)
    line.tell(ModelFinishedAudio("i1", 0), ToolCalled("r1", "c1", "hang_up", '{"reason": "bye"}'))
    line.tell(ResponseFinished("r1", "completed"))
    line.wait(300)
    line.tell(SpeechStarted("u1", 0))
    line.wait(300)
    line.echo()
    line.tell(SpeechStopped("u1", 0), TurnCommitted("u1"), after=1000)
    assert line.end is None
    line.tell(TranscriptCame("u1", "Oh, one more thing."), after=500)
    assert (line.end, "hang_up_withdrawn" in line.milestones(), asked(line)) == (None, True, 1)


def test_a_goodbye_to_which_a_backchannel_is_said_ends_the_call() -> None:
    line = open_call(agent(min_speech_ms=500, backchannels=True))
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 2600)
    line.tell(ModelFinishedAudio("i1", 0), ToolCalled("r1", "c1", "hang_up", '{"reason": "bye"}'))
    line.tell(ResponseFinished("r1", "completed"))
    frames(line, 800, QUIET)
    speak(line, 200, "Okay.")
    line.hear_out()
    assert line.end is not None
    assert "hang_up_withdrawn" not in line.milestones()
