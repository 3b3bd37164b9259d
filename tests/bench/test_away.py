"""The bench of callers who leave the line: what its callers do, and how what was measured is judged."""

from pathlib import Path

from attrs import evolve

from bench import away
from bench.away import LEAVERS, STORY, WAYS, Plan, Run, leaver, longest_hole_ms
from bench.soak import Sample
from bridge.heart.audio import is_audible
from replay.phone.line import SILENCE
from replay.phone.report import CallReport
from replay.phone.script import Press, WaitForEnd, WaitForReturn

REST = Sample(0.0, 48, 0, 70_000, 60_000, 12, 2, 20, 0, 1.0, anonymous_kb=55_000)


def heard(audio: bytes) -> CallReport:
    report = CallReport(call_sid="CA1", rang_at=0.0)
    report.line.heard += audio
    return report


def measured(*samples: Sample, listeners: tuple[CallReport, ...] = ()) -> Run:
    return Run(Plan(), Path(), samples=list(samples), listeners=list(listeners))


def test_every_silence_in_a_story_is_a_hole_however_long_it_is() -> None:
    words = b"\x30" * 800
    assert longest_hole_ms(heard(SILENCE * 4000 + words)) == 0
    for ms in (20, 60, 5000):
        assert (
            longest_hole_ms(heard(SILENCE * 4000 + words + SILENCE * (8 * ms) + words + SILENCE * 80)) == ms
        )
    assert SILENCE not in STORY
    assert is_audible(STORY)


def test_a_caller_goes_each_way_that_the_model_has_for_them_and_comes_back_from_all_but_the_last() -> None:
    for ways in range(1, len(WAYS) + 1):
        kinds = [type(step) for step in leaver(ways).steps]
        is_taken = ways == len(WAYS)
        assert kinds.count(WaitForReturn) == ways - is_taken
        assert (WaitForEnd in kinds) == is_taken
        assert sum(step == Press("#") for step in leaver(ways).steps) >= ways
    assert len(LEAVERS.turns) == len(LEAVERS.answers) == len(WAYS)


def test_a_hole_and_whatever_stayed_is_a_fault() -> None:
    more = evolve(REST, anonymous_kb=60_000)
    assert away.judge(measured(REST, more, evolve(more, anonymous_kb=61_000))) == []
    for change, said in (
        ({"anonymous_kb": 61_300}, "memory grew by 2.2 %"),
        ({"tasks": 21}, "tasks at rest: [20, 20, 21]"),
        ({"files": 13}, "files at rest: [12, 12, 13]"),
        ({"threads": 3}, "threads at rest: [2, 2, 3]"),
        ({"shed": 1}, "1 tape lines were shed"),
    ):
        (fault,) = away.judge(measured(REST, more, evolve(more, **change)))
        assert fault.startswith(said)
    for ms, count in ((40, 0), (60, 1)):
        words = b"\x30" * 800
        one = heard(words + SILENCE * (8 * ms) + words)
        assert len(away.judge(measured(REST, REST, REST, listeners=(one,)))) == count
