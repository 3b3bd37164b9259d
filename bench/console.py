"""What the console's questions cost with 100 000 calls in the database: a list, its orders, filters, searches, and the
pages over them. Measured twice: where they are answered, at the desk of the indexer's process, the database opened anew
for each; and as whoever asks a running daemon waits for the page, once with the process there and once after it had
left, as it does when nobody has asked for four hours.

python -m bench.console [--calls 100000] [--folder FOLDER]
"""

import argparse
import os
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Final

import duckdb

from bench.load_sides import Loaded, Side, loaded
from bridge.console.app import HOME
from bridge.console.filters import Filters
from bridge.console.moments import by_time, of_days
from bridge.console.queries import calls_page, one_call
from bridge.indexing.desk import Desk
from bridge.store.database import Store
from bridge.store.messages import Question, Rows

TURNS: Final = 10
ITEMS: Final = 20
REPEATS: Final = 9
WORDS: Final = (
    "table", "tomorrow", "evening", "parking", "vegetarian", "eight", "people", "birthday", "harbour", "waterfront",
    "booking", "please", "thank", "hours", "open", "monday", "cancel", "name", "number", "window",
)  # fmt: skip
SYLLABLES: Final = ("ba", "den", "ko", "lin", "mar", "no", "pes", "ri", "sul", "tav", "ver", "wen", "zo")
VOCABULARY: Final = [*WORDS, *("".join(parts) for parts in product(SYLLABLES, repeat=3))]
"""Two thousand words, most of them seldom said: of twenty alone a database makes next to nothing."""

RARE: Final = "zeppelin"
PAGES: Final = {
    "the newest": HOME,
    "longest wait first": f"{HOME}?sort=slowest",
    "a rare word": f"{HOME}?words={RARE}",
    "a word that everybody said": f"{HOME}?words=table",
    "two words": f"{HOME}?words=table+vegetarian",
}
FIRSTS: Final = 5
ID: Final = "'CA' || md5(i::varchar)"
"""As Twilio's are: of a call's rows nothing tells where those of another begin."""


def fill(path: Path, calls: int) -> None:
    """Write so many made-up calls, one a minute, each with ten turns, twenty things that were said, and a tool."""
    Store(path).add([])
    with duckdb.connect(str(path), config={"threads": 1}) as connection:
        for sql in (_calls(calls), _turns(calls), _transcript(calls), _tools(calls), SPOKEN):
            connection.execute(sql)


def _calls(calls: int) -> str:
    return f"""insert into calls by name select {ID} as call_id, ['front-desk', 'night', 'sales'][1 + i % 3] as agent,
        '+1555' || lpad((i * 7919 % 10000000)::varchar, 7, '0') as from_number, '+15550100100' as to_number,
        now()::timestamp - to_minutes({calls} - i) as started_at,
        ['caller', 'tool', 'limit', 'bridge'][1 + i % 4] as ended_by, 'hung up' as why, 10 as turns,
        (20000 + random() * 300000)::int as duration_ms, (random() * 3)::int as interruptions,
        1 as tool_calls, round(random() * 0.4, 4) as cost_usd, false as is_torn, false as is_outgoing,
        (800 + random() * 4000)::int as longest_wait_ms, (random() * 1.1)::int as failed_tool_calls,
        'A table for ' || i || ' please.' as opening_words from range({calls}) r(i)"""


def _turns(calls: int) -> str:
    return f"""insert into turns by name select {ID} as call_id, t as position, 'item' || t as caller_item_id,
        t * 9000 as speech_started_ms, t * 9000 + 2000 as speech_stopped_ms, t * 9000 + 3000 as first_heard_ms,
        (300 + random() * 4000)::int as response_ms, (800 + random() * 4000)::int as latency_ms
        from range({calls}) r(i), range({TURNS}) q(t)"""


def _transcript(calls: int) -> str:
    word = f"({VOCABULARY})[1 + floor(pow(random(), 4) * {len(VOCABULARY)})::int]"
    said = " || ' ' || ".join([word] * 12)
    return f"""insert into transcript by name select {ID} as call_id, t as position, 'item' || t as item_id,
        if(t % 2 = 0, 'agent', 'caller') as role, {said} || if(i % 5000 = 17 and t = 3, ' {RARE}', '') as said,
        t * 4500 as began_ms from range({calls}) r(i), range({ITEMS}) q(t)"""


