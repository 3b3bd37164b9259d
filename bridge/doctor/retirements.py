"""When OpenAI takes models away, as its deprecations page announced, read on the date below.

The models endpoint tells the date of each model too; this table is for when that can't be asked, and for models that
are already gone from it. https://developers.openai.com/api/docs/deprecations
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

SOURCE: Final = "developers.openai.com/api/docs/deprecations"
READ_ON: Final = "2026-11-01"


@frozen
class Retirement:
    """The day (ISO) on which a model stops to answer, and what is recommended in its place."""

    day: str
    instead: str


_OLD: Final = Retirement("2026-05-07", "gpt-realtime-2.1")
_FIRST: Final = Retirement("2027-01-20", "gpt-realtime-2.1")
_FIRST_MINI: Final = Retirement("2027-01-20", "gpt-realtime-2.1-mini")
_TRANSCRIBERS: Final = Retirement("2027-02-26", "gpt-live-transcribe")

RETIREMENTS: Final[Mapping[str, Retirement]] = {
    "gpt-4o-realtime-preview": _OLD,
    "gpt-4o-realtime-preview-2024-10-01": _OLD,
    "gpt-4o-realtime-preview-2024-12-17": _OLD,
    "gpt-4o-realtime-preview-2025-06-03": _OLD,
    "gpt-realtime": _FIRST,
    "gpt-realtime-2025-08-28": _FIRST,
    "gpt-realtime-mini": _FIRST_MINI,
    "gpt-realtime-mini-2025-12-15": _FIRST_MINI,
    "whisper-1": _TRANSCRIBERS,
    "gpt-4o-transcribe": _TRANSCRIBERS,
    "gpt-4o-mini-transcribe": _TRANSCRIBERS,
    "gpt-4o-mini-transcribe-2025-12-15": _TRANSCRIBERS,
    "gpt-4o-transcribe-diarize": _TRANSCRIBERS,
}
STAYING: Final = frozenset(
    {
        "gpt-realtime-2.1",
        "gpt-realtime-2.1-mini",
        "gpt-realtime-2",
        "gpt-realtime-1.5",
        "gpt-transcribe",
        "gpt-live-transcribe",
        "gpt-realtime-whisper",
    }
)
"""Models of which no retirement was announced by that date."""
