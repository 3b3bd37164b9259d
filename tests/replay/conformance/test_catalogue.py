from pathlib import Path

import pytest

from replay.conformance import catalogue as c
from replay.conformance.card import Check
from replay.conformance.catalogue import AS_TOLD, CHECKS
from replay.conformance.judging import crowds, greetings, interruptions, tool_calls, turns

PAGE = (Path(__file__).parents[3] / "docs" / "judge.md").read_text(encoding="utf-8")
BOUNDS = (
    (c.HEARD_AS_CLAIMED, interruptions.ROUGHLY_MS),
    (c.TELLS_WHAT_WAS_HEARD, interruptions.UNHEARD_MS),
    (c.STOPS_WHEN_INTERRUPTED, interruptions.NOTICE_MS),
    (c.STOPS_WHEN_INTERRUPTED, interruptions.SCRAP_MS),
    (c.QUIET_AFTER_CLEAR, interruptions.SCRAP_MS),
    (c.GREETING_HEARD, greetings.SOON_MS),
    (c.FIRST_WORDS_PASSED, greetings.LOST_MS),
    (c.TURN_ANSWERED, turns.ANSWER_MS),
    (c.ONE_ANSWER, turns.TOGETHER_MS),
    (c.WHOLE_ANSWERS, turns.MISSING_MS),
    (c.PROMPT, turns.ADDED_MS),
    (c.NO_GAPS, turns.HOLE_MS),
    (c.LINE_OPEN_IN_TOOLS, tool_calls.STOPPED_MS),
    (c.TOOL_ANSWERED, tool_calls.PATIENCE_MS),
    (c.NO_FRAMES_LOST, crowds.LOST_MS),
)


def test_each_check_stands_on_the_page_as_it_is() -> None:
    rows = [f"| `{check.name}` | {check.title} | {check.caller_notices} |" for check in CHECKS]
    assert [row for row in rows if row not in PAGE] == []


def test_each_check_has_a_name_of_its_own() -> None:
    names = [check.name for check in (*CHECKS, AS_TOLD)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("check", "bound_ms"), BOUNDS)
def test_what_a_bridge_may_be_off_stands_on_the_page_as_it_is_judged(check: Check, bound_ms: int) -> None:
    _, _, section = PAGE.partition("### How far")
    (row,) = [line for line in section.splitlines() if line.startswith(f"| `{check.name}`")]
    assert f" {bound_ms} ms" in row
