"""The calls that are made to a bridge: what the caller does, and what the model does meanwhile. Plain values.

Which calls there are depends on two things that the first one shows: whether the bridge greets, and its tools."""

from collections.abc import Sequence
from typing import Any, Final

import attrs

from bridge.sound.g711 import LINEAR, ulaw_of
from replay.conformance.declared_tools import arguments_for, usable
from replay.model.expect import Expect
from replay.model.scenario import Scenario as ModelScenario
from replay.model.script import CallTool, Delivery, Faults, Reply, Script
from replay.model.script import Say as Answer
from replay.phone.instructions.verbs import Stream
from replay.phone.network import Network
from replay.phone.scenario import Scenario
from replay.phone.script import (
    Caller,
    DropSocket,
    HangUp,
    InterruptAfter,
    LoseStream,
    Press,
    Say,
    Step,
    Wait,
    WaitForEnd,
    WaitForQuiet,
    WaitForStream,
)
from replay.sound.clips import clip
from replay.sound.formats import murmur

PATIENCE_MS: Final = 9_000
"""So long whoever waits for the agent waits; a caller would have hung up."""

SILENCE_MS: Final = 12_000
"""A line that is silent for so long after a failure is dead; until then a bridge may try again."""

LEAVE_TIME_MS: Final = 15_000
"""A model's session that is still open so long after its call is over was forgotten. Where the stream broke a bridge
may wait for its caller to come back, some seconds; sessions that are forgotten last an hour."""

LONGEST_MS: Final = 60_000
CROWD: Final = 20
UNDECLARED: Final = "a_tool_that_nobody_declared"
STRANGER: Final = "CA" + "0" * 32
MOST_TOOLS: Final = 4
TOOL_MS: Final = 12_000
"""So long a tool may take, with the answer to its result."""
IN_TOOL_MS: Final = 900
"""So long after a question the model has called its tool, and a tool that takes a while still runs."""


@attrs.frozen
class Told:
    """A call as two scenarios have it: what the phone's expects, and the model's."""

    phone: Scenario
    expect: Expect


@attrs.frozen(kw_only=True)
class Situation:
    """One call, or `copies` of it at once. Alone means that no other call may go on meanwhile."""

    name: str
    title: str
    caller: Caller
    script: Script
    copies: int = 1
    other: Caller | None = None
    """What every second copy does instead."""
    is_alone: bool = False
    begins_alone_ms: int = 0
    """So long no other call begins: sessions that are opened meanwhile are all this one's."""
    is_broken: bool = False
    """Something goes wrong on purpose: answers may be missing."""
    has_odd_parameters: bool = False
    has_pauses: bool = False
    """Whether Twilio pauses where the bridge tells it to, before its stream."""
    longest_ms: int = LONGEST_MS
    told: Told | None = None
    """What is expected of it, if it is a call of somebody's own."""

    @property
    def model_is_prompt(self) -> bool:
        """Whether the model does all of its own as soon as it can: what takes long is the bridge's."""
        delivery, faults = self.script.delivery, self.script.faults
        return delivery.response_delay_ms == Delivery().response_delay_ms and not faults.open_after_ms

    def caller_of(self, number: int) -> Caller:
        """What the copy of this number does, counted from 1."""
        return self.other if self.other is not None and number % 2 == 0 else self.caller


@attrs.frozen
class Known:
    """What the first call has shown of a bridge."""

    greets: bool = True
    tools: Sequence[dict[str, Any]] = ()
    stream: Stream | None = None
    """Its address, with what the webhook put into <Parameter>: that call is over, so both belong to nobody."""

    def caller(self, *steps: Step, **settings: Any) -> Caller:
        """A caller who listens to the greeting, if there is one, and then does this."""
        opening = (WaitForStream(), quiet()) if self.greets else (WaitForStream(), Wait(800))
        return Caller(steps=(*opening, *steps), patience_ms=100, **settings)


def says(name: str) -> Say:
    """The caller says a clip."""
    return Say(clip(name).audio, clip(name).text)


def speaks(name: str) -> Answer:
    """The agent says a clip."""
    return Answer(clip(name).audio, clip(name).text)


def quiet(ms: int = 700) -> WaitForQuiet:
    """Until the agent has spoken, and was quiet for so long."""
    return WaitForQuiet(ms, timeout_ms=PATIENCE_MS)


def heard_for(ms: int) -> InterruptAfter:
    """Until the agent has spoken for so long."""
    return InterruptAfter(ms, timeout_ms=PATIENCE_MS)


def script(*turns: Reply, answers: tuple[Reply, ...] = (), **settings: Any) -> Script:
    """What the model says: a greeting, these turns, and a question for whatever comes beside them."""
    return Script(
        opening=(speaks("agent_greeting"),),
        turns=turns,
        answers=answers or ((speaks("agent_table"),),),
        fallback=(speaks("agent_pardon"),),
        **settings,
    )


