"""`replay run` by the workers of a Dask scheduler, tapes in storage: what one core gives, also when a worker dies.

uv run --extra dask --extra s3 --group fleet pytest tests/dask
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Any

import duckdb
import msgspec
import pytest
from click.testing import CliRunner
from storage import Storage, storage

from bridge.cli import main as bridge_main
from bridge.objects.bucket import put
from bridge.store.database import KEPT, Store
from replay.cli import main
from replay.cluster.pool import open_pool

__all__ = ["storage"]
distributed = pytest.importorskip(
    "distributed", reason="Dask is not installed: uv run --extra dask pytest tests/dask"
)
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own
TAPES = sorted(Path("tests/tapes").glob("*.jsonl.gz"))


@pytest.fixture
def cluster(storage: Storage) -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as made:
        yield made


def lay(storage: Storage) -> None:
    """Put golden tapes into storage, one that differs, and one that is none."""
    for path in TAPES:
        put(storage.object(f"good/{path.name}"), path.read_bytes())
    put(storage.object("odd/none.jsonl"), b"hello\n")


def outcome(*args: str) -> tuple[int, Any]:
    """Return what a run comes to, without how long it took."""
    result = CliRunner().invoke(main, ["run", *args, "--json"])
    told = msgspec.json.decode(result.stdout)
    for one in told["tapes"]:
        one.pop("took_ms", None), one.pop("speed", None)
    return result.exit_code, told


def test_workers_give_what_one_core_gives_in_its_order(
    storage: Storage, cluster: Any, tmp_path: Path
) -> None:
    lay(storage)
    alone, together = tmp_path / "alone.parquet", tmp_path / "together.parquet"
    one = outcome(storage.url, "-j", "1", "--parquet", str(alone))
    two = outcome(storage.url, "--scheduler", cluster.scheduler_address, "--parquet", str(together))
    assert one == two
    assert len(one[1]["tapes"]) == len(TAPES) + 1
    tables = [duckdb.sql(f"select * from '{path}'").fetchall() for path in (alone, together)]
    assert tables[0] == tables[1]
    assert alone.read_bytes() == together.read_bytes()


def slowly(number: int) -> tuple[int, int]:
    sleep(0.05)
    return number, os.getpid()


def test_a_worker_that_is_killed_in_the_middle_changes_nothing(cluster: Any) -> None:
    seen = list[tuple[int, int]]()
    with open_pool(scheduler=cluster.scheduler_address) as pool:
        for result in pool.ordered(slowly, range(60)):
            seen.append(result)
            if len(seen) == 10:
                os.kill(result[1], signal.SIGKILL)
    assert [number for number, _ in seen] == list(range(60))
    assert len({process for _, process in seen}) == 3, "another one took its place"


def deadly(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_work_that_kills_every_worker_is_given_up_with_a_sentence(cluster: Any) -> None:
    from replay.cluster.pool import PoolError

    with (
        open_pool(scheduler=cluster.scheduler_address) as pool,
        pytest.raises(PoolError, match="workers died"),
    ):
        list(pool.ordered(deadly, [1]))


def test_golden_tapes_are_accepted_here_alone(storage: Storage) -> None:
    result = CliRunner().invoke(main, ["run", "tests/tapes", "--accept", "--scheduler", "tcp://127.0.0.1:9"])
    assert "it has no use for --scheduler" in result.output


def test_a_database_is_made_anew_by_workers_as_by_one_core(
    storage: Storage, cluster: Any, tmp_path: Path
) -> None:
    lay(storage)
    rows = []
    for name, options in (("alone", []), ("together", ["--scheduler", cluster.scheduler_address])):
        result = CliRunner().invoke(
            bridge_main, ["reindex", "--data", str(tmp_path / name), "--from", storage.url, *options]
        )
        assert f"{len(TAPES)} calls from {len(TAPES)} tapes" in result.output, result.output
        store = Store(tmp_path / name / "calls.duckdb")
        rows.append({table: store.query(f"select * from {table}") for table in KEPT})
    assert rows[0] == rows[1]
    assert all(row["tape"].startswith(f"{storage.url}/good/") for row in rows[0]["calls"])
