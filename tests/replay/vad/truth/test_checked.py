"""What a person listened to, moment by moment: believed where they did, and nowhere else."""

import pytest
from attrs import evolve

from replay.vad.truth import answers
from replay.vad.truth.checked import completed, known_of, overlaid
from replay.vad.truth.derive import derive
from replay.vad.truth.labels import LabelError, read_labels, write_labels
from replay.vad.truth.recording import Recording
from replay.vad.truth.truth import Span, Truth, Turn

LENGTH_MS = 20_000
DERIVED = Truth(
    (
        Turn.of_speech([Span(1000, 2000), Span(2600, 3000)], "yes please"),
        Turn(Span(6000, 6400)),
        Turn(Span(9000, 12_000)),
    ),
    "derived", LENGTH_MS, unsure=(Span(15_000, 15_400),),
)  # fmt: skip


def told(checked, *turns, unsure=()):
    return Truth(tuple(turns), "derived", LENGTH_MS, unsure=unsure, checked=checked)


def recording(tmp_path):
    return Recording(
        "CA1", str(tmp_path / "CA1.jsonl.gz"), "front-desk", b"\xff" * (LENGTH_MS * 8), "near_field"
    )


def spans(truth):
    return [turn.span for turn in truth.turns]


def test_outside_of_what_was_checked_the_call_tells_for_itself():
    found = overlaid(DERIVED, told((Span(5500, 7000),)))
    assert spans(found) == [Span(1000, 3000), Span(9000, 12_000)]
    assert found.unsure == DERIVED.unsure


def test_one_turn_becomes_two_and_two_become_one():
    two = overlaid(DERIVED, told((Span(900, 3100),), Turn(Span(1000, 2000)), Turn(Span(2600, 3000))))
    assert spans(two)[:2] == [Span(1000, 2000), Span(2600, 3000)]
    one = Turn.of_speech([Span(6000, 6400), Span(9000, 12_000)])
    assert spans(overlaid(DERIVED, told((Span(5900, 12_100),), one))) == [
        Span(1000, 3000),
        Span(6000, 12_000),
    ]


def test_a_turn_that_was_checked_in_part_keeps_its_rest():
    found = overlaid(DERIVED, told((Span(1500, 2800),)))
    assert [turn.span for turn in found.turns[:2]] == [Span(1000, 1500), Span(2800, 3000)]
    inside = overlaid(DERIVED, told((Span(2100, 2500),)))  # in its pause: nothing of it is touched but that
    assert spans(inside)[:2] == [Span(1000, 2000), Span(2600, 3000)]


def test_what_nobody_could_tell_is_told_by_the_person():
    found = overlaid(DERIVED, told((Span(14_900, 15_500),), Turn(Span(15_000, 15_400))))
    assert (found.unsure, spans(found)[-1]) == ((), Span(15_000, 15_400))


def test_a_file_of_moments_says_so_and_is_written_and_read_alike(tmp_path):
    call = recording(tmp_path)
    checked = told((Span(900, 3100), Span(14_900, 15_500)), DERIVED.turns[0], unsure=(Span(15_000, 15_400),))
    write_labels(tmp_path / "CA1.labels.txt", checked, call)
    assert read_labels(tmp_path / "CA1.labels.txt", call) == checked
    whole = known_of(call, None, lambda: DERIVED)
    assert whole == evolve(DERIVED, checked=checked.checked)


def test_questions_nobody_answered_leave_the_call_as_it_was(tmp_path):
    path = tmp_path / "CA1.labels.txt"
    path.write_text("0.9\t3.1\task: put this right\n1.0\t3.0\tturn\n")
    assert completed(read_labels(path, recording(tmp_path)), lambda: DERIVED) == evolve(DERIVED, checked=())


def test_a_turn_that_is_half_in_what_was_checked_is_a_fault(tmp_path):
    path = tmp_path / "CA1.labels.txt"
    path.write_text("0.9\t3.1\tchecked\n1.0\t3.5\tturn\n")
    with pytest.raises(
        LabelError, match=r":2: turn 1.000 to 3.500 s is only in part inside checked .*line 1"
    ):
        read_labels(path, recording(tmp_path))


# ---------------------------------------------------------------- from a page


ANSWERS = """# call CA1
0.900\t3.100\tchecked
1.000\t2.000\tturn
2.600\t3.000\tturn

# call CA2
1.000\t2.000\tchecked
"""


def taken(tmp_path, text=ANSWERS):
    (tmp_path / "answers.labels.txt").write_text(text)
    return answers.take(tmp_path / "answers.labels.txt", [recording(tmp_path)])


def test_answers_go_into_the_label_files_of_their_calls(tmp_path):
    first, other = taken(tmp_path)
    assert (first.path, first.moments, first.why) == (tmp_path / "CA1.labels.txt", 1, "")
    assert (other.call_id, other.path, other.why) == ("CA2", None, "no such call among these tapes")
    found = known_of(recording(tmp_path), None, lambda: DERIVED)
    assert spans(found)[:2] == [Span(1000, 2000), Span(2600, 3000)]


def test_answers_join_earlier_ones_and_take_their_place_where_they_are_of_the_same(tmp_path):
    taken(tmp_path)
    taken(tmp_path, "# call CA1\n5.9\t6.5\tchecked\n\n")
    taken(tmp_path, "# call CA1\n0.9\t3.1\tchecked\n1.0\t3.0\tturn\n")
    found = read_labels(tmp_path / "CA1.labels.txt", recording(tmp_path))
    assert (spans(found), found.checked) == ([Span(1000, 3000)], (Span(900, 3100), Span(5900, 6500)))


def test_labels_of_a_whole_call_stay_as_they_are(tmp_path):
    (tmp_path / "CA1.labels.txt").write_text("1\t2\tturn\n")
    first, _ = taken(tmp_path)
    assert (first.path, first.moments) == (None, 0)
    assert first.why.endswith("has labels of the whole call")
    assert (tmp_path / "CA1.labels.txt").read_text() == "1\t2\tturn\n"


@pytest.mark.parametrize("text", ["# call CA1\n0.9\t3,1\tchecked\n", "1.0\t2.0\tturn\n"])
def test_answers_that_cant_be_read_change_nothing(tmp_path, text):
    with pytest.raises(LabelError):
        taken(tmp_path, text)
    assert not (tmp_path / "CA1.labels.txt").exists()


def test_nothing_is_derived_where_a_person_labelled_the_whole_call(tmp_path):
    (tmp_path / "CA1.labels.txt").write_text("1\t2\tturn\n")
    assert known_of(recording(tmp_path), None, lambda: derive(None, None)).source == "labels"
