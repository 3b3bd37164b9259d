"""The stories of the demo: who says what at either end, and what the agent's file has for it. Nothing runs here."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from bridge.heart.audio import silence
from replay.model import script as model_script
from replay.model.script import CallTool, Script
from replay.phone.exchange.town import FarEnd, Town
from replay.phone.script import (
    Caller,
    InterruptAfter,
    Level,
    Menu,
    Press,
    Say,
    Wait,
    WaitForEnd,
    WaitForQuiet,
)
from replay.sound.clips import clip

AGENT: Final = "front-desk"
RESTAURANT: Final[Mapping[str, Any]] = {
    "instructions": "You answer the phone for Harbour Table, a small restaurant on the waterfront.",
    "greeting": "Hello, this is Harbour Table. How can I help you?",
}
ANSWER_DELAY_MS: Final = 250
"""About what Twilio needs to open a stream."""


@frozen
class Story:
    """One call: what its agent's table has beside a greeting, what its model says, who rings, whom Twilio can reach."""

    told: str
    model: Script
    caller: Caller
    agent: Mapping[str, Any] = field(factory=dict)
    town: Town = Town()
    calls: str = ""
    """Whom the agent calls, in the town; without it, it is called."""


def _agent(name: str) -> model_script.Say:
    return model_script.Say(clip(name).audio, clip(name).text)


def _says(name: str) -> Say:
    return Say(clip(name).audio, clip(name).text)


def _slowly(name: str) -> Say:
    """Return words after a pause of thought: by then the agent, who has pressed a key, is back on the line."""
    return Say(silence(1100) + clip(name).audio, clip(name).text)


def _texts(*names: str) -> tuple[str, ...]:
    return tuple(clip(name).text for name in names)


# ---------------------------------------------------------------- a table for four


def model_says() -> Script:
    """Return the agent's side: a greeting, a long answer, a tool call, its result, a goodbye that hangs up."""
    table = {"day": "Friday", "people": 4, "time": "19:00"}
    return Script(
        opening=(_agent("agent_greeting"),),
        turns=(
            (_agent("agent_hours"),),
            (_agent("agent_checking"), CallTool("check_table", table)),
            (_agent("agent_goodbye"), CallTool("hang_up", {"reason": "the caller has a table"})),
        ),
        answers=((_agent("agent_table"),),),
        fallback=(_agent("agent_pardon"),),
        heard=_texts("caller_hours", "caller_table", "caller_thanks"),
    )


def caller_does() -> Caller:
    """Return the caller's side: a question, an interruption two seconds into the answer, thanks."""
    return Caller(
        steps=(
            WaitForQuiet(400),
            _says("caller_hours"),
            InterruptAfter(2000),
            _says("caller_table"),
            WaitForQuiet(900),
            _says("caller_thanks"),
        ),
        answer_delay_ms=ANSWER_DELAY_MS,
        patience_ms=8000,
    )


def _table() -> Story:
    tools = ["replay.callers.restaurant:check_table", "replay.callers.restaurant:opening_hours"]
    return Story(
        "a question, an interruption, a tool, a goodbye", model_says(), caller_does(), {"tools": tools}
    )


# ---------------------------------------------------------------- put through

TOM, ANNA = "+15550100171", "+15550100172"


def _transfer() -> Story:
    party = "the caller plans a wedding party"
    to_tom = CallTool("transfer_call", {"place": "parties", "reason": party, "summary": ""})
    to_anna = CallTool(
        "transfer_call", {"place": "office", "reason": party, "summary": clip("machine_summary").text}
    )
    return Story(
        "put through to a line that is busy, back to the same agent, and on to somebody who is told why, and takes it",
        Script(
            opening=(_agent("agent_greeting"),),
            turns=((_agent("agent_connecting"), to_tom),),
            answers=((_agent("agent_busy"), to_anna),),
            fallback=(_agent("agent_pardon"),),
            heard=_texts("caller_party"),
        ),
        Caller(
            steps=(
                WaitForQuiet(400),
                _says("caller_party"),
                WaitForQuiet(700),  # the agent connects; it rings, which is no speech
                WaitForQuiet(700),  # and is back
                WaitForQuiet(400),  # Anna
                _says("caller_june"),
                WaitForEnd(),
            ),
            answer_delay_ms=ANSWER_DELAY_MS,
        ),
        {
            "transfer": {
                "parties": {"description": "Tom, who plans parties", "number": TOM},
                "office": {"description": "Anna, who knows everything", "number": ANNA, "warm": True},
            }
        },
        Town(
            {TOM: FarEnd(result="busy", answers_after_ms=1000), ANNA: FarEnd(_anna(), answers_after_ms=900)}
        ),
    )


