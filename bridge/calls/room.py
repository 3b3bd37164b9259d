"""How many calls there are, when one more wants to come in or is to be made."""

from collections.abc import Iterable

from bridge.agents import Agent
from bridge.calls.admission import Load
from bridge.calls.host import AnyCall, CallHost
from bridge.machine import FILES_A_CALL, SPARE_FILES


def load_of(
    all_calls: Iterable[AnyCall], host: CallHost, agent: Agent, *, max_calls: int, is_open: bool = True
) -> Load:
    """Return the load as a new call of this agent finds it.

    A call that is over and has a tool running takes room beyond as many as there may be calls. One that rings is no
    caller who waits, and so never looks like a flood.
    """
    everything = list(all_calls)
    calls = [call for call in everything if call.end is None]
    waiting = [call for call in calls if call.is_waiting]
    return Load(
        live=len(calls) + max(0, len(everything) - len(calls) - max_calls),
        of_agent=sum(call.agent.name == agent.name for call in calls),
        waiting=sum(not call.is_outgoing for call in waiting),
        has_room=host.has_room,
        is_late=host.is_late,
        has_files=host.files_left >= SPARE_FILES + FILES_A_CALL * (len(waiting) + 1),
        is_open=is_open,
    )
