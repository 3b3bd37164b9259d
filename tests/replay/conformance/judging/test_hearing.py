import pytest
from judged_calls import a_call, answer

from replay.conformance.both_sides import BothSides
from replay.conformance.judging.hearing import heard_of, passages
from replay.phone.report import CallReport


def of(call: BothSides, at_ms: int) -> dict[str, int | None]:
    return {item.item_id: heard_of(call, item.item_id, at_ms) for item in call.spoken()}


@pytest.mark.parametrize(
    ("at_ms", "heard"), [(1000, (0, 0)), (2500, (1500, 0)), (5000, (3000, 1000)), (9000, (3000, 3000))]
)
def test_the_second_item_is_heard_when_the_first_is_over(at_ms: int, heard: tuple[int, int]) -> None:
    call = a_call(answer(990, 1, 3000, 3000), heard=[(1000, 7000)])
    assert tuple(of(call, at_ms).values()) == heard


def test_an_answer_that_was_cut_leaves_nothing_for_the_next_one() -> None:
    call = a_call(
        answer(990, 1, 8000), answer(4000, 2, 1000), heard=[(1000, 3000), (4100, 5100)], clears=[3000]
    )
    assert of(call, 30_000) == {"item_1.1": 2000, "item_2.1": 1000}


def test_without_a_clear_the_next_answer_is_behind_the_old_one() -> None:
    call = a_call(answer(990, 1, 8000), answer(4000, 2, 1000), heard=[(1000, 10_000)])
    assert of(call, 8000) == {"item_1.1": 7000, "item_2.1": 0}
    assert len(passages(call)) == 1


def test_what_comes_after_a_pause_begins_anew_though_some_of_the_old_was_lost() -> None:
    call = a_call(answer(990, 1, 3000), answer(9000, 2, 1000), heard=[(1000, 3500), (9100, 9500)])
    assert of(call, 9300) == {"item_1.1": 2500, "item_2.1": 200}


def test_nobody_has_heard_what_was_never_sent() -> None:
    assert heard_of(a_call(), "item_1.1", 1000) is None


def test_a_busy_machine_that_comes_late_to_its_ticks_has_heard_less_by_then() -> None:
    call = a_call(answer(990, 1, 3000), heard=[(1000, 4000)])
    report: CallReport = call.report
    report.ticks += [(due, due + 400 if due >= 2000 else due) for due in range(0, 5000, 20)]
    assert heard_of(call, "item_1.1", 2300) == 1000  # until the tick of 2000 ms, nothing went on for 0.4 s
    assert heard_of(call, "item_1.1", 3400) == 2020
    assert call.heard_at_ms(3000) == 3400
