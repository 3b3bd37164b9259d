"""`kill -9` at random moments, while calls begin, go on and end: what of them is found afterwards.

The phone knows of which call it was told, and when it sent each frame; the model knows when it sent each message. A
daemon is killed, the next one closes what it finds and is killed in turn; after the last one every call whose webhook
was answered must have one record and one whole tape, with everything that came earlier than 250 ms before the kill.

    uv run python -m bench.kills                       100 kills, ten calls at once: about ten minutes
    uv run python -m bench.kills --kills 20 --workers 2
"""

import os
import signal
import sys
import tempfile
from collections import Counter, deque
from hashlib import blake2b
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

import click
import msgspec
import trio
from attrs import define, field, frozen
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.process import Launch, Running, a_process
from bench.stage import PROMPT, WEBHOOK, words
from bridge.errors import BridgeError
from bridge.store.database import Store
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.tape import MODEL, PHONE, decode
from replay.model.script import Script
from replay.phone.ring import Caller, ring
from replay.phone.script import HangUp, Wait, WaitForAgent

SCRIPT: Final = Script(opening=(words("agent_story"),), delivery=PROMPT)
LONGEST_MS: Final = 2500
"""How long a caller listens; so with ten of them a call begins, and another ends, four times a second."""

LATEST_SECONDS: Final = 2.5
"""After the first calls have begun, when the kill may come."""


PATIENCE_SECONDS: Final = 30
"""How long no new row may come at the end. A daemon that is killed every few seconds indexes next to nothing."""


@frozen
class Plan:
    """How often, beside how many calls, and how old what is lost may be."""

    kills: int = 100
    calls: int = 10
    workers: int = 1
    seed: int = 1
    most_lost_ms: int = 250


@define
class Witness:
    """What the peers of one call know of it; times are the bench's."""

    call_sid: str
    rang: float
    answered: float | None = None
    frames: list[float] = field(factory=list)


@define
class Kill:
    """One daemon's life: its calls, what its model said in each session and when, and how it ended."""

    calls: list[Witness] = field(factory=list)
    said: dict[int, list[tuple[float, str]]] = field(factory=dict)
    at: float = 0.0
    late_ms: float = 0.0
    """How late the bench itself was at most, in the second before: on a machine that is too busy everybody is."""

    @property
    def answered(self) -> list[Witness]:
        """Return the calls that the daemon had told the phone of."""
        return [call for call in self.calls if call.answered is not None]

    def watch(self, number: int, who: str, frame: str | bytes) -> None:
        """Take note of what the model says; before it is sent, so at the latest then."""
        if who == "model" and isinstance(frame, str):
            self.said.setdefault(number, []).append((trio.current_time(), frame))


@define
class Result:
    """What came of it; `faults` has a sentence for each thing that is not as it should be."""

    plan: Plan
    answered: int = 0
    youngest_ms: float = float("inf")
    endings: Counter[str] = field(factory=Counter)
    lost_ms: list[float] = field(factory=list)
    """For each kill, how old the phones' oldest frame was that is on no tape."""
    unsaid_ms: list[float] = field(factory=list)
    """The same of the models' messages, since they were queued: hundreds at once, sent when there is time."""
    faults: list[str] = field(factory=list)


@define(eq=False)
class Callers:
    """As many callers as there shall be calls at once: each rings, listens for a while, hangs up, and rings again."""

    plan: Plan
    kill: Kill
    daemon: Running
    random: Random
    is_over: bool = False
    _news: trio.Event = field(factory=trio.Event)

    async def wait_talking(self) -> None:
        """Return when all of them are in a call."""
        while len(self.kill.answered) < self.plan.calls:
            await self._news.wait()
            self._news = trio.Event()

    async def ring_on(self, number: int) -> None:
        """Be one of them until the daemon is gone."""
        while not self.is_over:
            name = f"{number} {self.random.random()}"
            call = Witness(f"CA{blake2b(name.encode(), digest_size=16).hexdigest()}", trio.current_time())
            self.kill.calls.append(call)
            await self._ring(call)

    async def _ring(self, call: Witness) -> None:
        def tell(kind: str, detail: dict[str, Any], _: int) -> None:
            if kind == "webhook_answered" and detail["status"] == 200:
                call.answered = trio.current_time()
                self._news.set()

        stays = Wait(self.random.randrange(LONGEST_MS))
        caller = Caller(steps=(WaitForAgent(), stays, HangUp()), answer_delay_ms=0, patience_ms=2000)
        report = await ring(
            caller,
            webhook=WEBHOOK,
            via=self.daemon.via,
            call_sid=call.call_sid,
            on_event=tell,
            total_ms=15_000,
        )
        call.frames = [call.rang + sent_ms / 1000 for sent_ms in report.sent_ms]


