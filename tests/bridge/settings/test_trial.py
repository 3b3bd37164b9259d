"""A trial of two turn detections: which calls have which, and what a table has to say."""

from pathlib import Path
from typing import Any

import pytest

from bridge.agents import Agent
from bridge.config import parse
from bridge.errors import ConfigError
from bridge.settings.trial import CONTROL, VARIANT, Trial
from bridge.settings.turn_detection import SemanticVad, ServerVad

GOOD = {"name": "shorter", "share": 0.3, "turn_detection": {"silence_duration_ms": 300}}
CALLS = [f"CA{number:032x}" for number in range(4000)]


def agent_with(trial: Any, **own: Any) -> Agent:
    return parse({"agents": {"a": {"trial": trial, **own}}}, Path("config.toml")).agents["a"]


def test_a_call_has_its_arm_wherever_it_is_asked_for() -> None:
    """By these very ids: a process of tomorrow that chose otherwise would change the arms of a trial that goes on."""
    trial = Trial("shorter", 0.5)
    assert [trial.arm(f"CA{number}") for number in range(6)] == [
        VARIANT, VARIANT, CONTROL, VARIANT, CONTROL, CONTROL,
    ]  # fmt: skip


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_so_many_calls_have_the_variant_as_its_share_says(share: float) -> None:
    trial = Trial("shorter", share)
    assert sum(trial.arm(call) == VARIANT for call in CALLS) / len(CALLS) == pytest.approx(share, abs=0.03)


def test_another_trial_deals_the_same_calls_anew() -> None:
    one, other = Trial("one", 0.5), Trial("other", 0.5)
    assert sum(one.arm(call) == other.arm(call) for call in CALLS) == pytest.approx(len(CALLS) / 2, rel=0.05)


def test_an_agent_listens_as_the_arm_of_its_call_says() -> None:
    agent = agent_with(GOOD)
    assert agent.trial is not None
    for call in CALLS[:40]:
        tried = agent.trial.arm(call) == VARIANT
        assert agent.in_call(call).turn_detection == ServerVad(silence_duration_ms=300 if tried else 500)
    assert {agent.trial.arm(call) for call in CALLS[:40]} == {CONTROL, VARIANT}


def test_both_arms_answer_and_interrupt_alike() -> None:
    own = {"type": "server_vad", "interrupt_response": False, "idle_timeout_ms": 6000}
    tried = agent_with(GOOD, turn_detection=own).trial
    assert tried is not None
    assert tried.turn_detection == ServerVad(
        silence_duration_ms=300, interrupt_response=False, idle_timeout_ms=6000
    )
    semantic = agent_with({**GOOD, "turn_detection": {"type": "semantic_vad"}}, turn_detection=own).trial
    assert semantic is not None
    assert semantic.turn_detection == SemanticVad(interrupt_response=False)


@pytest.mark.parametrize(
    ("trial", "fault"),
    [
        ({**GOOD, "share": 1.5}, "[agents.a.trial] share = 1.5: use a number more than 0 and less than 1"),
        ({**GOOD, "share": 0}, "[agents.a.trial] share = 0: use a number more than 0 and less than 1"),
        ({**GOOD, "share": 1}, "[agents.a.trial] share = 1: use a number more than 0 and less than 1"),
        ({**GOOD, "name": "Two Words"}, '[agents.a.trial] name = "Two Words": use a name of a-z, 0-9'),
        ({"turn_detection": {"threshold": 0.5}}, "[agents.a.trial] name: every trial has its own"),
        ({"name": "x"}, "nothing is tried; add a table [agents.a.trial.turn_detection]"),
        ({**GOOD, "turn_detection": {}}, "[agents.a.trial.turn_detection]: the same as the agent's own"),
        (
            {**GOOD, "turn_detection": {"threshold": 0.5, "interrupt_response": False}},
            "[agents.a.trial.turn_detection] interrupt_response = false: both arms have that of the agent's",
        ),
        (
            {**GOOD, "turn_detection": {"threshold": 2}},
            "[agents.a.trial.turn_detection] threshold = 2: use a number from 0.0 to 1.0",
        ),
        ({**GOOD, "shares": 0.5}, "[agents.a.trial] shares: unknown key; did you mean share?"),
        (0.5, "[agents.a.trial] = 0.5: use a table"),
    ],
)
def test_a_table_that_tries_nothing_is_told_why(trial: Any, fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        agent_with(trial)
    assert fault in raised.value.faults[0]


@pytest.mark.parametrize(
    ("own", "tried"),
    [
        ({}, {"silence_duration_ms": -1}),
        ({}, {"silence_ms": 300}),
        ({}, {"type": "loud"}),
        ({}, 300),
        ({"silence_duration_ms": -1}, {"silence_duration_ms": 500}),
        ([], {"threshold": 0.6}),
    ],
)
def test_a_fault_in_either_turn_detection_is_told_once_and_nothing_is_made_of_its_default(
    own: Any, tried: Any
) -> None:
    with pytest.raises(ConfigError) as raised:
        agent_with({**GOOD, "turn_detection": tried}, turn_detection=own)
    (fault,) = raised.value.faults
    assert "the same as" not in fault
