"""How a call that has ended takes leave: last words leave, the caller's are heard out, then the sockets are closed."""

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from bridge.calls.leg import Leg
from bridge.calls.shadow import Shadow

WIND_UP_SECONDS: Final = 5.0
"""What it takes at most, the caller's last words first, and a little: 3.4 s."""

SHADOW_SECONDS: Final = 0.1
"""How much longer a shadow may take for its goodbye, once the caller and the model are gone: nobody waits for it."""


async def wind_up(
    phone: Leg, model: Leg, shadow: Shadow | None, *, hear_out: Callable[[], Awaitable[None]]
) -> None:
    """Part from both peers at once, from the model when `hear_out` returns; bounded, for a peer may have stalled."""
    async with trio.open_nursery() as goodbyes:
        goodbyes.start_soon(phone.part)
        goodbyes.start_soon(_part_from_model, model, hear_out)
    if shadow is not None and shadow.is_open:
        with trio.move_on_after(SHADOW_SECONDS):
            await shadow.ended.wait()


async def _part_from_model(model: Leg, hear_out: Callable[[], Awaitable[None]]) -> None:
    await hear_out()
    model.outbox.close()
    await model.part()
