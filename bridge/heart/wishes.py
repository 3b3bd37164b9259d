"""What somebody at the daemon asks of a call: frozen values in the past tense, as all events are. Pure."""

from typing import TypeAlias

from attrs import frozen


@frozen
class Stopped:
    """Somebody outside ends the call; `say` is what the caller hears unless the agent says goodbye `within_ms`."""

    by: str
    why: str
    say: str = ""
    within_ms: int = 0


@frozen
class ListenerCame:
    """Somebody wants to hear both sides; listeners are counted from 1 in each call."""

    who: str
    number: int


@frozen
class ListenerLeft:
    """A listener hears no more."""

    number: int


@frozen
class InstructionWhispered:
    """Somebody tells the agent what its caller does not hear; it `is_answered` if it is to speak because of it."""

    who: str
    text: str
    is_answered: bool = False


@frozen
class TransferAsked:
    """Somebody wants the caller put through to a place of the agent's file, with a summary for who answers there."""

    who: str
    place: str
    summary: str = ""


Wish: TypeAlias = ListenerCame | InstructionWhispered | TransferAsked
"""What is answered at once: that it is done, or why not."""

OperatorEvent: TypeAlias = ListenerLeft | Wish
