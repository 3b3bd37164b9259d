"""What a simulated call begins with: its ids, its tape's header, and which callers can be simulated at all."""

from collections.abc import Sequence
from random import Random
from typing import Final

from attrs import define

from bridge import __version__
from bridge.agents import Agent
from bridge.built_in import built_in_tools
from bridge.config import Realtime
from bridge.errors import BridgeError
from bridge.prices import PUBLISHED
from bridge.tapes.header import Header, settings_of
from bridge.tools import Tool, rules_of
from replay.phone.script import Account, Caller

STARTED_AT: Final = "2026-01-01T00:00:00.000+00:00"
"""No clock is read: every simulated call was made at the same moment."""

ASKED_OF_A_SERVER: Final = {
    "webhook_twice": False, "webhook_signature": "right", "signature": "right", "trailing_slash": False,
    "token_override": None, "call_sid_override": None, "account_sid_override": None, "second_socket": False,
}  # fmt: skip
"""A caller's faults that a web server answers: there is none in a simulation."""


class NotSimulatedError(BridgeError):
    """This caller needs a daemon and sockets; the message says why."""


@define
class Names:
    """The ids of one call."""

    call_sid: str
    _dice: Random

    @classmethod
    def drawn(cls, seed: int) -> "Names":
        dice = Random(seed)
        return cls(f"CA{dice.getrandbits(128):032x}", dice)

    def next_stream_sid(self) -> str:
        return f"MZ{self._dice.getrandbits(128):032x}"


def check(caller: Caller) -> None:
    """Refuse a caller who tries what only a server could answer."""
    for name, usual in ASKED_OF_A_SERVER.items():
        if (value := getattr(caller, name)) != usual:
            raise NotSimulatedError(f"{name} = {value!r} needs a web server: make this call over sockets")


def header_of(
    agent: Agent, filled: dict[str, str], tools: Sequence[Tool], call_sid: str, account: Account
) -> Header:
    return Header(
        call_id=call_sid,
        call_sid=call_sid,
        account_sid=account.account_sid,
        agent=agent.name,
        started_at=STARTED_AT,
        caller=account.caller,
        called=account.number,
        model=Realtime().model,
        code=__version__,
        settings=settings_of(agent),
        filled=filled,
        tools=[*(tool.definition for tool in tools), *built_in_tools(agent)],
        tool_rules=rules_of(tools),
        prices=PUBLISHED.of(Realtime().model, agent.transcription_model),
    )
