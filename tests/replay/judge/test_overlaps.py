"""The same callers, with speaking rules and without: what the gate says of both, on simulated calls."""

from functools import cache

from attrs import evolve
from measured import conditions

from bridge.agents import Agent
from bridge.settings.limits import Limits
from bridge.settings.speaking import Speaking
from bridge.tapes.tape import decode
from replay.compare.outcome import Comparison, compare
from replay.judge.call import Call
from replay.judge.metrics import Measures, measures_of
from replay.judge.thresholds import thresholds_of
from replay.model.script import Say as Words
from replay.model.script import Script
from replay.phone.script import Caller, HangUp, InterruptAfter, Say, Wait, WaitForQuiet
from replay.simulation.simulate import simulate
from replay.sound.clips import Clip, clip
from replay.sound.formats import murmur

AGENT = Agent(name="front-desk", limits=Limits(quiet_seconds=60), language="en")
RULES = Speaking(min_speech_ms=600, min_words=2, backchannels=True, resume_after_ms=1500)
PAUSING = Speaking(backchannels=True, resume_after_ms=1500)


def says(spoken: Clip) -> Words:
    return Words(spoken.audio, spoken.text)


def caller(offset_ms: int) -> Caller:
    """Somebody who says "yes" to show that they listen, whose door falls shut, and who then interrupts."""
    steps = (
        InterruptAfter(1500 + offset_ms), Say(clip("caller_yes").audio, "Yes."),
        Wait(3500), Say(murmur(700), ""),
        Wait(4000), Say(clip("caller_stop").audio, "Wait, stop."),
        WaitForQuiet(800), HangUp(),
    )  # fmt: skip
    return Caller(steps=steps, answer_delay_ms=0)


@cache
def measured(speaking: Speaking, offset_ms: int = 0) -> Measures:
    script = Script(
        opening=(says(clip("agent_story")),),
        fallback=(says(clip("agent_hours")),),
        heard=("Yes.", "", "Wait, stop.", "Wait, stop."),
    )
    tape = simulate(caller(offset_ms), script, evolve(AGENT, speaking=speaking))
    return measures_of(tape.header, map(decode, tape.lines))


def compared(speaking: Speaking) -> Comparison:
    """Return how the rules compare with none, over three callers who call five times, a little later each time."""
    callers = ("early", "later", "last")

    def side(variant: str, rules: Speaking) -> list[Call]:
        return [
            Call(variant, name, repeat, "", measured(rules, place * 200 + repeat * 40))
            for place, name in enumerate(callers)
            for repeat in range(5)
        ]

    sides = side("off", Speaking()), side("on", speaking)
    return compare(conditions(5, callers), sides[0], [sides[1]], thresholds_of({"resamples": 1000}))


def statuses(comparison: Comparison) -> dict[str, str]:
    return {verdict.name: verdict.status for verdict in comparison.verdicts["on"]}


def test_without_rules_everything_stops_the_agent_and_everything_is_answered() -> None:
    off = measured(Speaking())
    assert [(one.is_backchannel, one.is_false) for one in off.interruptions] == [
        (True, False), (False, True), (False, False),
    ]  # fmt: skip
    assert off.words_lost > 20
    assert off.answers_to_nothing == 2


def test_with_rules_only_who_means_it_does() -> None:
    on = measured(RULES)
    assert [one.is_meant for one in on.interruptions if one.went_on_after_ms is None] == [True]
    assert (on.words_lost, on.answers_to_nothing, on.missed_interruptions) == (0, 0, 0)
    assert on.talked_over_ms > measured(Speaking()).talked_over_ms


def test_an_agent_that_stops_at_once_and_goes_on_pauses() -> None:
    pausing = measured(PAUSING)
    assert [one.went_on_after_ms is None for one in pausing.interruptions] == [False, False, True]
    assert pausing.words_lost == 0


def test_the_gate_says_what_got_better_and_what_worse() -> None:
    on, pausing = statuses(compared(RULES)), statuses(compared(PAUSING))
    better = {"backchannel_interruptions", "answers_to_nothing", "words_lost"}
    assert {name for name in better if on[name] == "better"} == better
    assert (on["onset_to_silence_ms"], on["talked_over_ms"]) == ("worse", "worse")
    assert (pausing["onset_to_silence_ms"], pausing["paused_ms"]) == ("same", "worse")
