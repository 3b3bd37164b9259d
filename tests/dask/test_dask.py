"""A study by the workers of a Dask scheduler gives what one process gives.

uv run --extra dask pytest tests/dask
"""

import pytest
from vad_calls import recordings

from replay.cluster.pool import open_pool
from replay.vad.engine.machine import Hearing
from replay.vad.study.study import Plan, study
from replay.vad.study.sweep import Grid

distributed = pytest.importorskip(
    "distributed", reason="Dask is not installed: uv run --extra dask pytest tests/dask"
)
PLAN = Plan(grid=Grid((0.5,), (500,), (300,)), hearing=Hearing(), resamples=20)


@pytest.mark.filterwarnings("default")  # Dask's own
def test_workers_of_a_scheduler_give_the_same_as_one_process():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        open_pool(scheduler=cluster.scheduler_address) as pool,
    ):
        found = study(recordings(3), PLAN, pool=pool)
    alone = study(recordings(3), PLAN)
    for name, values in alone.sweep.values.items():
        assert values.tobytes() == found.sweep.values[name].tobytes()
