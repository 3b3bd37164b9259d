"""Faults of the index and around it: a database that can't be used, no file left to open, a long call that ends."""

import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import duckdb
import httpx2
import trio
from attrs import evolve, field, frozen
from prometheus_client.parser import text_string_to_metric_families

from bench.fault_cells import Outcome, Records, harm, words_after
from bench.fault_machine import QUICK, Broken, Company, Disk, players, sid_of
from bench.process import Launch, Running, a_process
from bench.simulate_calls import simulated
from bench.stage import AGENT, WEBHOOK, Stage, words
from bridge.store.database import Store
from bridge.store.database_files import wal_of
from replay.model.script import Delivery, Script
from replay.phone.ring import Caller, CallReport, ring
from replay.phone.script import HangUp, Wait, WaitForAgent

# ---------------------------------------------------------------- a database that can't be used

DIE: Final = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute(sys.argv[2]); os._exit(0)"


def _database(stage: Stage) -> Path:
    return stage.daemon.current.setup.settings.data_folder / "calls.duckdb"


def _leave_log(path: Path, sql: str) -> None:
    """Let a process die with its last transaction in the log alone."""
    subprocess.run([sys.executable, "-c", DIE, str(path), sql], check=True)


def _make_newer(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("insert into migrations values (99)")


def _damage_log(path: Path) -> None:
    _leave_log(path, "update calls set agent = repeat('agent', 1000)")
    log = bytearray(wal_of(path).read_bytes())
    log[60:100] = bytes(40)
    wal_of(path).write_bytes(log)


def _swap_log(path: Path) -> None:
    other = path.with_name("other.duckdb")
    _leave_log(other, "create table words as select range from range(10)")
    shutil.move(wal_of(other), wal_of(path))


@asynccontextmanager
async def spoilt(stage: Stage, disk: Disk, *, how: Any) -> AsyncIterator[None]:
    """Let the database be spoilt; `bridge reindex` makes it anew afterwards."""
    await trio.to_thread.run_sync(how, _database(stage))
    yield


# ---------------------------------------------------------------- no file left to open

FEW_FILES: Final = 110
CROWD: Final = 60
LIMITED: Final = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW_FILES}, {FEW_FILES}))
from bridge.cli import main
main()
"""


@frozen
class FewFiles:
    """More calls at once than the process may open sockets for, beside five in five phases."""

    name: str = "descriptors at their end"

    async def run(self, folder: Path) -> list[Outcome]:
        """Let them come, and return what came of the five, of one that comes later, and of the crowd."""
        await trio.to_thread.run_sync(partial(folder.mkdir, parents=True))
        server = {"max_calls": 500, "waiting_calls": 500, "calls_per_caller": 0}
        agents = f"[agents.{AGENT}]\n[agents.{AGENT}.limits]\nquiet_seconds = 20\n"
        async with a_process(folder, players(), Launch(server, agents=agents, run=LIMITED)) as daemon:
            company = Company(partial(ring, via=daemon.via), daemon.model)
            crowd: list[CallReport] = []
            await company.meet(partial(self._hit, daemon, crowd))
            company.reports["new"] = await ring(
                QUICK, webhook=WEBHOOK, via=daemon.via, call_sid=sid_of("new")
            )
            daemon.signal()
            await daemon.process.wait()
        return self._judge(folder / "data", company, crowd)

    async def _hit(self, daemon: Running, crowd: list[CallReport]) -> None:
        async def one() -> None:
            steps = (WaitForAgent(), Wait(2500), HangUp())
            caller = Caller(steps=steps, answer_delay_ms=0, patience_ms=2000)
            crowd.append(await ring(caller, webhook=WEBHOOK, via=daemon.via, total_ms=20_000))

        async with trio.open_nursery() as nursery:
            for _ in range(CROWD):
                nursery.start_soon(one)
                await trio.sleep(0.02)

    def _judge(self, data: Path, company: Company, crowd: list[CallReport]) -> list[Outcome]:
        Store(data / "calls.duckdb").rebuild(sorted(data.rglob("*.jsonl.gz")), lambda: None)
        records = Records.of(data)
        refused = sum("<Reject" in report.twiml for report in crowd)
        broken = Counter(_broken(report) for report in crowd if "<Reject" not in report.twiml)
        del broken[""]
        note = f"{refused} of {CROWD} were refused, and of the others harmed: {dict(broken) or 'none'}"
        others = note if broken or not refused else ""
        found = []
        for phase, report in company.reports.items():
            outcome = records.look(Outcome(self.name, phase, "caller|tool"), sid_of(phase))
            found.append(evolve(outcome, heard=words_after(report), others=others, note=note))
        return found


def _broken(report: CallReport) -> str:
    """Return what want of a file does to a call: nothing is heard, or it ends before its caller wants."""
    if report.error is not None or report.first_heard_ms is None:
        return report.error or f"nothing heard, TwiML {report.twiml[:60]!r}"
    return "" if report.closed_by == "caller" else f"closed by {report.closed_by}"


# ---------------------------------------------------------------- a long call that ends

MINUTES: Final = 30
OTHERS: Final = 25
APART_SECONDS: Final = 0.2
BEFORE_SECONDS: Final = 60
SETTLE_SECONDS: Final = 8
"""After the calls began: their greetings, and the half hour that is written at once."""

AFTER_SECONDS: Final = 25
NOISE_MS: Final = 10
"""By how much the 99th percentile of how evenly sound arrives may be more than in the worst stretch before, as long as
the one in question: the machine does other things too."""

LONG_SID: Final = sid_of("long")
STORY: Final = Script(
    opening=tuple(words("agent_story") for _ in range(6)),
    delivery=Delivery(response_delay_ms=0, delta_ms=1000, speed=1.5),
)
"""An agent that goes on for two minutes, and stand-ins that don't fill the machine by themselves."""
PRELOADED: Final = """
from pathlib import Path
from bridge.tapes.recorder import Recorder
opened = Recorder.open_tape

def open_tape(recorder, header):
    tape = opened(recorder, header)
    if header.call_id == {call_sid!r}:
        tape.put(Path({path!r}).read_bytes())
    return tape

Recorder.open_tape = open_tape
from bridge.cli import main
main()
"""


