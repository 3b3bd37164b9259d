"""What the fault matrix is made of: a cell, what came of it, and how a call's record is looked at."""

from pathlib import Path
from typing import Any, Final

from attrs import evolve, field, frozen

from bridge.errors import BridgeError
from bridge.store.database import Store
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from replay.phone.ring import CallReport
from replay.phone.twiml import Hangup, Say
from replay.tapes.player import replay_tape

MOST_GAP_MS: Final = 40
PHASES: Final = ("waiting", "speaking", "listening", "tool", "closing")
"""How far the call is: its media stream has not come; the agent speaks; it listens; a tool runs; it says goodbye."""

LONGEST_LOSS_MS: Final = 250
"""What a tape may lose to a `kill -9`: the time between two flushes."""

POWER_LOSS_MS: Final = 1500
"""What a tape may lose to a power cut: the time between two syncs, a flush, and the sync itself."""


@frozen
class Outcome:
    """What came of one call under one fault; what is wrong has words, what is right has none."""

    fault: str
    phase: str
    expects: str
    """Who may have ended the call, with | between them."""
    ended: str = "no record"
    heard: str = ""
    records: int = 0
    tape: str = ""
    others: str = ""
    lost_ms: int | None = None
    may_lose_ms: int = LONGEST_LOSS_MS
    note: str = ""

    @property
    def problems(self) -> list[str]:
        """Return what is not as it was declared."""
        by = self.ended.split(":")[0]
        lost = self.lost_ms or 0
        found = [
            (f"ended by {by}, not {self.expects}", by not in self.expects.split("|")),
            (f"{self.records} records", self.records != 1),
            (f"tape {self.tape}", bool(self.tape)),
            (f"others: {self.others}", bool(self.others)),
            (f"{lost} ms lost", lost > self.may_lose_ms),
        ]
        return [text for text, is_so in found if is_so]

    @property
    def is_good(self) -> bool:
        """Say whether no other call was harmed, there is one record, and the tape is whole."""
        return not self.problems


@frozen
class Records:
    """What a daemon left on disk."""

    folder: Path
    rows: list[dict[str, Any]] = field(factory=list)

    @classmethod
    def of(cls, data: Path) -> "Records":
        """Read the database of a data folder."""
        return cls(data, Store(data / "calls.duckdb").query("select * from calls"))

    def look(self, outcome: Outcome, call_sid: str) -> Outcome:
        """Return an outcome with what is on record about its call."""
        rows = [row for row in self.rows if row["call_id"] == call_sid]
        ended = f"{rows[0]['ended_by']}: {rows[0]['why']}" if rows else "no record"
        return evolve(outcome, ended=ended, records=len(rows), tape=self.flaw(call_sid))

    def flaw(self, call_sid: str) -> str:
        """Return what is wrong with the tape of a call: it is one, whole, ends once, and replays as it was."""
        paths = list((self.folder / "tapes").rglob(f"{call_sid}.jsonl*"))
        if len(paths) != 1:
            return f"is there {len(paths)} times"
        try:
            tape = read_tape(paths[0])
            ends = sum(decode(line).end is not None for line in tape.lines)
            result = replay_tape(paths[0])
        except BridgeError as error:
            return str(error)
        if tape.is_torn or ends != 1:
            return "is torn" if tape.is_torn else f"ends {ends} times"
        return "" if result.difference is None else f"replays otherwise at line {result.difference}"


def words_after(report: CallReport) -> str:
    """Return what the caller heard after the stream."""
    verbs = report.next_verbs
    if any(isinstance(verb, Say) for verb in verbs):
        return "a sentence"
    return "hang-up" if verbs and isinstance(verbs[0], Hangup) else "had hung up"


def harm(report: CallReport, row: dict[str, Any] | None) -> str:
    """Return what a caller who only listens could have noticed; nothing of it is allowed."""
    gap = max(report.gaps_ms, default=0)
    if gap > MOST_GAP_MS:
        return f"a hole of {gap} ms"
    if report.closed_by != "caller" or report.missed:
        return f"closed by {report.closed_by}, missed {report.missed}"
    return (
        "" if row is None or row["ended_by"] == "caller" else f"recorded as {row['ended_by']}: {row['why']}"
    )