SPOKEN: Final = """insert into spoken select call_id, 0, said, lower(said) from (
    select call_id, string_agg(said, chr(10) order by position) as said from transcript group by call_id)"""


def _tools(calls: int) -> str:
    return f"""insert into tool_calls by name select {ID} as call_id, 0 as position, 'check_table' as name,
        if(i % 10 = 0, 'timeout', null) as error_kind, 4000 as called_ms, 5000 as answered_ms
        from range({calls}) r(i)"""


def questions(calls: int) -> Mapping[str, Question]:
    """Return what is asked, by what it is on a page."""
    lists = {
        "the newest": Filters(),
        "the last page": Filters(after="1000000000000000~CA"),
        "longest wait first": Filters(sort="slowest"),
        "dearest first": Filters(sort="dearest"),
        "of an agent, failed, interrupted": Filters(agent="night", failed=True, interrupted=True),
        "with a tool": Filters(tool="check_table"),
        "by part of a number": Filters(number="7919"),
        "a rare word": Filters(words=RARE),
        "a word that nobody said": Filters(words="xylophone"),
        "a word that everybody said": Filters(words="table"),
        "two words": Filters(words="table vegetarian"),
    }
    found = {name: Question({"calls": calls_page(filters)}, seconds=60) for name, filters in lists.items()}
    found["one call"] = one_call("CAc4ca4238a0b923820dcc509a6f75849b")
    for days in (7, 90):
        found[f"quality, {days} days"] = Question(of_days(days, ""), seconds=60)
        found[f"trends, {days} days"] = Question({"times": by_time(days, "")}, seconds=60)
    return found


def measure(path: Path, calls: int) -> None:
    """Print a line for each question: what it took by the clock, and of a core."""
    desk = Desk(path)
    print(f"| {'question':34} | {'ms, median':>10} | {'slowest':>7} | {'of a core':>9} |")
    print(f"|{'-' * 36}|{'-' * 11}:|{'-' * 8}:|{'-' * 10}:|")
    for name, question in questions(calls).items():
        took, worked = list[float](), list[float]()
        for _ in range(REPEATS):
            began, cpu = time.perf_counter(), time.process_time()
            answer = desk.answer(question)
            took.append((time.perf_counter() - began) * 1000)
            worked.append((time.process_time() - cpu) * 1000)
            assert isinstance(answer, Rows), answer
        print(
            f"| {name:34} | {statistics.median(took):10.0f} | {max(took):7.0f} | {statistics.median(worked):9.0f} |"
        )


def measure_pages(path: Path, folder: Path) -> None:
    """Print a line for each page, as it is waited for by whoever asks a daemon for it."""
    (folder / "side" / "data").mkdir(parents=True)
    shutil.copyfile(path, folder / "side" / "data" / path.name)
    print(f"\n| {'page':34} | {'ms, median':>10} | {'slowest':>7} | {'first':>9} |")
    print(f"|{'-' * 36}|{'-' * 11}:|{'-' * 8}:|{'-' * 10}:|")
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    with loaded(Side("bridge", has_console=True), folder / "side", "ws://127.0.0.1:1", cores) as daemon:
        daemon.page(HOME)
        for name, address in PAGES.items():
            took = [_waited(daemon, address) for _ in range(REPEATS)]
            first = statistics.median(_waited_anew(daemon, address) for _ in range(FIRSTS))
            print(f"| {name:34} | {statistics.median(took):10.0f} | {max(took):7.0f} | {first:9.0f} |")


def _waited(daemon: Loaded, address: str) -> float:
    began = time.perf_counter()
    daemon.page(address)
    return (time.perf_counter() - began) * 1000


def _waited_anew(daemon: Loaded, address: str) -> float:
    """Return what somebody waits who is the first to ask: the indexer's process has to be started for them."""
    for pid in daemon.indexers():
        os.kill(pid, signal.SIGKILL)
    while daemon.indexers():
        time.sleep(0.05)
    return _waited(daemon, address)


def main() -> None:
    """Fill a database, unless there is one in the folder, and ask."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = (given.folder or Path(scratch)) / "calls.duckdb"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            fill(path, given.calls)
        print(f"{given.calls} calls, {path.stat().st_size / 2**20:.0f} MiB\n")
        measure(path, given.calls)
        measure_pages(path, Path(scratch))


if __name__ == "__main__":
    main()
