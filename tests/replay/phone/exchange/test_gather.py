"""<Gather>: keys in the prompt, the terminator, the time-out, and nothing at all."""

import pytest
from twiml_calls import a_call, response, town

from replay.phone.script import Press, Step, Wait, WaitForAgent, WaitForQuiet

ASK = "<Say>Please type your number and then the hash key.</Say>"  # one second


def keys(digits: str, pause_ms: int = 120) -> tuple[Step, ...]:
    return tuple(step for digit in digits for step in (Press(digit), Wait(pause_ms)))


async def gathered(*steps: Step, gather: str = "", **answers: str) -> tuple[list[str], list[str | None]]:
    """What was collected, and the Digits that the action was asked with."""
    verb = f'<Gather action="/keys" timeout="2" {gather}>{ASK}</Gather>'
    verbs = {"/voice": response(verb, "<Say>Nothing came</Say>"), "/keys": response("<Hangup/>"), **answers}
    report, bridge = await a_call(*steps, answers=verbs, town=town())
    return report.gathered, [form.get("Digits") for form in bridge.asked("/keys")]


@pytest.mark.parametrize(
    ("steps", "gather", "digits"),
    [
        ((WaitForQuiet(200), *keys("1928#")), "", "1928"),
        ((WaitForAgent(), *keys("1928#")), "", "1928"),  # into the prompt
        ((WaitForQuiet(200), *keys("19285")), 'numDigits="4"', "1928"),
        ((WaitForQuiet(200), *keys("12")), "", "12"),  # the time-out ends it
        ((WaitForQuiet(200), *keys("1*")), 'finishOnKey="*"', "1"),
        ((WaitForQuiet(200), *keys("#")), 'finishOnKey="" numDigits="1"', "#"),
    ],
)
async def test_keys_are_collected(steps: tuple[Step, ...], gather: str, digits: str) -> None:
    assert await gathered(*steps, gather=gather) == ([digits], [digits])


async def test_a_lone_terminator_or_silence_falls_through_to_the_next_verb() -> None:
    assert await gathered(WaitForQuiet(200), *keys("#")) == ([""], [])
    assert await gathered() == ([""], [])


async def test_with_action_on_empty_result_nothing_is_a_result_too() -> None:
    assert await gathered(gather='actionOnEmptyResult="true"') == ([""], [""])


async def test_a_key_stops_the_prompt() -> None:
    verb = f'<Gather numDigits="1" action="/keys">{ASK * 20}</Gather>'
    verbs = {"/voice": response(verb), "/keys": response("<Hangup/>")}
    report, _ = await a_call(WaitForAgent(), Wait(300), Press("1"), answers=verbs, town=town())
    assert len(report.heard) < 8 * 1000
    assert len(report.words) == 1


async def test_without_an_action_the_document_itself_is_asked_for_again() -> None:
    verbs = {"/voice": response('<Gather numDigits="1" timeout="1"/>')}
    report, bridge = await a_call(Wait(200), Press("7"), answers=verbs, town=town())
    assert [form.get("Digits") for form in bridge.asked("/voice")] == [None, "7"]
    assert report.gathered == ["7", ""]
