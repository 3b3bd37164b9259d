"""Tools of your agent: typed functions. `bridge check` says what is wrong with one, and what to write instead."""

from typing import Annotated, Literal

from bridge.tools import CallInfo, tool


@tool(timeout_ms=3000)
def book_table(
    day: Literal["Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    people: Annotated[int, "How many will come"],
    time: Annotated[str, "24-hour time, for example 19:30"],
    call: CallInfo,
) -> dict[str, str]:
    """Book a table. Ask for whatever is missing before you call this."""
    return {"status": "booked", "table": "by the window", "confirmed_to": call.caller}
