import attrs
import pytest
from judged_calls import a_call, answer, error, told, truncation, turn

from replay.conformance.both_sides import BothSides
from replay.conformance.judging.interruptions import judge_interruptions
from replay.conformance.session_log import DELTA
from replay.conformance.situations import FIRST
from replay.phone.network import Network

CUT = {"says": [(3000, 800)]}


def results(call: BothSides) -> dict[str, str]:
    return {finding.check: finding.result for finding in judge_interruptions(call)}


def test_a_bridge_that_clears_and_tells_what_was_heard_passes() -> None:
    call = a_call(
        answer(990, 1, 9000), turn(3100), truncation(3150, "item_1.1", 2100), answer(6000, 2, 1000),
        heard=[(1000, 3150), (6100, 7100)], clears=[3150], **CUT,
    )  # fmt: skip
    assert results(call) == {
        "stops-when-interrupted": "passed",
        "tells-what-was-heard": "passed",
        "heard-as-claimed": "passed",
    }


def test_an_old_answer_that_plays_on_has_not_stopped() -> None:
    call = a_call(answer(990, 1, 9000), turn(3100), answer(6000, 2, 1000), heard=[(1000, 11_000)], **CUT)
    (finding,) = (one for one in judge_interruptions(call) if one.check == "stops-when-interrupted")
    assert (finding.result, finding.why.split(" ms")[0]) == ("failed", "the old answer is heard for 1001")


def test_a_cut_answer_that_is_never_truncated_is_told_with_what_was_heard() -> None:
    call = a_call(answer(990, 1, 9000), turn(3100), heard=[(1000, 3150)], clears=[3150], **CUT)
    (finding,) = (one for one in judge_interruptions(call) if one.check == "tells-what-was-heard")
    assert finding.result == "failed"
    assert "all 9000 ms were heard, and 2150 were" in finding.why


@pytest.mark.parametrize(
    ("claimed_ms", "result"),
    [(2150, "passed"), (1700, "passed"), (2600, "passed"), (1500, "failed"), (9000, "failed"), (0, "failed")],
)
def test_a_claim_is_held_against_what_was_heard(claimed_ms: int, result: str) -> None:
    call = a_call(
        answer(990, 1, 9000), turn(3100), truncation(3150, "item_1.1", claimed_ms), heard=[(1000, 3150)], clears=[3150],
        **CUT,
    )  # fmt: skip
    assert results(call)["heard-as-claimed"] == result


def test_a_claim_that_the_model_refuses_is_wrong_however_little_it_is_off() -> None:
    claim = truncation(6000, "item_1.1", 3100)[0]
    call = a_call(answer(990, 1, 3000), claim, error(6000, "invalid_value"), heard=[(1000, 4000)])
    assert results(call) == {"heard-as-claimed": "failed"}


@pytest.mark.parametrize(("claimed_ms", "result"), [(9000, {}), (0, {})])
def test_without_marks_nobody_is_blamed_for_a_claim(claimed_ms: int, result: dict[str, str]) -> None:
    caller = attrs.evolve(FIRST.caller, network=Network(mark_loss=1.0))
    call = a_call(
        answer(990, 1, 9000), truncation(3150, "item_1.1", claimed_ms), heard=[(1000, 3150)],
        situation=attrs.evolve(FIRST, caller=caller),
    )  # fmt: skip
    assert results(call) == result


@pytest.mark.parametrize(
    ("came", "result"), [([], "passed"), ([(3160, 20)], "passed"), ([(3160, 400), (3170, 400)], "failed")]
)
def test_what_comes_late_has_to_be_dropped(came: list[tuple[int, int]], result: str) -> None:
    late = [told(3105 + n, DELTA, item_id="item_1.1", response_id="resp_1", ms=400) for n in range(4)]
    call = a_call(
        answer(990, 1, 9000), turn(3100), late, answer(6000, 2, 1000), heard=[(1000, 3150)], clears=[3150],
        arrivals=[(1000, 9000), *came, (6100, 1000)],
    )  # fmt: skip
    assert results(call) == {"quiet-after-clear": result}


def test_where_nothing_came_late_nothing_can_be_told() -> None:
    call = a_call(answer(990, 1, 9000), turn(3100), heard=[(1000, 3150)], clears=[3150])
    assert results(call) == {}


def test_a_queue_of_the_bridge_s_own_that_plays_on_behind_its_clear_fails() -> None:
    call = a_call(
        answer(990, 1, 9000), turn(3100), answer(6000, 2, 1000), heard=[(1000, 3150)], clears=[3150],
        arrivals=[(1000, 2500), (3160, 200), (3360, 300)],
    )  # fmt: skip
    assert results(call) == {"quiet-after-clear": "failed"}


def test_late_pieces_behind_a_clear_are_one_fault_and_not_two() -> None:
    late = [told(3105 + n, DELTA, item_id="item_1.1", response_id="resp_1", ms=800) for n in range(4)]
    call = a_call(
        answer(990, 1, 9000), turn(3100), late, answer(9000, 2, 1000), heard=[(1000, 6300)], clears=[3150],
        arrivals=[(1000, 9000), (3160, 3200)], **CUT,
    )  # fmt: skip
    assert results(call)["quiet-after-clear"] == "failed"
    assert results(call)["stops-when-interrupted"] == "passed"


def test_a_caller_who_speaks_into_the_last_second_has_not_interrupted() -> None:
    call = a_call(answer(990, 1, 2500), turn(3100), heard=[(1000, 3500)], says=[(3000, 800)])
    assert results(call) == {}