def _launch(plan: Plan) -> Launch:
    server = {"max_calls": 1000, "waiting_calls": 1000, "calls_per_caller": 0, "workers": plan.workers}
    return Launch(server)


async def kill_once(folder: Path, plan: Plan, random: Random) -> Kill:
    """Start a daemon, let it have its calls, and kill it at some moment."""
    kill = Kill()
    async with a_process(folder, SCRIPT, _launch(plan)) as daemon:
        daemon.model.watch = kill.watch
        callers = Callers(plan, kill, daemon, random)
        async with trio.open_nursery() as ringing:
            for number in range(plan.calls):
                ringing.start_soon(callers.ring_on, number)
            await callers.wait_talking()
            kill.late_ms = await _sleep_lightly(random.uniform(0, LATEST_SECONDS))
            family = _family(daemon.process.pid)
            callers.is_over, kill.at = True, trio.current_time()
            for process in family:
                os.kill(process, signal.SIGKILL)
    return kill


async def _sleep_lightly(seconds: float) -> float:
    """Sleep, and return by how many milliseconds the latest awakening of the last second was late."""
    until, late = trio.current_time() + seconds, deque[float](maxlen=50)
    while (due := trio.current_time() + 0.02) < until:
        await trio.sleep_until(due)
        late.append((trio.current_time() - due) * 1000)
    return max(late, default=0)


def _family(process: int) -> list[int]:
    """Return a process and its workers, whichever of its threads has started them."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    return [process, *(int(child) for file in children for child in file.read_text().split())]


async def check_kills(folder: Path, plan: Plan, kills: Any = None) -> Result:
    """Kill as often as planned, let a last daemon close what is left, and look at all of it."""
    random, result = Random(plan.seed), Result(plan)
    lives = [await kill_once(folder, plan, random) for _ in kills or range(plan.kills)]
    async with a_process(folder, SCRIPT, _launch(plan)) as daemon:
        await _wait_indexed(folder, {call.call_sid for kill in lives for call in kill.answered})
        daemon.signal(signal.SIGTERM)
        await daemon.process.wait()
    await trio.to_thread.run_sync(_judge, result, folder, lives)
    return result


async def _wait_indexed(folder: Path, calls: set[str]) -> None:
    """Return when each of these has a row, or no more come."""
    missing, since = calls, trio.current_time()
    while missing and trio.current_time() < since + PATIENCE_SECONDS:
        await trio.sleep(0.5)
        rows = await trio.to_thread.run_sync(_rows, folder)
        before, missing = missing, missing - {row["call_id"] for row in rows}
        since = trio.current_time() if missing < before else since


def _rows(folder: Path) -> list[dict[str, Any]]:
    try:
        return Store(folder / "data" / "calls.duckdb").query("select call_id, ended_by, why from calls")
    except BridgeError:  # held by the daemon at this moment
        return []


# ---------------------------------------------------------------- judging


def _judge(result: Result, folder: Path, lives: list[Kill]) -> None:
    rows = _rows(folder)
    records = Counter(row["call_id"] for row in rows)
    result.endings = Counter(f"{row['ended_by']}: {row['why']}" for row in rows)
    for kill in lives:
        tapes = {}
        for call in kill.answered:
            result.answered += 1
            result.youngest_ms = min(result.youngest_ms, max(0, kill.at - (call.answered or 0)) * 1000)
            if records[call.call_sid] != 1:
                result.faults.append(f"{call.call_sid} has {records[call.call_sid]} records")
            tapes[call.call_sid] = _tape_of(folder, call, result.faults)
        cut = {sid: tape for sid, tape in tapes.items() if tape is not None and _why(tape) == "crashed"}
        result.lost_ms.append(_oldest_ms(kill, _missing_frames(kill, cut)))
        result.unsaid_ms.append(_oldest_ms(kill, _missing_messages(kill, cut)))
        if result.lost_ms[-1] > result.plan.most_lost_ms:
            result.faults.append(
                f"a kill cost what was {result.lost_ms[-1]:.0f} ms old; the bench itself was {kill.late_ms:.0f} ms late"
            )


def _tape_of(folder: Path, call: Witness, faults: list[str]) -> Tape | None:
    paths = list((folder / "data" / "tapes").rglob(f"{call.call_sid}.jsonl*"))
    try:
        (tape,) = [read_tape(path) for path in paths]
    except (ValueError, BridgeError) as error:
        faults.append(f"{call.call_sid}: {error if paths else 'no tape'}")
        return None
    ends = sum(decode(line).end is not None for line in tape.lines)
    if tape.is_torn or ends != 1:
        faults.append(f"{call.call_sid}: torn or ends {ends} times")
    return tape


def _oldest_ms(kill: Kill, missing: list[float]) -> float:
    return max((kill.at - sent) * 1000 for sent in (kill.at, *missing))


def _missing_frames(kill: Kill, cut: dict[str, Tape]) -> list[float]:
    """Return when the frames were sent that are not on the tapes of calls that the kill cut off."""
    calls = [call for call in kill.answered if call.call_sid in cut]
    counts = {call.call_sid: _count(cut[call.call_sid], PHONE, b'"event":"media"') for call in calls}
    return [sent for call in calls for sent in call.frames[counts[call.call_sid] :]]


def _missing_messages(kill: Kill, cut: dict[str, Tape]) -> list[float]:
    """Return when the model's messages were queued that are not there."""
    missing: list[float] = []
    for messages in kill.said.values():
        tape = next((tape for tape in cut.values() if _has(tape, messages[0][1])), None)
        if tape is not None:
            missing += [sent for sent, _ in messages[_count(tape, MODEL, b'"msg":') :]]
    return missing


