"""What the daemon and its indexer tell each other: jobs one way, one at a time, and what came of each the other way."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import asdict, frozen

from bridge.store.digest import OF_WORDS

# Whoever asks first waits for the process that answers: it loads what makes records of tapes when there is a tape.
if TYPE_CHECKING:
    from bridge.config import Secrets, Settings
    from bridge.store.records import Records
    from bridge.tapes.header import Header
    from bridge.tapes.late import Late, Mark

Row: TypeAlias = dict[str, Any]

# ---------------------------------------------------------------- to the indexer


@frozen
class Prepare:
    """The first message: where the data is, and how and what not to log."""

    settings: "Settings"
    secrets: "Secrets"


@frozen
class CloseTape:
    """A process died over this tape: write its last words, and compress it."""

    path: str


@frozen
class SaveTape:
    """A worker died with this call: close its tape, wherever it is, or make it if no line had reached it."""

    header: "Header"


@frozen
class Look:
    """Find tapes that are complete and not in the database; in order, from the one after `after`."""

    settings: "Settings"
    after: str
    most: int


@frozen
class AddTape:
    """Put a tape into the database; its numbers come back if they are wanted."""

    path: str
    wants_records: bool
    has_just_ended: bool = False


@frozen
class Keep:
    """Remove a piece of what is too old by now; to be asked for again until all of it is `Kept`."""

    settings: "Settings"
    now: datetime


@frozen
class KeepLate:
    """Something was told of a call that is over: put it behind the end of its tape."""

    late: "Late"


@frozen
class KeepMark:
    """Somebody marked a call that is over: put it behind the end of its tape, and its rows anew."""

    mark: "Mark"


@frozen
class Send:
    """Send calls that wait to the lake, so many at most; of the process that does nothing else."""

    most: int


@frozen
class Question:
    """Queries that only read, by name, each with its values; answered within so many seconds, or not at all.

    With `path` the one query's rows are written there, as the kind of file that its name ends with, and not told.
    """

    queries: Mapping[str, tuple[str, tuple[Any, ...]]]
    seconds: float = 2.0
    path: str = ""


@frozen
class PageWanted:
    """The page of a call, as HTML and as what its script is given; with where its sound and its tape's lines are.

    With `live_url` it is of one that goes on, and says where to ask what becomes of it.
    """

    call_id: str
    sound_url: str = ""
    lines_url: str = ""
    live_url: str = ""


@frozen
class SoundWanted:
    """A part of the file of a call's sound: so many bytes at most, from this one on."""

    call_id: str
    first: int
    most: int


@frozen
class LinesWanted:
    """The lines of a call's tape around a moment of it."""

    call_id: str
    t_ms: int


Asking: TypeAlias = Question | PageWanted | SoundWanted | LinesWanted


@frozen
class Asked:
    """A question, which is answered while a job is done."""

    number: int
    question: Asking


Job: TypeAlias = CloseTape | SaveTape | Look | AddTape | Keep | KeepLate | KeepMark | Send

# ---------------------------------------------------------------- to the daemon


@frozen
class Ready:
    """The indexer has loaded all it needs, and nobody else indexes this folder."""


@frozen
class Closed:
    """A tape is complete on disk under this name; `None`: it is no tape."""

    path: str | None


@frozen
class Found:
    """Tapes to index, and whether there may be more."""

    tapes: tuple[str, ...]
    has_more: bool


@frozen
class Added:
    """A tape's rows are in the database."""

    records: "Records | None"


@frozen
class Removed:
    """What was done: calls that lost their sound, their tape, their rows; tapes that are in storage alone now; bytes
    freed; what failed, and why."""

    silenced: int = 0
    deleted: int = 0
    rows: int = 0
    local_copies: int = 0
    freed_bytes: int = 0
    failed: int = 0
    refusals: tuple[str, ...] = ()

    def __add__(self, other: "Removed") -> "Removed":
        mine, others = asdict(self), asdict(other)
        return Removed(**{name: mine[name] + others[name] for name in mine})

    def __bool__(self) -> bool:
        return any(asdict(self).values())


@frozen
class Kept:
    """A piece of what was too old is gone."""

    removed: Removed
    is_done: bool


@frozen
class Told:
    """What was told stands on this tape; `None`: no complete tape of that call is there."""

    path: str | None


@frozen
class Sent:
    """So many calls are in the lake now, and so many wait; how often others had written in between."""

    calls: int
    waiting: int
    conflicts: int = 0


class Fault(Enum):
    """Why a job failed: the database is somebody else's for a moment; it can't be used; or it is the tape's fault, or
    the question's: it asks for too much."""

    HELD = "held"
    UNUSABLE = "unusable"
    TAPE = "tape"
    QUESTION = "question"


@frozen
class Failed:
    """A job could not be done."""

    fault: Fault
    text: str


@frozen
class Rows:
    """What the queries of a question found, by their names."""

    tables: Mapping[str, list[Row]]


@frozen
class Answered:
    """What came of a question."""

    number: int
    answer: Rows | Failed


Reply: TypeAlias = Closed | Found | Added | Kept | Told | Sent | Failed

# ---------------------------------------------------------------- what of a record is told

COUNTED: Final[Mapping[str, tuple[str, ...]]] = {
    "transcript": (),
    "tool_calls": (
        "tool_call_id", "name", "called_ms", "answered_ms", "error_kind", "is_delivered", "is_late", "joined",
    ),
    "milestones": ("name", "t_ms"),
    "items": ("item_id", "cut"),
    "turns": (
        "position", "speech_started_ms", "speech_stopped_ms", "committed_ms", "response_created_ms",
        "first_heard_ms", "response_ms", "latency_ms",
    ),
    "log": (),
    "legs": ("part", "outcome"),
    "marks": (),
    "spoken": (),
}  # fmt: skip
"""The columns that metrics and traces are made of: numbers and names, nothing that was said."""

MOST_ROWS: Final = 5000
"""Of one table of one call; half an hour of talk has some hundreds. Beyond it they are in the database alone."""

MOST_CHARACTERS: Final = 200
"""Of an id or a name that a model chose."""


def counted(records: "Records") -> "Records":
    """Return what metrics and traces need of a record: bounded, and soon unpacked beside live calls."""
    from bridge.store.records import Records

    tables = {
        name: [_short(row, columns) for row in getattr(records, name)[:MOST_ROWS]] if columns else []
        for name, columns in COUNTED.items()
    }
    return Records(
        call={name: value for name, value in records.call.items() if name not in OF_WORDS}, **tables
    )


def _short(row: Row, columns: tuple[str, ...]) -> Row:
    return {name: _cut(row[name]) for name in columns if name in row}


def _cut(value: Any) -> Any:
    return value[:MOST_CHARACTERS] if isinstance(value, str) else value
