"""What becomes of the tools that the model calls."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import attrs

from replay.conformance.both_sides import Answer, BothSides
from replay.conformance.card import Check, Finding
from replay.conformance.catalogue import (
    LINE_OPEN_IN_TOOLS,
    TOOL_ANSWERED,
    TOOL_RESULT_TOLD,
    TOOL_UNDECLARED,
)
from replay.conformance.judging.verdicts import active_errors, found, held
from replay.conformance.session_log import APPEND, Told
from replay.conformance.situations import UNDECLARED

PATIENCE_MS: Final = 8_000
"""A tool that has given nothing in this time keeps a caller waiting for ever. The call lasts longer."""
LONG_MS: Final = 1_000
"""A tool that takes so long can be told from one that blocks."""
STOPPED_MS: Final = 700
"""The caller's frames come each 20 ms: when none was passed on for so long, the line stood still."""


@attrs.frozen
class Called:
    """One call of a tool, with what the bridge answered."""

    told: Told
    outputs: tuple[Told, ...]

    @property
    def name(self) -> str:
        """The tool's."""
        return str(self.told.what.get("name"))


def judge_tools(call: BothSides) -> Iterator[Finding]:
    """Say of each tool that was called whether it was answered, and of its result whether the caller heard of it."""
    calls = _calls(call)
    for called in calls:
        yield from _answered(call, called)
        yield from _line_open(call, called)
    outputs = [told for called in calls for told in called.outputs]
    if outputs:
        check = TOOL_UNDECLARED if all(called.name == UNDECLARED for called in calls) else TOOL_RESULT_TOLD
        yield from _told(call, max(outputs, key=lambda told: told.at), calls, check)


def _calls(call: BothSides) -> list[Called]:
    outputs = [
        told
        for told in call.told("conversation.item.create", "client")
        if (told.what.get("item") or {}).get("type") == "function_call_output"
    ]
    return [
        Called(told, tuple(one for one in outputs if one.what["item"].get("call_id") == told.what["call_id"]))
        for told in call.told("response.function_call_arguments.done")
    ]


def _answered(call: BothSides, called: Called) -> Iterator[Finding]:
    check = TOOL_UNDECLARED if called.name == UNDECLARED else TOOL_ANSWERED
    at_ms, times = call.ms(called.told), len(called.outputs)
    waited_ms = call.over_ms - at_ms
    if not times and waited_ms < PATIENCE_MS:
        if call.report.ended_by != "bridge" or call.situation.is_broken:
            return
        why = f"{called.name}: the bridge ended the call"
    else:
        ways = {0: f"never answered, in {waited_ms} ms", 1: "answered once"}
        why = f"{called.name}: {ways.get(times, f'answered {times} times')}"
    (last,) = called.outputs[-1:] or [called.told]
    phone = call.phone_line(call.over_ms, f"the stream is over, {waited_ms} ms after the tool was called")
    yield held(times == 1, check, call, why, phone=phone, model=call.model_line(last))


def _line_open(call: BothSides, called: Called) -> Iterator[Finding]:
    if not called.outputs:
        return
    from_ms, until_ms = call.ms(called.told), call.ms(called.outputs[0])
    took_ms = until_ms - from_ms
    if took_ms < LONG_MS:
        return
    appends = [ms for one in call.told(APPEND, "client") if from_ms <= (ms := call.ms(one)) <= until_ms]
    longest_ms = max(later - earlier for earlier, later in pairwise([from_ms, *appends, until_ms]))
    why = (
        f"{called.name} takes {took_ms} ms, and nothing of the caller is passed on for {longest_ms} ms of it"
    )
    sent = sum(from_ms <= ms <= until_ms for ms in call.report.sent_ms)
    phone = call.phone_line(until_ms, f"{sent} frames were sent while the tool ran")
    model = call.model_line(called.outputs[0])
    bound_ms = STOPPED_MS + call.hurry.late_ms
    yield held(longest_ms < bound_ms, LINE_OPEN_IN_TOOLS, call, why, phone=phone, model=model)


def _told(call: BothSides, output: Told, calls: list[Called], check: Check) -> Iterator[Finding]:
    """Whether the result was told, once: a second request for a response is refused, or makes a second answer."""
    at_ms = call.ms(output)
    first_ms = min(call.ms(called.told) for called in calls)
    answers = [one for one in call.answers() if one.began_ms >= at_ms and one.audio_ms]
    heard_ms = call.heard_from(answers[0].began_ms) if answers else None
    phone = call.phone_line(
        heard_ms or call.over_ms, "the agent is heard" if heard_ms else "nothing was heard"
    )
    if heard_ms is None:
        if call.over_ms - at_ms > PATIENCE_MS:
            why = "the result was sent, and the caller heard nothing of it"
            yield found(check, call, "failed", why, phone=phone, model=call.model_line(output))
        return
    more = [*_again(call, answers), *(told for told in active_errors(call) if call.ms(told) > first_ms)]
    why = f"heard {heard_ms - at_ms} ms after the result"
    if more:
        again = "refused, for one is being made" if more[0].kind == "error" else "spoken behind the first"
        why = f"a second response is asked for, and {again}"
    last = more[0] if more else answers[0].created
    yield held(not more, check, call, why, phone=phone, model=call.model_line(last))


def _again(call: BothSides, answers: list[Answer]) -> Iterator[Told]:
    turns = [call.ms(one) for one in call.told("input_audio_buffer.committed")]
    for before, after in pairwise(answers):
        if not any(before.began_ms < ms <= after.began_ms for ms in turns):
            yield after.created
