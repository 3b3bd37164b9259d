"""What the model is told in words beside its instructions."""

import json

from attrs import evolve
from heart import agent_with

from bridge.heart.prompts import failure_output, opening_instructions


def test_the_opening_is_the_greeting_in_the_agents_language() -> None:
    opening = opening_instructions(evolve(agent_with(), greeting="Guten Tag!", language="de"))
    assert "Guten Tag!" in opening
    assert "'de'" in opening


def test_a_failure_is_told_as_json() -> None:
    assert json.loads(failure_output("busy", 'too "many"')) == {
        "error": "busy",
        "message": 'too "many"',
    }
