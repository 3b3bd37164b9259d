"""How much sooner 1000 tapes in object storage are replayed by two Dask workers than by one core, with the same result;
and what becomes of that when a worker is killed in the middle.

    uv run --extra dask --extra s3 --group fleet python -m bench.cluster speed
    uv run --extra dask --extra s3 --group fleet python -m bench.cluster kill

Everything is a process of its own, as it would be on several machines: storage (moto's S3 server), scheduler, workers,
and the command. The tapes are rehearsed calls of three minutes (see replay_speed.py).
"""

import gzip
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.replay_speed import rehearse
from bridge.objects.bucket import put
from bridge.objects.names import as_path
from bridge.store.database import quoted

TAPES: Final = {"speed": 1000, "kill": 300}
DISTINCT: Final = 20
"""Calls that are rehearsed; the tapes are these again and again, under other names."""

BUCKET: Final = "calls"
ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "a-bench",
    "AWS_SECRET_ACCESS_KEY": "a-bench",
    "AWS_REGION": "us-east-1",
    "OMP_NUM_THREADS": "1",
}
STORAGE: Final = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(f"ready at port={server.get_host_and_port()[1]}", file=sys.stderr, flush=True)
sys.stdin.read()
"""

REPLAY: Final = "from replay.cli import main; main()"


@contextmanager
def started(*command: str, until: str) -> Iterator[str]:
    """Run a process until the block ends; yield what it says where it says that it is ready."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(until, line):
                break
        else:
            raise SystemExit(f"{command[:4]} did not start")
        os.set_blocking(process.stderr.fileno(), False)
        yield found[1]
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def cluster(workers: int) -> Iterator[tuple[str, list[int]]]:
    """Have a scheduler and so many workers of one thread; yield its address and the workers' processes."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
        ) as made,
        Client(made.scheduler_address) as client,
    ):
        yield made.scheduler_address, list(client.run(os.getpid).values())


def lay(count: int) -> int:
    """Put the tapes into storage; return the bytes of all."""
    import botocore.session

    session = botocore.session.get_session()
    session.create_client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).create_bucket(Bucket=BUCKET)
    packed = [gzip.compress(b"".join(rehearse(seed)), 5) for seed in range(DISTINCT)]
    for number in range(count):
        put(as_path(f"s3://{BUCKET}/tapes/2026-11-23/CA{number:06}.jsonl.gz"), packed[number % DISTINCT])
    return sum(len(packed[number % DISTINCT]) for number in range(count))


def run(out: Path, *options: str, meanwhile: Any = None) -> float:
    """Replay all tapes by the command; return the seconds from its start to its end."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        (
            sys.executable,
            "-c",
            REPLAY,
            "run",
            f"s3://{BUCKET}/tapes",
            "--json",
            "--parquet",
            str(out),
            *options,
        ),
        stdout=subprocess.DEVNULL,
    )
    if meanwhile is not None:
        meanwhile()
    if process.wait() != 0:
        raise SystemExit(f"replay run {options}: exit code {process.returncode}")
    return time.perf_counter() - begun


def same(one: Path, other: Path) -> bool:
    """Say whether two tables of outcomes are the same, row for row and in the same order."""
    import duckdb

    rows = [duckdb.execute(f"select * from {quoted(path)}").fetchall() for path in (one, other)]
    return rows[0] == rows[1] and len(rows[0]) > 0


def killed_after(process: int, seconds: float) -> None:
    """Kill a worker once it is at work."""
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)


def main(what: str) -> None:
    """Measure, and print a line for each thing."""
    count = TAPES[what]
    os.environ.update(ENVIRONMENT)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        port = stack.enter_context(started(sys.executable, "-c", STORAGE, until=r"ready at port=(\d+)"))
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
        size = lay(count)
        print(
            f"{count} tapes of three minutes, {size / 1e6:.0f} MB; load {os.getloadavg()[0]:.1f}", flush=True
        )
        alone = run(folder / "alone.parquet", "-j", "1")
        print(f"one core: {alone:.1f} s", flush=True)
        address, workers = stack.enter_context(cluster(2))
        kill = (lambda: killed_after(workers[0], alone / 4)) if what == "kill" else None
        together = run(folder / "together.parquet", "--scheduler", address, meanwhile=kill)
        print(f"two workers: {together:.1f} s, {alone / together:.2f} times as fast", flush=True)
        print("the same outcome:", same(folder / "alone.parquet", folder / "together.parquet"))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "speed")