ASKS: Final = says("caller_yes")
STOP: Final = says("caller_stop")
LONG: Final = (speaks("agent_hours"),)
SHORT: Final = (speaks("agent_checking"),)

FIRST: Final = Situation(
    name="greeting",
    title="the caller listens, and hangs up",
    caller=Caller(steps=(WaitForStream(), WaitForQuiet(700, timeout_ms=5_000), Wait(500), HangUp())),
    script=script(),
    is_alone=True,
    has_pauses=True,
)


def situations(known: Known) -> tuple[Situation, ...]:
    """Return every further call, for a bridge of which this is known."""
    return (
        *_failures(known), *_interruptions(known), *_tools(known), *_talk(known), *_endings(known), *_doors(known),
        *_crowds(known),
    )  # fmt: skip


def made_by(phone: Scenario, model: ModelScenario, name: str) -> Situation:
    """Return a call of somebody's own, as their scenarios have it."""
    told = Told(phone, model.expect)
    return Situation(
        name=name, title=phone.title, caller=phone.caller, script=model.script_for("", 1), told=told
    )


def _talk(known: Known) -> tuple[Situation, ...]:
    noisy = Say(murmur_softly(3_000), "(noise)")
    return (
        Situation(
            name="turns",
            title="two questions, each after the answer",
            caller=known.caller(ASKS, quiet(), ASKS, quiet(1_800), HangUp()),
            script=script(SHORT, SHORT),
        ),
        Situation(
            name="eager",
            title="the caller speaks at once, and the model is slow to answer the door",
            caller=Caller(
                steps=(WaitForStream(), says("caller_hello"), Wait(3_000), HangUp()), patience_ms=100
            ),
            script=script(SHORT, faults=Faults(open_after_ms=800)),
            has_pauses=True,
        ),
        Situation(
            name="silence",
            title="the caller says nothing for seven seconds, and then asks",
            caller=known.caller(Wait(7_000), ASKS, quiet(), HangUp()),
            script=script(SHORT),
        ),
        Situation(
            name="noise",
            title="a noisy line, and then a question",
            caller=known.caller(noisy, Wait(700), ASKS, quiet(), HangUp()),
            script=script(SHORT),
        ),
        Situation(
            name="keys",
            title="the caller presses keys, and then asks",
            caller=known.caller(Press("1"), Wait(150), Press("#"), Wait(700), ASKS, quiet(), HangUp()),
            script=script(SHORT),
        ),
    )


def _interruptions(known: Known) -> tuple[Situation, ...]:
    def cut(name: str, title: str, ms: int, **settings: Any) -> Situation:
        network = settings.pop("network", Network())
        delivery = Delivery(response_delay_ms=2_300, **settings)
        caller = known.caller(ASKS, heard_for(ms), STOP, quiet(), HangUp(), network=network)
        return Situation(name=name, title=title, caller=caller, script=script(LONG, SHORT, delivery=delivery))

    lost, late = Network(mark_loss=1.0), Network(mark_late_ms=1_500)
    return (
        cut("cut-early", "the caller cuts in early, and late pieces of the answer come", 700, speed=2.5, late_deltas=4),
        cut("cut-late", "the caller cuts in late, while the answer is still being made", 3_000, speed=2.2),
        cut("cut-after-done", "the caller cuts in when the response has long been done", 3_000),
        cut("cut-second-item", "the caller cuts into the second of two items", 7_400, items=2),
        cut("marks-lost", "no mark comes back, and the caller cuts in", 2_000, network=lost),
        cut("marks-late", "marks come back late, and the caller cuts in", 2_000, network=late),
    )  # fmt: skip


def _tools(known: Known) -> tuple[Situation, ...]:
    def calls(name: str, title: str, *items: CallTool) -> Situation:
        caller = known.caller(ASKS, WaitForQuiet(700, timeout_ms=TOOL_MS), HangUp())
        return Situation(name=name, title=title, caller=caller, script=script(items))

    if not known.tools:
        return ()  # a model without tools calls none
    undeclared = calls("tool-undeclared", "the model calls a tool that nobody declared", CallTool(UNDECLARED))
    tools = usable(known.tools)[:MOST_TOOLS]
    if not tools:
        return (undeclared,)
    fit = [CallTool(tool["name"], arguments_for(tool)) for tool in tools]
    first = fit[0]
    return (
        *(
            calls(f"tool-{number}", f"the model calls {tool.name}", tool)
            for number, tool in enumerate(fit, 1)
        ),
        calls("tools-parallel", f"the model calls {first.name} and {fit[-1].name} at once", first, fit[-1]),
        calls(
            "tool-broken-arguments",
            f"the model calls {first.name} with arguments that are no JSON",
            CallTool(first.name, '{"day": "Fri'),
        ),
        undeclared,
        Situation(
            name="gone-in-tool",
            title=f"the caller hangs up as {first.name} is called",
            caller=known.caller(ASKS, Wait(IN_TOOL_MS), HangUp()),
            script=script((first,)),
            is_broken=True,
        ),
    )


