"""A clip that was kept is heard where the model can't speak, by the agent's way and as nothing of the model's."""

import pytest
from attrs import evolve
from heart import START, Driver, agent_with, new_call, of, open_call, played, truncations

from bridge.agents import Agent
from bridge.heart.effects import AddTurn, CancelResponse, ClearPlayback, OpenSession, PlayAudio
from bridge.heart.events import (
    Event,
    KeyPressed,
    ModelLeft,
    ModelSpoke,
    ResponseCreated,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
)
from bridge.settings.filler import Clip, Filler
from replay.sound.formats import murmur

LOST = ModelLeft(1006, "")
CLIP = Clip("hold.wav", murmur(600))
BARE = agent_with(reconnects=3, reconnect_ms=9000)
AGENT = evolve(BARE, filler=Filler(CLIP, after_ms=1000, again_ms=2000))


def a_lost_session(agent: Agent = AGENT) -> Driver:
    """Return a call whose session was lost while nobody spoke."""
    line = open_call(agent)
    line.tell(LOST)
    return line


def lives(line: Driver, ms: int) -> None:
    """Let time pass on a line that goes on sending frames, and whose marks come back."""
    for _ in range(ms // 100):
        line.wait_with_frames(100)
        line.echo()


def comes_back(line: Driver) -> None:
    line.tell(SessionCreated(0), SessionUpdated())


def test_it_is_heard_after_so_long_a_silence_and_not_before() -> None:
    line = a_lost_session()
    lives(line, 900)
    assert played(line.wanted) == b""
    lives(line, 900)
    assert played(line.wanted) == CLIP.sound
    (note,) = [note for note in line.notes("milestone") if note["name"] == "filler_played"]
    assert (note["file"], note["ms"]) == ("hold.wav", 600)


def test_it_is_heard_again_while_it_takes_longer() -> None:
    line = a_lost_session()
    lives(line, 8000)
    assert line.milestones().count("filler_played") == 3
    assert [note["heard_ms"] for note in line.notes("item")] == [600] * 3


def test_a_session_that_comes_in_time_is_followed_by_no_clip() -> None:
    line = a_lost_session()
    lives(line, 900)
    comes_back(line)
    lives(line, 5000)
    assert not of(line.wanted, PlayAudio)


def test_the_words_of_the_former_session_are_heard_out_before() -> None:
    line = open_call(AGENT)
    line.tell(SpeechStarted("u1", 0))
    line.caller_ends()
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "i1", 2000)
    line.tell(LOST)
    lives(line, 2900)
    assert len(played(line.wanted)) == 16_000
    lives(line, 1000)
    assert played(line.wanted).endswith(CLIP.sound)


def test_whoever_waits_for_the_first_session_hears_it_too() -> None:
    line = new_call(AGENT)
    line.tell(START)
    lives(line, 1900)
    assert played(line.wanted) == CLIP.sound
    assert "first_audio_sent" not in line.milestones()
    assert "first_audio_heard" not in line.milestones()


def test_it_ends_at_once_when_the_agent_speaks() -> None:
    line = a_lost_session()
    lives(line, 1200)
    comes_back(line)
    line.tell(ResponseCreated("r1"))
    wanted = line.generate("r1", "i1", 400)
    assert of(wanted, ClearPlayback)
    assert played(wanted) != b""
    line.hear_out()
    (clip, *_) = line.notes("item")
    assert clip["cut"]
    assert clip["heard_ms"] < 600


INTERRUPTIONS: list[Event] = [SpeechStarted("u1", 0), KeyPressed("MZ1", "1")]


@pytest.mark.parametrize("interrupts", INTERRUPTIONS)
def test_a_caller_cuts_it_off_and_that_is_no_interruption_of_the_agent(interrupts: Event) -> None:
    line = a_lost_session()
    lives(line, 1200)
    comes_back(line)
    wanted = line.tell(interrupts)
    assert of(wanted, ClearPlayback)
    assert truncations(wanted) == [], "the model has no such item"
    assert not of(wanted, CancelResponse)
    assert "barge_in" not in line.milestones()


def test_the_next_session_is_not_told_of_it() -> None:
    line = a_lost_session()
    lives(line, 2000)
    before = len(line.wanted)
    comes_back(line)
    assert not of(line.wanted[before:], AddTurn)


def test_after_the_bound_the_failure_plan_follows_it_as_ever() -> None:
    line = a_lost_session()
    lives(line, 9500)
    assert line.end is not None
    assert (line.end.by, line.end.say) == ("model", AGENT.failure_sentence.text)


def test_it_makes_nobody_wait_longer_for_an_answer() -> None:
    def ended(agent: Agent) -> int:
        line = open_call(agent)
        line.tell(SpeechStarted("u1", 0))
        line.caller_ends()
        line.tell(LOST)
        comes_back(line)
        lives(line, 1000)
        line.tell(LOST)
        comes_back(line)
        while line.end is None:
            lives(line, 100)
        return line.now

    assert ended(AGENT) == ended(BARE)


def test_without_a_clip_there_is_silence() -> None:
    line = a_lost_session(BARE)
    lives(line, 5000)
    assert not of(line.wanted, PlayAudio)


def test_a_call_that_closes_stops_it_where_it_is() -> None:
    agent = evolve(
        AGENT, limits=evolve(AGENT.limits, max_call_seconds=20, goodbye_seconds=0, quiet_seconds=100)
    )
    line = open_call(agent)
    lives(line, 16_900 - 1100 - line.now)
    line.tell(LOST)
    lives(line, 1200)
    assert played(line.wanted) != b""
    lives(line, 4000)
    assert line.end is not None
    assert line.end.by == "limit"


def test_a_clip_is_none_of_what_a_peer_can_name() -> None:
    line = open_call(AGENT)
    line.tell(ResponseCreated("r1"), ModelSpoke("r1", "clip_1", 0, b"\x11" * 800))
    line.tell(LOST)
    lives(line, 4000)
    assert of(line.wanted, OpenSession)
    assert line.end is None
