"""What an agent may do off the line, as its file says it: places, a voicemail, typed digits, and the failure plan.

It reads these tables, and checks what one of them says of another. Who is put through, and when, the heart decides.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import asdict, evolve, frozen

from bridge.checks import nearest, read_table, shown
from bridge.settings.places import Collect, FailurePlan, Place, Voicemail

PLACE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
MOST_PLACES: Final = 50
"""The model is told of each in every session."""

WAYS: Final = ("number", "sip", "client", "queue", "conference", "refer")
"""What a place can be; it is one of them."""

ANSWERED: Final = ("number", "sip", "client")
"""Where one person answers, who can be told something before."""

LAST: Final = ("hang_up", "https")
"""Steps after which the call is over, or no more ours."""


@frozen
class Leaving:
    """The tables of one agent that are about leaving the line."""

    transfer: Mapping[str, Place]
    voicemail: Voicemail | None
    collect: Collect | None
    failure: FailurePlan


def read_leaving(tables: Mapping[str, Any], at: str, faults: list[str]) -> Leaving:
    """Return what an agent's tables say of it; `faults` gets one sentence for each fault."""
    voicemail, collect = tables.get("voicemail"), tables.get("collect")
    leaving = Leaving(
        transfer=_read_places(tables.get("transfer", {}), f"{at}.transfer", faults),
        voicemail=None if voicemail is None
        else read_table(Voicemail, voicemail, at=f"{at}.voicemail", faults=faults),
        collect=None if collect is None else _read_collect(collect, f"{at}.collect", faults),
        failure=read_table(FailurePlan, tables.get("failure", {}), at=f"{at}.failure", faults=faults),
    )  # fmt: skip
    faults += _about_plan(leaving, at)
    return leaving


# ---------------------------------------------------------------- places


def _read_places(raw: Any, at: str, faults: list[str]) -> dict[str, Place]:
    if not isinstance(raw, dict):
        faults.append(f"[{at}] = {shown('', raw)}: write a table for each place, such as [{at}.sales]")
        return {}
    if len(raw) > MOST_PLACES:
        faults.append(
            f"[{at}]: {len(raw)} places; use at most {MOST_PLACES}: the model reads of each in every call"
        )
    return {name: _read_place(name, table, at, faults) for name, table in raw.items()}


def _read_place(name: str, raw: Any, at: str, faults: list[str]) -> Place:
    if not isinstance(raw, dict):
        faults.append(
            f"[{at}] {name} = {shown(name, raw)}: a place is a table with a name of its own, such as [{at}.sales]"
        )
        return Place(name)
    at = f"{at}.{name}"
    if not PLACE_NAME.fullmatch(name):
        faults.append(
            f'[{at}]: use a name of a-z, 0-9, "-" and "_", such as sales: the model knows the place by it'
        )
    place = evolve(read_table(Place, raw, at=at, faults=faults, without=("name",)), name=name)
    faults += _about_place(place, {way: raw[way] for way in WAYS if way in raw}, at)
    return place


def _about_place(place: Place, ways: Mapping[str, Any], at: str) -> Iterator[str]:
    """Yield what each value alone doesn't show; `ways` is how it is to be reached, as the file has it."""
    if len(ways) > 1:
        yield f"[{at}] {', '.join(ways)}: a place is reached in one way: keep one of them, and name a second place"
    elif not ways or "" in ways.values():
        yield f"[{at}]: say how the place is reached: with {_listed(WAYS)}"
    elif place.is_warm and not ways.keys() & set(ANSWERED):
        yield (
            f"[{at}] warm = true: there is nobody who could be told first in a {next(iter(ways))}: use "
            f"{_listed(ANSWERED)}, or leave warm out"
        )


def way_to(place: Place) -> str:
    """Return how a place is reached, in words."""
    return next((f"{way} {address}" for way in WAYS if (address := getattr(place, way))), "nowhere")


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}"


# ---------------------------------------------------------------- digits


def _read_collect(raw: Any, at: str, faults: list[str]) -> Collect:
    collect = read_table(Collect, raw, at=at, faults=faults)
    if isinstance(raw, dict) and not raw.get("tool"):
        faults.append(f'[{at}]: name the tool that is given the digits: tool = "check_pin", say')
    return collect


# ---------------------------------------------------------------- the failure plan


def _about_plan(leaving: Leaving, at: str) -> Iterator[str]:
    """Yield what is wrong with the steps of each cause: what they name must be there, and each must be reached."""
    for cause, steps in asdict(leaving.failure).items():
        for number, step in enumerate(steps):
            where = f'[{at}.failure] {cause}: "{step[:60]}"'
            if number and _kind(steps[number - 1]) in LAST:
                yield f'{where} comes after "{steps[number - 1][:60]}", with which the call leaves us: take one out'
            yield from (f"{where}: {fault}" for fault in _about_step(leaving, step, at))


def _about_step(leaving: Leaving, step: str, at: str) -> Iterator[str]:
    kind, _, rest = step.partition(":")
    place = leaving.transfer.get(rest)
    if kind == "voicemail" and leaving.voicemail is None:
        yield f"there is no [{at}.voicemail]: write one, with the words to say before the tone"
    elif kind == "dial" and place is None:
        yield f"there is no [{at}.transfer.{rest}]; {nearest(rest, leaving.transfer)}"
    elif kind == "dial" and place is not None and place.is_warm:
        yield (
            "whoever answers there is told a summary of the model's, and here is no model: name a place that is "
            "not warm"
        )


def _kind(step: str) -> str:
    return step.partition(":")[0]
