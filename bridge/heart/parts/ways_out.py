"""The ways off the line that the model may take: the built-in tools, from their arguments to what is done. Pure.

Where a caller may be put stands in the agent's file. What the model says is looked up there, and never dialled.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from attrs import define

from bridge.agents import Agent
from bridge.heart.keys import HIDDEN, MASKED
from bridge.heart.parts.barge_in import BargeIn
from bridge.heart.parts.callee import Callee
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.trips import Trip
from bridge.heart.plans import CollectDigits, Plan, PressDigits, TakeMessage, plan_to
from bridge.heart.prompts import failure_output
from bridge.text.validity import valid, valid_json

HANG_UP: Final = "hang_up"
MOST_CHARACTERS: Final = 200
MOST_SUMMARY: Final = 500
KEYS: Final = re.compile(r"[0-9A-D*#wWx]{1,32}")
"""What Twilio presses, in what it takes of it; an x stands for a key that a tape hides, and is refused where it hides
none."""

MOST_KEYS: Final = 32
ASK_FOR_KEYS: Final = "Please type it on your phone now."
NOBODY: Final = failure_output("nobody", "as far as is known nobody is there whom that would help")
"""Whatever was called has not been told from a machine yet, or is one: nobody is put through to it."""

BUSY: Final = failure_output("busy", "the caller is not here, or about to leave")

_decode = msgspec.json.Decoder().decode


class _WrongError(Exception):
    """The model called a tool with what it can't be called with; the message tells it what can."""


@define
class WaysOut:
    """Decides on the tools that the heart carries out itself."""

    agent: Agent
    callee: Callee
    excursions: Excursions
    barge_in: BargeIn
    farewell: Farewell

    def has(self, name: str) -> bool:
        """Say whether this agent's model was offered a tool of this name."""
        agent = self.agent
        return {
            HANG_UP: True,
            "transfer_call": bool(agent.places),
            "send_digits": agent.send_digits,
            "collect_digits": agent.collect is not None,
            "take_message": agent.voicemail is not None,
        }.get(name, False)

    def take(self, call_id: str, name: str, arguments: str) -> str:
        """Take one when the last words were heard; return what the model reads at once if it is not to be."""
        if self.excursions.is_away:
            return BUSY
        if name == HANG_UP:
            self.farewell.hang_up(call_id, reason_of(arguments))
        elif self.farewell.is_pending:
            return BUSY
        elif not self.callee.is_open:
            return NOBODY
        else:
            try:
                self.farewell.leave(self._trip(call_id, name, _object_in(arguments)))
            except _WrongError as wrong:
                return failure_output("arguments", str(wrong))
        if self.barge_in.is_taking_turn:
            self.farewell.withdraw()  # asked for before the model knew that the caller had begun
        return ""

    def put_through(self, who: str, name: str, summary: str) -> str:
        """Have somebody's wish done, a person's at the daemon, by the plan that the model's would have; return why not.

        They may choose any place of the file, those that the model is not offered too.
        """
        place = self.agent.transfer.get(name)
        if place is None:
            return f"there is no such place; use one of: {', '.join(self.agent.transfer)}"
        if self.excursions.is_away:
            return "the caller is not on the line"
        if self.farewell.is_pending:
            return "the agent is about to hang up, or to put the caller through"
        if not self.callee.is_open:
            return "nobody is there yet who could be put through"
        plan = plan_to(place, summary=summary[:MOST_SUMMARY])
        self.farewell.send_on(Trip(plan, to=name, who=who))
        self.barge_in.stop_at_pause()
        return ""

    def _trip(self, call_id: str, name: str, told: Mapping[str, Any]) -> Trip:
        reason = _text(told, "reason")[:MOST_CHARACTERS]
        match name:
            case "transfer_call":
                return self._transfer(call_id, reason, told)
            case "send_digits":
                digits = _text(told, "digits")
                if not KEYS.fullmatch(digits) or (HIDDEN in digits and not self._may_be_hidden):
                    raise _WrongError(f"digits: use 1 to {MOST_KEYS} of 0-9 * # A-D, and w or W to wait")
                return Trip(Plan(PressDigits(digits)), call_id, is_listening_after=told.get("listen") is True)
            case "collect_digits":
                return Trip(Plan(self._collect(told)), call_id, reason=reason)
        assert self.agent.voicemail is not None
        return Trip(Plan(TakeMessage(self.agent.voicemail)), call_id, reason=reason)

    @property
    def _may_be_hidden(self) -> bool:
        """Say whether a tape of this agent's may have an x in place of a key that the model said."""
        return self.agent.keys == MASKED or self.agent.collect is not None

    def _transfer(self, call_id: str, reason: str, told: Mapping[str, Any]) -> Trip:
        name = _text(told, "place")
        place = self.agent.places.get(name)
        if place is None:
            raise _WrongError(f"there is no such place; use one of: {', '.join(self.agent.places)}")
        plan = plan_to(place, summary=_text(told, "summary")[:MOST_SUMMARY])
        return Trip(plan, call_id, name, reason)

    def _collect(self, told: Mapping[str, Any]) -> CollectDigits:
        collect, count = self.agent.collect, told.get("count")
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_KEYS:
            raise _WrongError(f"count: use a whole number from 1 to {MOST_KEYS}")
        assert collect is not None
        return CollectDigits(collect.say or ASK_FOR_KEYS, count, collect.seconds)


def reason_of(arguments: str) -> str:
    """Return the reason in the arguments of `hang_up`, or a plain word when there is none."""
    reason = (_arguments_of(arguments) or {}).get("reason")
    return reason[:MOST_CHARACTERS] if isinstance(reason, str) and reason else "the agent hung up"


def _object_in(arguments: str) -> Mapping[str, Any]:
    """Return what a tool was called with. Raises `_WrongError` where that is no object."""
    told = _arguments_of(arguments)
    if told is None:
        raise _WrongError("they are no JSON object; call it again with one")
    return told


def _arguments_of(arguments: str) -> Mapping[str, Any] | None:
    """Return what a tool was called with; None where that is no object."""
    try:
        told = _decode(
            valid_json(valid(arguments)).strip() or "{}"
        )  # half an emoji in a summary keeps nobody from being put through
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""
