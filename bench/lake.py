"""What the lake's catalogue bears: writers at full tilt on a real Postgres, and what 200 hosts ask of it.

    python -m bench.lake            writes what it measured to standard output, as bench/lake.md has it

Each writer is a process, as it is on a host. Two hundred don't fit on one machine: as many are run as it bears, and
what is compared is transactions a second, for that is what a catalogue sees of writers.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Final

from attrs import frozen

from bridge.lake.opening import LakePlace, opened
from bridge.lake.sending import send
from bridge.lake.upkeep import tidy
from bridge.store.database import KEPT, Store
from bridge.store.unsent import Unsent

SECONDS: Final = 12
CALLS: Final = 25
"""In one transaction: what a host with a hundred calls at once ends in half a minute."""

HOSTS: Final = 200
LAKE_SECONDS: Final = 30


@frozen
class Measured:
    """What some writers did together."""

    writers: int
    transactions: int
    conflicts: int
    took: list[float]

    def line(self) -> str:
        """Return a row of the table."""
        cut = quantiles(self.took, n=100)
        rate = self.transactions / SECONDS
        return (
            f"| {self.writers} | {rate:.1f} | {rate * CALLS:.0f} | {cut[49]:.2f} | {cut[98]:.2f} |"
            f" {self.conflicts / max(1, self.transactions):.2f} |"
        )


def write_until(place: LakePlace, data: Path, until: float) -> None:
    """Send new calls again and again; print what each transaction took, and how often it was begun anew."""
    store, unsent = Store(data / "calls.duckdb"), Unsent.in_folder(data)
    with opened(place) as connection:
        number = 0
        while time.time() < until:
            ids = [f"{place.host}n{number}c{call}" for call in range(CALLS)]
            _copy_calls(store, ids)
            unsent.mark(ids, are_new=True)
            began = time.perf_counter()
            batch = send(connection, place, store)
            print(time.perf_counter() - began, batch.conflicts, flush=True)
            number += 1


def _copy_calls(store: Store, ids: list[str]) -> None:
    """Let the one call of a database stand for these too."""
    with store.reading() as query:
        for table in KEPT:
            query(f"delete from {table} where call_id <> 'model'", [])
            copied = f"select ids.id as call_id, t.* exclude (call_id) from {table} t, ids where t.call_id = 'model'"
            query(
                f"insert into {table} by name with ids as (select unnest(?::varchar[]) as id) {copied}", [ids]
            )


def measure(catalogue: str, folder: Path, writers: int, model: Path) -> Measured:
    """Run so many writers for some seconds."""
    until, processes = time.time() + SECONDS + 2, list[subprocess.Popen[str]]()
    for number in range(writers):
        data = folder / f"w{writers}-{number}"
        data.mkdir()
        shutil.copy(model, data / "calls.duckdb")
        words = [catalogue, str(folder / "files"), f"h{writers}-{number}", str(data), str(until)]
        command = [sys.executable, "-m", "bench.lake", *words]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    lines = [line.split() for one in processes for line in one.communicate(timeout=300)[0].splitlines()]
    took = [float(line[0]) for line in lines]
    return Measured(writers, len(lines), sum(int(line[1]) for line in lines), took)


def main() -> None:
    """Measure, and print the table."""
    sys.path[:0] = ["tests"]
    from kept import Folder
    from lakes import postgres

    with tempfile.TemporaryDirectory() as name, postgres() as server:
        folder = Path(name)
        model = Folder(folder / "model")
        model.put("model", tape="interrupted")
        place = LakePlace(server.database("lake"), str(folder / "files"), "bench", {})
        with opened(place) as connection:
            Unsent.in_folder(model.data).mark(["model"], are_new=True)
            send(connection, place, model.store)
        print(f"load at the start: {os.getloadavg()[0]:.1f}\n")
        print(
            "| writers | transactions a second | calls a second | median, s | 99 of 100, s | begun anew, each |"
        )
        print("|---|---|---|---|---|---|")
        for writers in (1, 2, 4, 8):
            print(measure(place.catalogue, folder, writers, model.store.path).line(), flush=True)
        print(
            f"\n{HOSTS} hosts that send every {LAKE_SECONDS} s: {HOSTS / LAKE_SECONDS:.1f} transactions a second"
        )
        _tell_size(place, folder)


def _tell_size(place: LakePlace, folder: Path) -> None:
    files = list((folder / "files").rglob("*.parquet"))
    began = time.perf_counter()
    with opened(place) as connection:
        calls = connection.execute("select count(*) from lake.calls").fetchall()[0][0]
        done = tidy(connection, place, keep_hours=0)
    after = list((folder / "files").rglob("*.parquet"))
    took, size = time.perf_counter() - began, sum(path.stat().st_size for path in after)
    print(
        f"{calls} calls, {size / calls:.0f} bytes each: {len(files)} files before tidying up, {len(after)} after it"
    )
    print(f"tidying up took {took:.1f} s, and {done.snapshots} snapshots ended")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        catalogue, files, host, data, until = sys.argv[1:]
        write_until(LakePlace(catalogue, files, host, {}), Path(data), float(until))
    else:
        main()
