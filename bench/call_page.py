"""What a call's page costs: at indexing, from the database, and from the tape; in CPU time, for others are busy too.

uv run python -m bench.call_page TAPE
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bridge.page.facts import told
from bridge.page.html import file_page
from bridge.page.served import served
from bridge.store.database import Store
from bridge.store.records import records_of
from bridge.store.trace import row_of, traced
from bridge.tapes.reader import Tape, read_tape
from bridge.tapes.tape import decode

TIMES: Final = 3


def took(work: Callable[[], object]) -> float:
    """Return the least CPU seconds of several times."""
    return min(_once(work) for _ in range(TIMES))


def _once(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(path: Path, say: Callable[[str], object] = print) -> None:
    """Say what the page of one tape takes."""
    tape = read_tape(path)
    trace = traced(tape.header, tape.lines).trace
    minutes = len(trace.caller) * 40 / 60_000
    rows = took(lambda: records_of(tape.header, map(decode, tape.lines)))
    both = took(lambda: traced(tape.header, tape.lines))
    say(f"{minutes:.1f} minutes, {len(tape.lines):,} lines")
    say(f"indexing beyond the rows  {(both - rows) / minutes * 1000:6.1f} ms a minute of call")
    say(f"kept in the database      {len(row_of(trace)['data']) / 1000:6.1f} kB")
    say(f"page from the database    {_from_rows(tape) * 1000:6.0f} ms")
    say(f"page from the tape        {took(lambda: file_page(told(read_tape(path))[0])) * 1000:6.0f} ms")


def _from_rows(tape: Tape) -> float:
    with TemporaryDirectory() as folder:
        data = Path(folder)
        Store(data / "calls.duckdb").add([tape.path.resolve()])
        return took(lambda: served(data, tape.header.call_id))


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
