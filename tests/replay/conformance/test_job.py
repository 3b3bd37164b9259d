import datetime

import attrs
import pytest

from replay.conformance.card import Finding
from replay.conformance.catalogue import NO_GAPS
from replay.conformance.job import with_hurry
from replay.conformance.judging.verdicts import blamed, timed
from replay.conformance.machine import Hurry
from replay.conformance.run import judged
from tests.judged_calls import a_call, told

FULL = Hurry(late_ms=500)


def noted(*findings: Finding) -> tuple[str, ...]:
    calls = [a_call(hurry=FULL, webhook_status=200)] * 2
    card = judged([], bridge="", url="", began=datetime.datetime.now(datetime.UTC), took_seconds=0)
    card = attrs.evolve(card, checks=(NO_GAPS,), findings=findings)
    return with_hurry(card, calls).notes


@pytest.mark.parametrize("is_timed", [True, False])
def test_a_full_machine_is_spoken_of_only_where_something_could_not_be_told_because_of_it(
    is_timed: bool,
) -> None:
    call = a_call(told(0, "session.created"), hurry=FULL)
    proof = {"phone": call.phone_line(0, ""), "model": call.phone_line(0, "")}
    failed = Finding(NO_GAPS.name, call.name, "failed", "a hole")
    spoiled = timed(False, NO_GAPS, call, "a hole", **proof) if is_timed else blamed(failed, call)
    (note,) = noted(spoiled)
    assert note.startswith(
        "the machine was full during 2 of 2 calls: because of that no-gaps could not be told"
    )
    passed = timed(True, NO_GAPS, call, "no hole", **proof)
    assert noted(spoiled, passed) == ()
    assert noted(Finding(NO_GAPS.name, "", "unknown", "no call came so far")) == ()


def test_what_a_call_takes_of_the_bridge_is_told_where_it_is_why_few_were_made_at_a_time() -> None:
    def notes(percent: float) -> tuple[str, ...]:
        card = judged([], bridge="", url="", began=datetime.datetime.now(datetime.UTC), took_seconds=0)
        return with_hurry(card, [a_call(hurry=Hurry(steady_percent=percent))]).notes

    assert notes(3.0) == ()
    (note,) = notes(45.0)
    assert note.startswith("one call takes 45 % of a core in the bridge: 1 call was made at a time")
