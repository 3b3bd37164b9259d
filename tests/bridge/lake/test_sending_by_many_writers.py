"""Three hosts that write to one lake at once, and are killed in between: no call is lost, and none is there twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from attrs import evolve
from kept import Folder
from lakes import asked, needs_extensions, needs_postgres, postgres

from bridge.lake.opening import LakePlace
from bridge.store.unsent import Unsent

pytestmark = [needs_extensions, needs_postgres]

HOSTS, CALLS, AT_ONCE = 3, 12, 3
WRITER = """
import sys
from pathlib import Path
from bridge.lake.opening import LakePlace, opened
from bridge.lake.sending import send
from bridge.store.database import Store

place = LakePlace(sys.argv[1], sys.argv[2], sys.argv[3], {})
store = Store(Path(sys.argv[4]) / "calls.duckdb")
print("ready", flush=True)
with opened(place) as connection:
    while send(connection, place, store, int(sys.argv[5])).calls:
        print("sent", flush=True)
"""


def writer(place: LakePlace, folder: Folder) -> "subprocess.Popen[str]":
    words = [place.catalogue, place.files, place.host, str(folder.data), str(AT_ONCE)]
    return subprocess.Popen([sys.executable, "-c", WRITER, *words], stdout=subprocess.PIPE, text=True)


def killed_in_between(process: "subprocess.Popen[str]", lines: int, seconds: float) -> None:
    """Kill a process so long after it has said so much: at any point of what it does then."""
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    time.sleep(seconds)  # a real one: the point is where in its work this meets it
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def test_writers_that_are_killed_leave_every_call_in_the_lake_once(tmp_path: Path) -> None:
    with postgres() as server:
        place = LakePlace(server.database("lake"), str(tmp_path / "files"), "", {})
        hosts = [(evolve(place, host=f"host-{n}"), Folder(tmp_path / f"data-{n}")) for n in range(HOSTS)]
        for number, (_, folder) in enumerate(hosts):
            for call in range(CALLS):
                folder.put(f"CA{number}n{call}", day=f"2026-11-2{call % 3}")
                Unsent.in_folder(folder.data).mark([f"CA{number}n{call}"], are_new=call % 4 > 0)
        for turn in range(3):
            processes = [writer(*host) for host in hosts]
            for number, process in enumerate(processes):
                killed_in_between(process, lines=1 + turn, seconds=0.13 * ((number + turn) % 3))
        for process in [writer(*host) for host in hosts]:
            process.communicate(timeout=120)
            assert process.returncode == 0
        counted = asked(
            place, "select count(*), count(distinct call_id), count(distinct host) from lake.calls"
        )
        assert counted == [(HOSTS * CALLS, HOSTS * CALLS, HOSTS)]
        for table in ("transcript", "milestones", "legs"):
            here = sum(
                folder.store.query(f"select count(*) as n from {table}")[0]["n"] for _, folder in hosts
            )
            sql = f"select count(*), count(distinct (call_id, position)) from lake.{table}"
            assert asked(place, sql) == [(here, here)]
        assert sum(Unsent.in_folder(folder.data).count() for _, folder in hosts) == 0
