"""Calls for the tests of what the stand-in does off the stream: TwiML in, what everybody lived through out."""

from typing import Any

from phone_peer import Bridge, Talk, a_bridge, goodbye

from replay.phone.exchange.town import Behaviour, FarEnd, Town
from replay.phone.report import CallReport
from replay.phone.script import Caller, Say, Step
from replay.sound.formats import murmur

ANNA = "+15550199"
HELLO = Say(murmur(600), "Hello, Anna speaking.")
CONNECT = '<Connect action="/after"><Stream url="wss://bridge.example.com/media"/></Connect>'
AGAIN = f"<Response>{CONNECT}</Response>"

__all__ = ["AGAIN", "ANNA", "CONNECT", "HELLO", "a_call", "far_end", "response", "town"]


def response(*verbs: str) -> str:
    """A document of these verbs."""
    return f"<Response>{''.join(verbs)}</Response>"


def far_end(*steps: Step, patience_ms: int = 60_000, **settings: Any) -> FarEnd:
    """Somebody who answers after a second and does this."""
    return FarEnd(Caller(steps=steps, patience_ms=patience_ms), **{"answers_after_ms": 1000, **settings})


def town(behaviour: dict[str, Any] | None = None, **places: FarEnd) -> Town:
    """A town in which Anna, and whoever else is named, can be reached."""
    named = {ANNA if name == "anna" else name: end for name, end in places.items()}
    return Town(named, Behaviour(**{"speech_ms_per_character": 20, **(behaviour or {})}))


async def a_call(
    *steps: Step, answers: dict[str, str], town: Town, talk: Talk = goodbye, **options: Any
) -> tuple[CallReport, Bridge]:
    """One call whose webhook is answered at /voice; what became of it, and what the bridge was asked."""
    fields = {"patience_ms": 60_000, "within_s": 600, "fails": options.pop("fails", {})}
    async with a_bridge(talk, answers=answers, **fields) as (bridge, call):
        report = await call(*steps, town=town, **options)
    return report, bridge
