"""The caller's last words: what is still written down after a call's end, and for how long that is waited for."""

import pytest
from attrs import evolve
from heart import SID, Driver, agent_with, of, open_call
from taped import from_model, header_of

from bridge.heart.effects import CancelResponse, CommitAudio, EndCall
from bridge.heart.events import (
    Event,
    ModelErred,
    ModelLeft,
    ResponseCreated,
    StreamStopped,
    TranscriptCame,
    TranscriptionFailed,
    TurnCommitted,
)
from bridge.heart.last_words import LISTEN_MS, MOST_TURNS, UNDER_WAY_MS, LastWords
from bridge.heart.wishes import Stopped
from bridge.store.records import records_of
from bridge.tapes.tape import line_of

HANGS_UP = StreamStopped(SID)


def spoken(*, is_committed: bool = True) -> Driver:
    """Return a call whose caller has said something."""
    line = open_call()
    line.caller_begins()
    if is_committed:
        line.caller_ends(after=800)
    line.wanted.clear()
    return line


def test_what_is_being_written_down_is_listened_for() -> None:
    line = spoken()
    line.tell(HANGS_UP)
    assert (line.call.is_over, line.call.is_listening) == (True, True)


def test_what_was_not_yet_a_turn_is_made_one_before_the_end() -> None:
    line = spoken(is_committed=False)
    line.tell(HANGS_UP)
    kinds = [type(effect) for effect in line.wanted if isinstance(effect, CommitAudio | EndCall)]
    assert kinds == [CommitAudio, EndCall]
    assert line.call.is_listening


@pytest.mark.parametrize(
    "event",
    [ModelLeft(1000, ""), ModelErred("input_audio_buffer_commit_empty", "", "", "")],
    ids=["the model left", "there was nothing"],
)
def test_nothing_is_listened_for_that_can_not_come(event: Event) -> None:
    line = spoken(is_committed=False)
    line.tell(HANGS_UP)
    line.tell(event)
    assert not line.call.is_listening


@pytest.mark.parametrize("kind", [TranscriptCame, lambda item_id: TranscriptionFailed(item_id, "x")])
def test_listening_ends_with_the_last_transcript(kind: type[TranscriptCame]) -> None:
    line = spoken()
    turn = next(iter(line.call._last_words._turns))
    line.tell(HANGS_UP)
    line.tell(kind(turn))
    assert not line.call.is_listening


def test_listening_ends_after_two_seconds_whatever_comes() -> None:
    line = spoken()
    line.tell(HANGS_UP)
    line.tell(TurnCommitted("i8"), after=LISTEN_MS - 1)
    assert line.call.is_listening
    line.tell(TurnCommitted("i9"), after=1)
    assert not line.call.is_listening


def test_who_shuts_down_does_not_wait_for_words() -> None:
    line = spoken(is_committed=False)
    line.tell(Stopped("operator", "the daemon is shutting down"))
    assert (of(line.wanted, CommitAudio), line.call.is_listening) == ([], False)


def test_without_transcription_there_is_nothing_to_wait_for() -> None:
    line = open_call(evolve(agent_with(), transcription_model=""))
    line.caller_begins()
    line.tell(HANGS_UP)
    assert (of(line.wanted, CommitAudio), line.call.is_listening) == ([], False)


def test_nobody_needs_an_answer_any_more() -> None:
    line = spoken()
    line.tell(ResponseCreated("r1"))
    line.tell(HANGS_UP)
    line.tell(ResponseCreated("r2"))
    assert [cancel.response_id for cancel in of(line.wanted, CancelResponse)] == ["r1", "r2"]


def test_a_server_that_writes_nothing_down_is_not_waited_for_at_each_end() -> None:
    words = LastWords(are_transcribed=True)
    words.follow(TurnCommitted("i1"), 0)
    words.call_ended("caller", UNDER_WAY_MS)
    assert not words.are_to_come(UNDER_WAY_MS)


def test_turns_that_were_never_written_down_are_forgotten() -> None:
    words = LastWords(are_transcribed=True)
    for number in range(MOST_TURNS + 5):
        words.follow(TurnCommitted(f"i{number}"), number)
    assert len(words._turns) == MOST_TURNS


def test_pieces_of_a_transcript_count_where_its_end_never_came() -> None:
    kind = "conversation.item.input_audio_transcription.delta"
    lines = [
        line_of(900, EndCall("caller", "hung up")),
        *(from_model(1000, kind, item_id="i1", content_index=0, delta=delta) for delta in ("Cancel", " my")),
    ]
    (row,) = records_of(header_of(agent_with(), []), lines).transcript
    assert (row["role"], row["said"]) == ("caller", "Cancel my")
