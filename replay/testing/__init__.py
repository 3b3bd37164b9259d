"""For tests of one's own agent, and whoever else wants a call made: everything to import for that is here.

Agents, what callers and models do (the caller's `Say` is `Speak` here, for the model has one too), clips, both
stand-ins, simulated and real calls, report cards, and what comes of them. The fixtures `ring_agent` and `judge` need no
import: pytest has them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bridge.agents import Agent
    from bridge.settings.limits import Limits
    from bridge.settings.turn_detection import SemanticVad, ServerVad
    from bridge.tapes.reader import Tape, read_tape
    from bridge.tapes.tape import Line, decode
    from replay.conformance.card import ReportCard
    from replay.model.faulty_stream import Tls
    from replay.model.script import CallTool, Delivery, Faults, Say, Script, Transcription
    from replay.model.server import serve_model
    from replay.phone.exchange.town import Behaviour, FarEnd, Town
    from replay.phone.network import Network
    from replay.phone.rest import open_rest
    from replay.phone.ring import ring
    from replay.phone.script import (
        Account,
        Caller,
        DropSocket,
        GoSilent,
        HangUp,
        InterruptAfter,
        Level,
        LoseStream,
        Menu,
        Press,
        SendRaw,
        StopReading,
        Wait,
        WaitForAgent,
        WaitForEnd,
        WaitForQuiet,
        WaitForReturn,
        WaitForStream,
    )
    from replay.phone.script import Say as Speak
    from replay.simulation.setup import NotSimulatedError
    from replay.simulation.simulate import simulate
    from replay.sound.clips import Clip, clip
    from replay.sound.formats import murmur
    from replay.sound.hearing import Hearing
    from replay.testing.judged_bridge import NotJudgedError, judge_bridge
    from replay.testing.pytest_plugin import Judge, RingAgent
    from replay.testing.rung_call import RingError, RungCall, ToolRun, Turn, ring_agent

__all__ = [
    "Account",
    "Agent",
    "Behaviour",
    "CallTool",
    "Caller",
    "Clip",
    "Delivery",
    "DropSocket",
    "FarEnd",
    "Faults",
    "GoSilent",
    "HangUp",
    "Hearing",
    "InterruptAfter",
    "Judge",
    "Level",
    "Limits",
    "Line",
    "LoseStream",
    "Menu",
    "Network",
    "NotJudgedError",
    "NotSimulatedError",
    "Press",
    "ReportCard",
    "RingAgent",
    "RingError",
    "RungCall",
    "Say",
    "Script",
    "SemanticVad",
    "SendRaw",
    "ServerVad",
    "Speak",
    "StopReading",
    "Tape",
    "Tls",
    "ToolRun",
    "Town",
    "Transcription",
    "Turn",
    "Wait",
    "WaitForAgent",
    "WaitForEnd",
    "WaitForQuiet",
    "WaitForReturn",
    "WaitForStream",
    "clip",
    "decode",
    "judge_bridge",
    "murmur",
    "open_rest",
    "read_tape",
    "ring",
    "ring_agent",
    "serve_model",
    "simulate",
]

_HOMES: Final = {
    "bridge.agents": "Agent",
    "bridge.settings.limits": "Limits",
    "bridge.settings.turn_detection": "SemanticVad ServerVad",
    "bridge.tapes.reader": "Tape read_tape",
    "bridge.tapes.tape": "Line decode",
    "replay.conformance.card": "ReportCard",
    "replay.model.faulty_stream": "Tls",
    "replay.model.script": "CallTool Delivery Faults Say Script Transcription",
    "replay.model.server": "serve_model",
    "replay.phone.exchange.town": "Behaviour FarEnd Town",
    "replay.phone.network": "Network",
    "replay.phone.rest": "open_rest",
    "replay.phone.ring": "ring",
    "replay.phone.script": "Account Caller DropSocket GoSilent HangUp InterruptAfter Level LoseStream Menu Press "
    "SendRaw Speak StopReading Wait WaitForAgent WaitForEnd WaitForQuiet WaitForReturn WaitForStream",
    "replay.simulation.simulate": "NotSimulatedError simulate",
    "replay.sound.clips": "Clip clip",
    "replay.sound.formats": "murmur",
    "replay.sound.hearing": "Hearing",
    "replay.testing.judged_bridge": "NotJudgedError judge_bridge",
    "replay.testing.pytest_plugin": "Judge RingAgent",
    "replay.testing.rung_call": "RingError RungCall ToolRun Turn ring_agent",
}
"""Where each name is. It is imported when it is asked for: pytest loads this package even where no test makes a call,
and the daemon takes a second."""

_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names.split()}
_NAMED_OTHERWISE: Final = {"Speak": "Say"}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOME_OF[name]), _NAMED_OTHERWISE.get(name, name))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