def _endings(known: Known) -> tuple[Situation, ...]:
    def leaves(name: str, title: str, *steps: Step, model: Script | None = None) -> Situation:
        caller = Caller(steps=(WaitForStream(), *steps), patience_ms=100)
        return Situation(name=name, title=title, caller=caller, script=model or script(LONG), is_broken=True)

    def later(name: str, title: str, *steps: Step, model: Script | None = None) -> Situation:
        return leaves(name, title, *known.caller(*steps).steps[1:], model=model)

    slow, talking = script(LONG, delivery=Delivery(speed=1.5)), (ASKS, heard_for(800))
    half = Say(ASKS.audio + STOP.audio[:1600], "half a sentence")
    return (
        leaves("gone-at-once", "the caller hangs up as the stream begins", Wait(60), HangUp()),
        later("gone-in-answer", "the caller hangs up in an answer", *talking, HangUp(), model=slow),
        later("gone-while-speaking", "the caller hangs up in their own sentence", half, HangUp()),
        later("socket-reset", "the caller's connection breaks", *talking, DropSocket(), model=slow),
        later(
            "stream-lost", "Twilio loses the stream", *talking, LoseStream(), Wait(500), HangUp(), model=slow
        ),
    )


def _doors(known: Known) -> tuple[Situation, ...]:
    listens = (WaitForStream(4_000), Wait(2_500), HangUp())
    return (
        Situation(
            name="late-start",
            title="`start` comes a second after the socket",
            caller=attrs.evolve(known.caller(Wait(300), HangUp()), start_delay_ms=1_000),
            script=script(),
        ),
        Situation(
            name="wrong-signature",
            title="somebody who is not Twilio calls the webhook",
            caller=Caller(steps=listens, patience_ms=100, webhook_signature="wrong"),
            script=script(),
            is_broken=True,
        ),
        *_strangers(known),
        Situation(
            name="odd-parameters",
            title="the webhook has parameters that nobody has seen yet",
            caller=known.caller(HangUp()),
            script=script(),
            has_odd_parameters=True,
        ),
    )


def _strangers(known: Known) -> tuple[Situation, ...]:
    def comes(name: str, title: str, **settings: Any) -> Situation:
        caller = Caller(
            steps=(WaitForStream(4_000), Wait(2_500), HangUp()), patience_ms=100, signature="wrong",
            call_sid_override=STRANGER, stream_override=known.stream, **settings,
        )  # fmt: skip
        return Situation(name=name, title=title, caller=caller, script=script(), is_broken=True)

    return (
        comes("stranger", "somebody who was not called opens the media socket", token_override="stolen"),
        comes("stranger-with-token", "somebody has the address and the parameters of a call that is over"),
    )


def _failures(known: Known) -> tuple[Situation, ...]:
    def fails(name: str, title: str, faults: Faults, *steps: Step, begins_alone_ms: int = 0) -> Situation:
        waits = (*steps, WaitForEnd(SILENCE_MS + 2_500), HangUp())
        caller = Caller(steps=(WaitForStream(), *waits), patience_ms=100)
        return Situation(
            name=name, title=title, caller=caller, script=script(LONG, faults=faults), is_broken=True,
            begins_alone_ms=begins_alone_ms,
        )  # fmt: skip

    opening = known.caller().steps[1:]
    return (
        Situation(
            name="model-late",
            title="the model opens its door after three seconds",
            caller=known.caller(ASKS, quiet(), HangUp()),
            script=script(SHORT, faults=Faults(open_after_ms=3_000)),
            has_pauses=True,
        ),
        fails("response-failed", "every response fails", Faults(fail_responses=20), *opening, ASKS),
        fails("model-refuses", "the model refuses the session", Faults(refuse="http_401"), begins_alone_ms=4_000),
        fails(
            "model-gone", "the model's connection breaks", Faults(drop_after_ms=1_500), ASKS, begins_alone_ms=4_000
        ),
    )  # fmt: skip


def _crowds(known: Known) -> tuple[Situation, ...]:
    return (
        Situation(
            name="two-at-once",
            title="two calls at the same time, with different questions",
            caller=known.caller(ASKS, quiet(), HangUp()),
            other=known.caller(Say(ASKS.audio * 3, "Yes. Yes. Yes."), quiet(), HangUp()),
            script=script(SHORT),
            copies=2,
        ),
        Situation(
            name="crowd",
            title=f"{CROWD} calls at the same time",
            caller=known.caller(Wait(6_000), ASKS, quiet(), HangUp()),
            script=script(SHORT),
            copies=CROWD,
            is_alone=True,
        ),
    )


def murmur_softly(ms: int) -> bytes:
    """Noise of a bad line: that many milliseconds, about -50 dBFS, which nobody takes for speech."""
    return ulaw_of([LINEAR[code] // 10 for code in murmur(ms)])
