"""Which moments a person is asked about: those over which the settings in question disagree, and that may be wrong."""

import pytest
from attrs import evolve
from vad_studies import a_study

from replay.vad.study.ask import ANSWERS, MOMENTS, questions
from replay.vad.study.changes import outcome_under
from replay.vad.study.recommend import choices_of_chance
from replay.vad.truth.checked import overlaid
from replay.vad.truth.truth import Span


@pytest.fixture(scope="module")
def derived():
    study = a_study(calls=24)
    return evolve(study, truths=tuple(evolve(truth, source="derived") for truth in study.truths))


def are_apart(one, other):
    return one.end_ms <= other.start_ms or other.end_ms <= one.start_ms


def test_there_are_twenty_that_never_overlap(derived):
    asked = questions(derived)
    assert len(asked) == MOMENTS
    assert [one.weight for one in asked] == sorted((one.weight for one in asked), reverse=True)
    for number, one in enumerate(asked):
        for other in asked[:number]:
            assert (
                one.call != other.call
                or one.span.end_ms <= other.span.start_ms
                or other.span.end_ms <= one.span.start_ms
            )


def test_nothing_is_asked_of_calls_with_labels_or_of_moments_that_were_checked(derived):
    first = questions(derived)[0]
    labelled = [
        evolve(truth, source="labels") if call == first.call else truth
        for call, truth in enumerate(derived.truths)
    ]
    assert all(one.call != first.call for one in questions(evolve(derived, truths=tuple(labelled)), 100))
    truths = list(derived.truths)
    truths[first.call] = evolve(truths[first.call], checked=(first.span,))
    again = [
        one.span for one in questions(evolve(derived, truths=tuple(truths)), 100) if one.call == first.call
    ]
    assert first.span not in again


def test_settings_disagree_more_over_what_is_asked_than_over_what_is_not(derived):
    rivals = [setting for setting, _ in choices_of_chance(derived.sweep, derived.recommendation)]
    every = [one for one in questions(derived, 10_000) if one.after]
    asked = [one for one in questions(derived) if one.after]
    others = [one for one in every if one not in asked]

    def disagreed(one):
        base = int(derived.corpus.track.begins[one.call]) * 32
        low, high = one.before[-1].end_ms + base, one.after[0].start_ms + base
        stops = [outcome_under(derived.corpus, setting, derived.hearing).stop_ms for setting in rivals]
        return len({bool(((low <= own) & (own < high)).any()) for own in stops}) == 2

    assert sum(map(disagreed, asked)) / len(asked) > 2 * sum(map(disagreed, others)) / len(others)


def test_every_answer_is_a_truth_within_the_moment_alone(derived):
    for one in questions(derived, 100):
        truth = derived.truths[one.call]
        for answer in ANSWERS[one.kind]:
            found = overlaid(truth, one.truth(answer, truth.length_ms))
            outside = [
                turn
                for turn in truth.turns
                if turn.span.end_ms <= one.span.start_ms or one.span.end_ms <= turn.span.start_ms
            ]
            assert [turn for turn in found.turns if turn in outside] == outside
            inside = len(found.turns) - len(outside)
            assert inside == {"one": 1, "two": 2, "yes": 1, "no": 0, "unsure": 0}[answer]


def test_a_turn_in_many_pieces_is_split_only_where_it_is_asked(derived):
    one = next(one for one in questions(derived, 10_000) if len(one.before) > 1)
    first, second = one.truth("two", 100_000).turns
    assert (first.speech, second.speech) == (list(one.before), list(one.after))
    assert one.span.start_ms <= first.span.start_ms
    assert Span(first.span.end_ms, second.span.start_ms).length_ms >= 300
