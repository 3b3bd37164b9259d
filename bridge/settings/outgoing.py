"""What is set of calls that the bridge makes: how many, to whom and when; and what an agent does with who answers."""

import re
from typing import Any, Final

from attrs import frozen

from bridge.checks import Wrong, choice, number, setting, text, whole
from bridge.settings.places import phone_number

PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,14}")
HOURS: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-(([01][0-9]|2[0-3]):([0-5][0-9])|24:00)")
MACHINES: Final = ("hang_up", "message", "go_on", "press_1")


def prefixes(value: Any) -> tuple[str, ...]:
    """Accept a list of the beginnings of phone numbers."""
    is_list = isinstance(value, list | tuple)
    if not is_list or not all(isinstance(one, str) and PREFIX.fullmatch(one) for one in value):
        raise Wrong('a list of how numbers may begin, such as ["+1", "+4930"]')
    return tuple(value)


def hours_of_day(value: Any) -> str:
    """Accept a span of one day, or nothing: then it is all day."""
    found = HOURS.fullmatch(value) if isinstance(value, str) else None
    if value != "" and (found is None or span_of(value)[0] >= span_of(value)[1]):
        raise Wrong('a span of one day, such as "08:00-21:00", or "" for all day')
    return str(value)


def span_of(hours: str) -> tuple[int, int]:
    """Return the first minute of a span of the day, and the first that is no more in it.

    >>> span_of("08:00-21:30")
    (480, 1290)
    """
    if not hours:
        return 0, 24 * 60
    begins, ends = (part.split(":") for part in hours.split("-"))
    return int(begins[0]) * 60 + int(begins[1]), int(ends[0]) * 60 + int(ends[1])


@frozen
class Outbound:
    """Calls that are made. With no `caller_id`, and with nothing allowed, there are none."""

    caller_id: str = setting("", phone_number)
    allow: tuple[str, ...] = setting((), prefixes)
    hours: str = setting("08:00-21:00", hours_of_day)
    do_not_call: str = setting("", text("the path of a file with one number a line", empty=True))
    calls_per_second: float = setting(1.0, number(0.1, 30))
    calls_at_once: int = setting(10, whole(1, 1000))
    calls_per_hour: int = setting(60, whole(1, 100_000))


@frozen
class Outgoing:
    """How an agent makes calls; one without this table makes none. The last four are Twilio's own bounds."""

    machine: str = setting("hang_up", choice(*MACHINES))
    message: str = setting("", text("the words for an answering machine", empty=True))
    ring_seconds: int = setting(25, whole(5, 600))
    verdict_ms: int = setting(5000, whole(500, 60_000))
    press_seconds: int = setting(30, whole(5, 120))
    detection_seconds: int = setting(30, whole(3, 59))
    detection_speech_ms: int = setting(2400, whole(1000, 6000))
    detection_pause_ms: int = setting(1200, whole(500, 5000))
    detection_silence_ms: int = setting(2500, whole(2000, 10_000))

    @property
    def asks_who_answered(self) -> bool:
        """Say whether Twilio is to tell people from machines."""
        return self.machine != "go_on"

    @property
    def speaks_to_machines(self) -> bool:
        """Say whether a machine's own words are waited for, and answered."""
        return self.machine in ("message", "press_1")


def about_outgoing(outgoing: Outgoing, at: str) -> list[str]:
    """Return a sentence for what each value alone doesn't show."""
    if outgoing.speaks_to_machines and not outgoing.message.strip():
        return [f'[{at}] machine = "{outgoing.machine}" needs words: set message, who calls and why']
    return []