def _why(tape: Tape) -> str:
    ends = [line.end["why"] for line in map(decode, tape.lines[-3:]) if line.end is not None]
    return ends[0] if ends else ""


def _count(tape: Tape, leg: str, mark: bytes) -> int:
    """Return how many lines the peer of a leg has on a tape, of those with a mark."""
    return sum(mark in raw and (line := decode(raw)).is_input and line.leg == leg for raw in tape.lines)


def _has(tape: Tape, message: str) -> bool:
    """Say whether a tape has a model's message."""
    about = msgspec.json.decode(message)["event_id"].encode()
    return any(about in raw for raw in tape.lines[:50])


def report(result: Result) -> Table:
    """Return the result as a table."""
    table = Table("", "", title="kill -9 at random moments", show_header=False)
    lost = sorted(result.lost_ms)
    table.add_row("kills, calls at once, workers", f"{len(lost)}, {result.plan.calls}, {result.plan.workers}")
    table.add_row("webhooks answered", str(result.answered))
    table.add_row("the last of them before a kill", f"{result.youngest_ms:.0f} ms")
    for ending, count in result.endings.most_common():
        table.add_row(f"  recorded as {ending}", str(count))
    table.add_row("a phone's oldest frame on no tape, median of kills", f"{median(lost):.0f} ms")
    table.add_row("the same, 9 of 10 kills", f"{lost[len(lost) * 9 // 10]:.0f} ms")
    table.add_row("the same, worst kill", f"{lost[-1]:.0f} ms")
    unsaid = sorted(result.unsaid_ms)
    words = f"{median(unsaid):.0f} ms, {unsaid[-1]:.0f} ms"
    table.add_row("a model's oldest message since it was queued, median, worst", words)
    return table


@click.command()
@click.option("--kills", default=100, show_default=True)
@click.option("--calls", default=10, show_default=True, help="Calls at once.")
@click.option("--workers", default=1, show_default=True, help="Processes that carry the calls.")
@click.option("--seed", default=1, show_default=True, help="What the moments are made from.")
def main(kills: int, calls: int, workers: int, seed: int) -> None:
    """Kill daemons in the middle of calls. Exit 1 when a record or more of a tape is missing than may be."""
    plan = Plan(kills, calls, workers, seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        rounds = track(range(kills), console=Console(stderr=True))
        result = trio.run(check_kills, Path(folder), plan, rounds)
    Console().print(report(result))
    for fault in result.faults:
        print(f"FAULT: {fault}")
    sys.exit(1 if result.faults else 0)


if __name__ == "__main__":
    main()
