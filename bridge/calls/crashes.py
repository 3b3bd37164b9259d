"""How a bug ends one call and no other, whichever part of that call is broken: its heart, its tape, or what it is asked
from outside.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.errors import in_words
from bridge.heart.effects import EndCall
from bridge.heart.wishes import Stopped
from bridge.tapes import tape
from bridge.tapes.tape import BRIDGE

if TYPE_CHECKING:
    from bridge.calls.live_call import LiveCall


@contextmanager
def crashing_alone(call: "LiveCall") -> Iterator[None]:
    """Let a bug end this call, and not whoever does something with it from outside."""
    try:
        yield
    except Exception as error:  # the top of a call, from another side
        crash(call, error)


def crash(call: "LiveCall", error: BaseException) -> None:
    """Log a bug, and end its call: the caller hears the failure sentence."""
    call.log.error("call crashed", exc_info=error)
    call.abandon(f"crashed: {in_words(error)}"[:300])


def give_up(call: "LiveCall", why: str, *, say: str = "") -> None:
    """End a call of which anything may be broken; the heart and the tape are each asked only once."""
    if call.end is not None:
        return
    try:
        event = Stopped(BRIDGE, why, say)
        call.feed(tape.stop_line(call.now_ms(), event), event)
    except Exception:
        call.log.exception("the heart could not end its call")
    if call.end is None:
        _end_without_heart(call, EndCall(BRIDGE, why, say))


def _end_without_heart(call: "LiveCall", end: EndCall) -> None:
    call.call.give_up()
    try:
        call.carry_out([end], call.now_ms())
    except Exception:
        call.log.exception("the end of a call is not on its tape")
    if call.end is None:
        call.finish(end)
