"""The demo restaurant's tools: what Harbour Table's agent can look up. No bookings are kept anywhere."""

import re
from typing import Annotated, Any, Final

from msgspec import Meta

from bridge.tools import tool

HOURS: Final = {
    "monday": "closed",
    "tuesday": "12:00-22:00",
    "wednesday": "12:00-22:00",
    "thursday": "12:00-22:00",
    "friday": "12:00-23:00",
    "saturday": "12:00-23:00",
    "sunday": "11:00-16:00",
}
LARGEST_TABLE: Final = 8
CLOCK_TIME: Final = re.compile(r"[0-2][0-9]:[0-5][0-9]")

Day = Annotated[str, "Day of the week, for example Friday"]


@tool
def check_table(
    day: Day,
    people: Annotated[int, Meta(ge=1, description="How many people will come")],
    time: Annotated[str, "Time of the day on a clock of 24 hours, for example 19:00"],
) -> dict[str, Any]:
    """Look up whether a table is free at a day and time."""
    hours = _hours(day)
    if people > LARGEST_TABLE:
        return {"free": False, "why": f"our largest table seats {LARGEST_TABLE}"}
    if hours == "closed":
        return {"free": False, "why": f"we are closed on {day}"}
    if not _is_open(hours, time):
        return {"free": False, "why": f"on {day} we are open {hours}"}
    place = "by the window" if people <= 4 else "in the garden room"
    return {"free": True, "table": place, "day": day, "time": time, "people": people}


@tool
def opening_hours(day: Day) -> dict[str, str]:
    """Look up when the restaurant is open on a day of the week."""
    return {"day": day, "hours": _hours(day)}


def _hours(day: str) -> str:
    hours = HOURS.get(day.strip().lower())
    if hours is None:
        raise ValueError(f"{day} is not a day of the week; use one of {', '.join(HOURS)}")
    return hours


def _is_open(hours: str, time: str) -> bool:
    if not CLOCK_TIME.fullmatch(time):  # "seven", say: the model knows what was meant, so let it be
        return True
    opens, closes = hours.split("-")
    return opens <= time < closes