def half_an_hour() -> bytes:
    """Return the lines of a call that has gone on for half an hour: simulated ones, one after the other."""
    lines, at_ms, number = list[bytes](), 0, 0
    while at_ms < MINUTES * 60_000:
        one = simulated(number)
        for raw in one.lines:
            if raw.startswith(b'{"t_ms":') and b'"end":{"by"' not in raw:
                t_ms, _, rest = raw.removeprefix(b'{"t_ms":').partition(b",")
                lines.append(b'{"t_ms":%d,' % (int(t_ms) + at_ms) + rest)
        at_ms, number = at_ms + one.ended_ms, number + 1
    return b"".join(lines)


def _write_half_an_hour(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(half_an_hour())


@frozen
class LongCall:
    """A call of half an hour ends beside others: how evenly do those hear their agents, compared with a minute before?

    Its first half an hour is written to its tape at once, when it begins; all else goes the usual way.
    """

    name: str = f"a {MINUTES}-minute call ends beside {OTHERS} others"
    reports: list[CallReport] = field(factory=list)

    async def run(self, folder: Path) -> list[Outcome]:
        """Make the calls, and return one cell: the long call's record, and what the others noticed of its end."""
        tape = folder / "half_an_hour"
        await trio.to_thread.run_sync(_write_half_an_hour, tape)
        admin = folder / "admin.sock"
        launch = Launch(
            {"max_calls": 100, "waiting_calls": 100, "calls_per_caller": 0},
            agents=f'[admin]\nbind = "unix:{admin}"\n[agents.{AGENT}]\n',
            run=PRELOADED.format(call_sid=LONG_SID, path=str(tape)),
        )
        async with a_process(folder, STORY, launch) as daemon, trio.open_nursery() as calls:
            for _ in range(OTHERS):
                calls.start_soon(self._listen, daemon)
                await trio.sleep(APART_SECONDS)
            stays = Wait((SETTLE_SECONDS + BEFORE_SECONDS) * 1000)
            long = Caller(steps=(WaitForAgent(), stays, HangUp()), answer_delay_ms=0)
            report = await ring(long, webhook=WEBHOOK, via=daemon.via, call_sid=LONG_SID, total_ms=300_000)
            ended = trio.current_time()
            done = await _indexed(admin)
        return [self._judge(folder / "data", report, ended, done)]

    async def _listen(self, daemon: Running) -> None:
        stays = Wait(round((OTHERS * APART_SECONDS + SETTLE_SECONDS + BEFORE_SECONDS + AFTER_SECONDS) * 1000))
        caller = Caller(steps=(WaitForAgent(), stays, HangUp()), answer_delay_ms=0)
        self.reports.append(await ring(caller, webhook=WEBHOOK, via=daemon.via, total_ms=300_000))

    def _judge(self, data: Path, report: CallReport, ended: float, done: float) -> Outcome:
        rows = Store(data / "calls.duckdb").query("select * from calls where call_id = ?", [LONG_SID])
        seconds = done - ended
        before = p99_ms(self.reports, ended - BEFORE_SECONDS, ended)
        starts = [ended - seconds * n for n in range(1, int(BEFORE_SECONDS / seconds) + 1)]
        worst = max(p99_ms(self.reports, start, start + seconds) for start in starts)
        after = p99_ms(self.reports, ended, done)
        apart = f"{before:.0f} ms in the minute before (in its worst {seconds:.1f} s {worst:.0f} ms)"
        note = f"p99 {apart}, {after:.0f} ms in the {seconds:.1f} s until it was indexed"
        harmed = [text for one in self.reports if (text := harm(one, None))]
        others = "; ".join(harmed[:3]) or (note if after > worst + NOISE_MS else "")
        why = f"{rows[0]['ended_by']}: {rows[0]['why']}" if rows else "no record"
        heard = words_after(report)
        return Outcome(self.name, "over", "caller", why, heard, len(rows), others=others, note=note)


async def _indexed(admin: Path) -> float:
    """Return when the daemon has put the call that has ended into the database, or when the others have gone."""
    until = trio.current_time() + AFTER_SECONDS
    transport = httpx2.AsyncHTTPTransport(uds=str(admin))
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
        while trio.current_time() < until:
            text = (await client.get("http://bridge/metrics")).text
            seen = {
                one.name: one.value
                for family in text_string_to_metric_families(text)
                for one in family.samples
            }
            if seen["bridge_tapes_open"] == OTHERS and not seen["bridge_store_waiting_tapes"]:
                return trio.current_time()
            await trio.sleep(0.25)
    return until


def p99_ms(reports: list[CallReport], since: float, until: float) -> float:
    """Return the 99th percentile of how far apart sound came from how far apart it should, in a stretch of time."""
    errors = []
    for report in reports:
        began = report._rang_at + (report.started_ms or 0) / 1000
        for earlier, later in pairwise(report.line.arrivals_ms):
            if since <= began + later / 1000 < until:
                errors.append(abs(later - earlier - PIECE_MS))
    return statistics.quantiles(errors, n=100)[98] if len(errors) > 100 else float("inf")


PIECE_MS: Final = 100
"""What goes out at a time."""

INDEXED: Final = (
    Broken("DuckDB of a newer version", partial(spoilt, how=_make_newer), reindexes=True),
    Broken("DuckDB's log damaged", partial(spoilt, how=_damage_log), reindexes=True),
    Broken("DuckDB's log of another database", partial(spoilt, how=_swap_log), reindexes=True),
    FewFiles(),
    LongCall(),
)
