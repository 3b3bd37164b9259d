"""Ends calls that do not end by themselves: a safety net under the heart's own limits, which should never be needed.

What it catches is a bug: an alarm that never rang, a task that does not stop.
"""

from collections.abc import Callable, Iterable
from typing import Final

import structlog
import trio

from bridge.calls.host import AnyCall

LOOK_SECONDS: Final = 10
LATE_SECONDS: Final = 30
"""How long after the heart should have ended a call the heart has had its chance."""

SILENT_SECONDS: Final = 60
"""Twilio sends 50 frames a second: a call with a stream and without any event for so long hears nothing at all."""

HELD_UP_SECONDS: Final = 1
"""A look that comes so late says that the whole process was held up, and nothing about calls."""

GRACE_SECONDS: Final = 5
"""What a call that was ended here may take until nothing of it is left: its last words and its goodbyes."""

log = structlog.get_logger(__name__)


async def reap(calls: Callable[[], Iterable[AnyCall]], *, every_seconds: float = LOOK_SECONDS) -> None:
    """Look at all calls again and again, until cancelled, and end those that are stuck."""
    while True:
        due = trio.current_time() + every_seconds
        await trio.sleep_until(due)
        if trio.current_time() - due > HELD_UP_SECONDS:
            continue  # what waits in the sockets comes first
        if _end_stuck(calls()):
            await trio.sleep(GRACE_SECONDS + 0.5)
        _cancel_left_over(calls())


def _end_stuck(calls: Iterable[AnyCall]) -> bool:
    """End what is stuck, and say whether anything was."""
    now = trio.current_time()
    stuck = [(call, why) for call in calls if (why := why_stuck(call, now))]
    for call, why in stuck:
        log.error("stuck call ended from outside", call_id=call.call_id, why=why)
        call.abandon(f"stuck: {why}")
    return bool(stuck)


def why_stuck(call: AnyCall, now: float) -> str:
    """Return why a call that isn't over should be by now, or ""."""
    if call.end is not None:
        return ""
    limits = call.agent.limits
    if now > call.due + LATE_SECONDS:
        bound = (
            "all that it may last" if call.due > call.born + limits.max_call_seconds else "max_call_seconds"
        )
        return f"it outlived {bound} by {LATE_SECONDS} s"
    silence = max(SILENT_SECONDS, limits.lost_media_ms / 1000 + LATE_SECONDS)
    if call.is_streaming and now - call.last_event > silence:
        return f"its stream was open, and nothing came for {silence:.0f} s"
    return ""


def _cancel_left_over(calls: Iterable[AnyCall]) -> None:
    """Cancel what should have gone after its end, once: against a task that shields itself nothing helps."""
    now = trio.current_time()
    for call in calls:
        if now > call.leaves_by and not call.is_cancelled:
            log.error("call did not go after its end: cancelled", call_id=call.call_id)
            call.cancel("did not go after its end: cancelled")