def _anna() -> Caller:
    """Return somebody who listens to the end of what she is told, takes the call, and answers."""
    return Caller(
        steps=(
            WaitForQuiet(200),
            Press("1"),
            Wait(300),
            _says("colleague_hello"),
            WaitForQuiet(300),
            _says("colleague_free"),
        ),
        patience_ms=100,
    )


# ---------------------------------------------------------------- through a menu


def _menu() -> Story:
    levels = {
        "delivery": Level(_says("machine_delivery"), {"2": "time"}),
        "time": Level(_slowly("machine_time"), {"1": "told"}),
        "told": Level(_slowly("machine_done"), {}, wait_ms=6000),
    }
    return Story(
        "a machine rings about a delivery, and the agent presses its way through two menus",
        Script(
            opening=(_agent("agent_greeting"),),
            turns=(
                (CallTool("send_digits", {"digits": "2", "listen": True}),),
                (CallTool("send_digits", {"digits": "1", "listen": True}),),
                (_agent("agent_thanks"), CallTool("hang_up", {"reason": "the fish comes at eight"})),
            ),
            fallback=(_agent("agent_pardon"),),
            heard=_texts("machine_delivery", "machine_time", "machine_done"),
        ),
        Caller(steps=(WaitForQuiet(400), Menu(levels, "delivery")), answer_delay_ms=ANSWER_DELAY_MS),
        {"send_digits": True},
    )


# ---------------------------------------------------------------- a message


def _voicemail() -> Story:
    reason = {"reason": "praise for the chef"}
    return Story(
        "the caller leaves a message, and is back with the agent",
        Script(
            opening=(_agent("agent_greeting"),),
            turns=((_agent("agent_message"), CallTool("take_message", reason)),),
            answers=((_agent("agent_delivered"), CallTool("hang_up", {"reason": "a message was left"})),),
            fallback=(_agent("agent_pardon"),),
            heard=_texts("caller_message"),
        ),
        Caller(
            steps=(
                WaitForQuiet(400),
                _says("caller_message"),
                WaitForQuiet(1200),  # the tone comes before that
                Wait(600),
                _says("caller_praise"),
                Press("#"),
                WaitForEnd(),
            ),
            answer_delay_ms=ANSWER_DELAY_MS,
        ),
        {"voicemail": {"say": ""}},
    )


# ---------------------------------------------------------------- a call of the agent's own

JOE = "+15550100173"


def _outbound() -> Story:
    return Story(
        "the agent rings somebody about their table, and says nothing until a person has answered",
        Script(
            opening=(_agent("agent_reminder"),),
            turns=((_agent("agent_goodbye"), CallTool("hang_up", {"reason": "the table stands"})),),
            fallback=(_agent("agent_pardon"),),
            heard=_texts("caller_there"),
        ),
        Caller(),
        {"greeting": clip("agent_reminder").text, "outbound": {"machine": "hang_up"}},
        Town({JOE: FarEnd(_joe(), answers_after_ms=1500, verdict_after_ms=1500)}),
        calls=JOE,
    )


def _joe() -> Caller:
    """Return somebody who picks up, listens, and will be there."""
    return Caller(
        steps=(Wait(300), _says("caller_hello"), WaitForQuiet(400), _says("caller_there"), WaitForEnd())
    )


STORIES: Final = {
    "table": _table, "transfer": _transfer, "menu": _menu, "voicemail": _voicemail, "outbound": _outbound,
}  # fmt: skip
"""Each story by its name; the first is told when nobody asks for one."""
