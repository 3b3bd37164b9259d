"""What may stand in the fields of a tape's lines, and within which bounds. Pure.

A tape is read back by everything that the lab does, and by a database whose numbers have a size. So a line whose
content doesn't fit is refused where tapes are read, and nothing after that has to think of it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias, TypedDict

import msgspec
from msgspec import Meta

from bridge.errors import TapeError

MOST_MS: Final = 24 * 3600 * 1000
"""Twilio ends every call after 24 hours. It also fits an integer of 32 bits, which is what the database has."""

MOST: Final = 2**31 - 1
MOST_PIECE_BYTES: Final = 300 * 8000
"""Of audio in one line: as much as may wait to be sent to the phone."""

MOST_FRAMES: Final = MOST_MS // 20
MOST_JOINED: Final = 300 * 50
"""Frames in one line: five minutes, a hundred times what is held for a model that is late."""

Ms: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_MS)]
Moment: TypeAlias = Annotated[int, Meta(ge=-1, le=MOST)]
"""Of a note: -1 is never."""

Count: TypeAlias = Annotated[int, Meta(ge=0, le=MOST)]
Frame: TypeAlias = Annotated[int, Meta(ge=0, le=MOST_FRAMES)]
When: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"\A[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?\Z"
    ),
]
"""A moment as both Python and DuckDB can read it."""

Append: TypeAlias = tuple[Frame, Frame]
Fields: TypeAlias = dict[str, Any]


class Audio(TypedDict):
    """Where audio sent to the phone came from, and how much it was."""

    item: str
    part: Count
    at: Count
    bytes: Annotated[int, Meta(ge=0, le=MOST_PIECE_BYTES)]


class Webhook(TypedDict):
    """What Twilio posted; the address is without what opens something."""

    method: NotRequired[str]
    url: NotRequired[str]
    form: NotRequired[dict[str, str]]


class Close(TypedDict):
    """A socket's close frame."""

    code: int
    reason: str


class Run(TypedDict):
    """A tool was started."""

    call_id: str
    name: str
    arguments: str
    digits_of: NotRequired[Count]


class ToolSaid(TypedDict):
    """A tool's answer, the kind of its failure with a message, or how far it is."""

    call_id: str
    output: NotRequired[str]
    progress: NotRequired[str]
    kind: NotRequired[str]
    message: NotRequired[str]


class TryFailed(TypedDict):
    """The model's socket could not be opened, and is tried again."""

    kind: str
    why: str
    again_in_ms: NotRequired[Count]


class Ending(TypedDict):
    """Who ended a call, why, and what the caller shall hear."""

    by: str
    why: str
    say: NotRequired[str]


class Stop(Ending):
    """Somebody outside ends a call, in which the agent has so long to say goodbye."""

    within_ms: NotRequired[Ms]


class Asked(TypedDict):
    """What somebody at the daemon asks of a call, and who: of a listener who left, whose number is told, nobody."""

    wish: Literal["listen", "leave", "whisper", "transfer"]
    who: NotRequired[str]
    number: NotRequired[Count]
    text: NotRequired[str]
    is_answered: NotRequired[bool]
    place: NotRequired[str]
    summary: NotRequired[str]


class LastEnding(Ending):
    """The same as the heart's last word; `go_to` is other TwiML that goes on with the caller."""

    go_to: NotRequired[str]


class Leave(TypedDict):
    """The caller leaves the stream: the excursion's number, what Twilio says first, and the kind of its one step.

    `to` is the name of a place or of a queue; of keys that are pressed `digits`, of those asked for `count`.
    """

    number: Count
    kind: str
    say: NotRequired[list[str]]
    to: NotRequired[str]
    summary: NotRequired[str]
    digits: NotRequired[str]
    count: NotRequired[Count]


class Back(TypedDict):
    """The caller comes back to the stream, as this leg of the phone."""

    leg: Count


# ---------------------------------------------------------------- notes


class _Note(TypedDict):
    kind: str


class _Milestone(_Note):
    name: str
    at_ms: NotRequired[Moment]


class _Item(_Note):
    item_id: str
    content_index: Count
    response_id: str
    generated_ms: Count
    sent_ms: Count
    heard_ms: Count
    first_sent: Moment
    first_heard: Moment
    cut: bool


class _Log(_Note):
    text: str


class _Cancelled(_Note):
    call_id: str


class _Shed(_Note):
    lines: Count


class _Mark(_Note):
    """What somebody thinks of a call that is over."""

    given_at: When
    by: str
    mark: Literal["", "good", "bad"]
    label: str
    text: str


NOTES: Final[Mapping[str, Any]] = {
    "milestone": _Milestone, "item": _Item, "log": _Log, "tool_cancelled": _Cancelled, "shed": _Shed,
    "mark": _Mark,
}  # fmt: skip
"""What a note must have, by its kind; it may have more, and there may be other kinds."""


def check_note(note: Fields) -> None:
    """Make sure that a note has what its kind needs. Raises `TapeError`."""
    try:
        kind = msgspec.convert(note, _Note)["kind"]
        if kind in NOTES:
            msgspec.convert(note, NOTES[kind])
    except msgspec.ValidationError as error:
        raise TapeError(f"a note of what this version can't use: {error}") from None


def check_webhook(http: Fields) -> None:
    """Make sure that a webhook has its parameters as texts. Raises `TapeError`."""
    try:
        msgspec.convert(http, Webhook)
    except msgspec.ValidationError as error:
        raise TapeError(f"a webhook of what this version can't use: {error}") from None


def check_tool(said: ToolSaid) -> None:
    """Make sure that a tool gave an answer or a failure, or told how far it is. Raises `TapeError`."""
    if said.keys() - {"call_id"} not in ({"output"}, {"kind", "message"}, {"progress"}):
        raise TapeError(f"a tool that neither answered nor failed: {', '.join(said)}")


def check_append(frames: Append) -> None:
    """Make sure that these are frames from the first to the last of a message. Raises `TapeError`."""
    first, last = frames
    if not first <= last + 1 <= first + MOST_JOINED:
        raise TapeError(f"frames {first} to {last} in one message")
