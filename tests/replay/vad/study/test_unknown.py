"""What truth that is worked out can't tell: by the server's ear, its transcripts, and how much a person marked."""

from attrs import evolve
from vad_calls import composed, recordings

from replay.sound.ears import EARS, Ear
from replay.vad.study.sweep import METRICS
from replay.vad.study.unknown import UNENDED, UNHEARD, UNREAD, tells_nothing, unknown_to
from replay.vad.truth.derive import WITNESS
from replay.vad.truth.truth import Span, Truth, Turn

KNOWN = [call.truth for call in composed(4)]
DERIVED = [evolve(one, source="derived") for one in KNOWN]


def read(recording, words="yes"):
    (heard,) = recording.heard
    return evolve(recording, heard=(evolve(heard, turns=tuple(evolve(t, words=words) for t in heard.turns)),))


READ = [read(one) for one in recordings(4)]


def test_composed_or_labelled_truth_knows_everything():
    assert unknown_to(KNOWN, recordings(4), WITNESS) == set()
    assert unknown_to([evolve(one, source="labels") for one in KNOWN], recordings(4), WITNESS) == set()


def test_no_ear_can_tell_what_it_does_not_hear_itself():
    assert unknown_to(DERIVED, READ, WITNESS) == {*UNENDED, *UNHEARD}
    assert all(unknown_to(DERIVED, READ, ear) == {*UNENDED} for ear in EARS if ear != WITNESS)


def test_without_transcripts_noise_that_sounds_like_speech_is_speech():
    assert unknown_to(DERIVED, recordings(4), Ear()) == {*UNENDED, *UNREAD}
    assert unknown_to(DERIVED, [read(one, "") for one in recordings(4)], Ear()) == {*UNENDED}


def test_what_most_of_the_turns_are_known_of_is_known():
    mixed = [*KNOWN[:3], DERIVED[3]]
    assert unknown_to(mixed, READ, Ear()) == set()
    assert unknown_to([*DERIVED[:3], KNOWN[3]], READ, Ear()) == {*UNENDED}


def talked_through(ms_of_each_second):
    """Return a derived truth in which somebody is heard for so much of each second of what the agent says."""
    turns = tuple(Turn(Span(at, at + ms_of_each_second)) for at in range(0, 10_000, 1000))
    return Truth(turns, "derived", 20_000, (Span(0, 10_000),))


def test_who_is_heard_through_what_the_agent_says_is_not_the_caller_and_then_nothing_is_known():
    through = [talked_through(400)]
    unknown = unknown_to(through, READ[:1], Ear())
    assert unknown == set(METRICS)
    assert tells_nothing(unknown)
    assert not tells_nothing(unknown_to([talked_through(100)], READ[:1], Ear()))
    assert unknown_to([evolve(through[0], source="labels")], READ[:1], Ear()) == set()


def test_without_the_agent_there_is_nothing_to_hear_it_by():
    alone = evolve(talked_through(900), agent=())
    assert unknown_to([alone], READ[:1], Ear()) == {*UNENDED}
