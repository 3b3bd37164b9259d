import datetime

from replay.conformance.card import Check, ReportCard, worse_than
from replay.conformance.catalogue import CHECKS, STAYS_UP, TOOL_UNDECLARED
from replay.conformance.run import AT_ONCE, at_once, judged
from tests.judged_calls import a_call, told


def test_without_a_call_nothing_passes() -> None:
    card = judged([], bridge="none", url="", began=datetime.datetime.now(datetime.UTC), took_seconds=0)
    assert card.named("unknown") == tuple(check.name for check in CHECKS)
    assert not card.was_connected


def of_own(*checks: Check, calls: int, keeps_untold: bool) -> ReportCard:
    made = [a_call(told(0, "session.created"), webhook_status=200)] * calls
    now = datetime.datetime.now(datetime.UTC)
    return judged(
        made, bridge="one", url="", began=now, took_seconds=0, checks=checks, keeps_untold=keeps_untold
    )


def test_of_calls_that_somebody_brings_only_what_was_asked_for_by_name_is_shown_untold() -> None:
    both = (STAYS_UP, TOOL_UNDECLARED)
    assert of_own(*both, calls=2, keeps_untold=False).results == {"stays-up": "passed"}
    named = of_own(*both, calls=2, keeps_untold=True)
    assert named.results == {"stays-up": "passed", "tool-undeclared": "unknown"}
    assert worse_than(named, {}, strict=True) == ("tool-undeclared",)


def test_a_card_of_which_nothing_can_be_told_is_never_empty() -> None:
    card = of_own(TOOL_UNDECLARED, calls=1, keeps_untold=False)
    assert card.results == {"tool-undeclared": "unknown"}
    assert not card.tells_anything


def test_a_bridge_that_needs_much_of_a_core_for_a_call_is_rung_by_fewer_at_a_time() -> None:
    assert [at_once(percent) for percent in (0.0, 4.0, 20.0, 45.0, 130.0)] == [AT_ONCE, AT_ONCE, 3, 1, 1]
