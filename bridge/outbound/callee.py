"""What a phone number tells of who would be called: whether it is one, and what time it is there. Needs the extra
`outbound`, whose package knows the world's numbering plans.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.errors import OutboundError
from bridge.settings.outgoing import span_of
from bridge.settings.places import PHONE

NOWHERE: Final = "Etc/Unknown"


def number_of(text: str) -> str:
    """Return a number as it is dialled, without the marks people write into it. Raises `OutboundError`.

    >>> number_of("+49 (30) 1234-5678")
    '+493012345678'
    """
    import phonenumbers

    number = text.strip()
    for mark in " -./()\u00a0":
        number = number.replace(mark, "")
    wanted = 'write it with its country, such as "+15550100100"'
    if not PHONE.fullmatch(number):
        raise OutboundError(f"this is no phone number that can be called: {wanted}", "number")
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        raise OutboundError(f"no country has numbers that begin like this one: {wanted}", "number") from None
    if not phonenumbers.is_possible_number(parsed):
        raise OutboundError(f"no number of that country is as long, or as short: {wanted}", "number")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def zones_of(number: str) -> list[str]:
    """Return the time zones in which a number may be; none when it doesn't tell."""
    import phonenumbers
    from phonenumbers import timezone

    found = timezone.time_zones_for_number(phonenumbers.parse(number, None))
    return [zone for zone in found if zone != NOWHERE]


def check_hours(number: str, hours: str, now: datetime, zone: str = "") -> None:
    """Make sure that it is a time at which this number may be called. Raises `OutboundError`.

    A number that may be in several zones is called when the hours hold in all of them. `zone` is where the callee is,
    for whoever knows.
    """
    if not hours:
        return
    zones = [zone] if zone else zones_of(number)
    if not zones:
        raise OutboundError(
            f"where this number is, and so whether it is between {hours} there, can't be told from it: name the time "
            'zone of who is called, such as "Europe/Berlin"',
            "hours",
        )
    first, end = span_of(hours)
    for name, local in _local_times(zones, now):
        if not first <= local.hour * 60 + local.minute < end:
            raise OutboundError(f"it is {local:%H:%M} in {name}: calls are made from {hours}", "hours")


def _local_times(zones: Iterable[str], now: datetime) -> Iterable[tuple[str, datetime]]:
    for name in zones:
        try:
            yield name, now.astimezone(ZoneInfo(name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise OutboundError(
                f'the time zone "{name[:60]}" is not known here: what time it is there can\'t be told',
                "hours",
            ) from None
