"""What somebody at the daemon asks of a live call: taped, told to the heart, answered by what the heart decides."""

from functools import partial
from typing import TYPE_CHECKING, Final

from bridge.calls.crashes import crashing_alone
from bridge.calls.legs.ears import Ears, Hear, Seat
from bridge.heart.wishes import ListenerCame, ListenerLeft, Wish
from bridge.tapes import tape

if TYPE_CHECKING:
    from bridge.calls.live_call import LiveCall

OVER: Final = "the call is over"


def ask(call: "LiveCall", wish: Wish) -> str:
    """Return why it is not done, or nothing if it is."""
    call.refusal = OVER
    with crashing_alone(call):
        call.feed(tape.asked_line(call.now_ms(), wish), wish)
    return call.refusal


def listen(call: "LiveCall", who: str, hear: Hear) -> Seat:
    """Let somebody hear both sides until they leave, if they may."""
    call.listeners += 1
    number = call.listeners
    if refusal := ask(call, ListenerCame(who, number)):
        return Seat(refusal)
    call.ears = call.ears or Ears()
    call.ears.add(number, hear)
    return Seat(leave=partial(_leave, call, number))


def _leave(call: "LiveCall", number: int) -> None:
    if call.ears is None or call.end is not None:
        return
    if not call.ears.remove(number):
        call.ears = None
    event = ListenerLeft(number)
    with crashing_alone(call):
        call.feed(tape.asked_line(call.now_ms(), event), event)
