"""Facts that a plan says must be told to callers: its table [must_say], and which calls told them. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from attrs import evolve

from bridge.checks import nearest, shown
from bridge.errors import ConfigError
from replay.judge.call import Call
from replay.judge.facts import EVERYBODY, Fact, MustSay, promised, tokens_of

EXAMPLE = (
    'a list of facts, each a text or several of which one is enough, such as ["Friday", ["7 pm", "at seven"]]'
)


def read_must_say(raw: Any, faults: list[str]) -> MustSay:
    """Return the facts by caller, and add a sentence for whatever is no fact."""
    if not isinstance(raw, Mapping):
        faults.append(f"must_say = {shown('', raw)}: use a table, written [must_say] on a line of its own")
        return {}
    found = {}
    for caller, facts in raw.items():
        if isinstance(facts, list) and facts and all(map(_is_fact, facts)):
            found[caller] = tuple(Fact((fact,) if isinstance(fact, str) else tuple(fact)) for fact in facts)
        else:
            faults.append(f"[must_say] {caller} = {shown('', facts)}: use {EXAMPLE}")
    return found


def _is_fact(value: Any) -> bool:
    ways = value if isinstance(value, list) else [value]
    return bool(ways) and all(isinstance(way, str) and tokens_of(way) for way in ways)


def check_callers(must_say: MustSay, callers: Collection[str]) -> None:
    """Raise `ConfigError` for facts of a caller who is not among those who call."""
    unknown = [name for name in must_say if name != EVERYBODY and name not in callers]
    if unknown:
        raise ConfigError(
            [
                f'[must_say] {name}: no such caller; {nearest(name, callers)}, or "*" for all of them'
                for name in unknown
            ]
        )


def with_promises(calls: Iterable[Call], must_say: MustSay) -> list[Call]:
    """Return the calls, each with which of its caller's facts were heard."""
    return [
        evolve(call, promised=promised(call.measures.said, _facts_of(call.caller, must_say)))
        if call.measures
        else call
        for call in calls
    ]


def _facts_of(caller: str, must_say: MustSay) -> tuple[Fact, ...]:
    return (*must_say.get(EVERYBODY, ()), *must_say.get(caller, ()))
