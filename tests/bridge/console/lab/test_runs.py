"""Runs of the lab from the console: off unless allowed, one at a time, told as they go on, and stopped."""

import re
from pathlib import Path

import pytest
import trio
from attrs import define
from consoles import ON, Site, site
from kept import Folder

from bridge.console.lab.jobs import Job
from bridge.console.lab.pages import linked
from bridge.console.lab.runs import Run, Runs
from bridge.settings.admin import Admin, Console, missing_of_console

ALLOWED = Console(on=True, reports="reports", lab_runs=True)
CALL = "CA" + "0" * 31 + "1"


@pytest.fixture
def allowed(tmp_path: Path) -> Site:
    folder = Folder(tmp_path)
    folder.put(CALL, tape="interrupted")
    (tmp_path / "reports").mkdir()
    return site(tmp_path, console=ALLOWED)


def day_in(page: str) -> str:
    found = re.search(r"<option>(\d{4}-\d\d-\d\d)</option>", page)
    assert found
    return found[1]


@pytest.mark.real_time("a run is a process")
async def test_a_days_calls_are_replayed_and_each_call_that_is_named_is_a_link(allowed: Site) -> None:
    day = day_in(await allowed.page("/console/lab"))
    begun = await allowed.post("/console/lab/runs", {"form": "replay", "day": day})
    assert begun.status_code == 303
    address = begun.headers["Location"]
    events = (await (await allowed.get(f"{address}/events")).get_data(as_text=True)).split("\n\n")
    assert events[-2] == "event: over\ndata: "
    assert "<b>done</b>" in events[-3]
    assert f'<a href="/console/calls/{CALL}">{CALL}</a>' in await allowed.page(address)
    assert f"Replay the calls of {day}" in await allowed.page("/console/lab")


@pytest.mark.parametrize(
    "console", [ON, Console(on=True, reports="reports"), Console(on=True, lab_runs=True)]
)
async def test_no_run_is_begun_unless_the_configuration_says_so(tmp_path: Path, console: Console) -> None:
    off = site(tmp_path, console=console)
    refused = await off.post("/console/lab/runs", {"form": "replay", "day": "2026-01-01"})
    assert refused.status_code == 404
    assert "lab_runs = true" in await refused.get_data(as_text=True)
    assert "<form" not in (await off.page("/console/lab")).partition("<main")[2]


async def test_another_site_begins_no_run(allowed: Site) -> None:
    day = day_in(await allowed.page("/console/lab"))
    for origin in ("https://evil.example.com", "null"):
        refused = await allowed.post("/console/lab/runs", {"form": "replay", "day": day}, Origin=origin)
        assert refused.status_code == 403


@define
class Held:
    """Begins nothing until it is told to."""

    nursery: trio.Nursery
    is_held: bool = True

    def __call__(self, task: object, *arguments: object) -> None:
        if not self.is_held:
            self.nursery.start_soon(task, *arguments)  # type: ignore[arg-type]


async def test_one_run_goes_on_at_a_time(tmp_path: Path, nursery: trio.Nursery) -> None:
    runs = Runs(tmp_path, Held(nursery))
    first = runs.start(Job("first", ()), "anna")
    assert first is not None
    assert runs.start(Job("second", ()), "ben") is None
    first.is_over.set()
    assert runs.start(Job("second", ()), "ben") is not None
    assert [one.job.title for one in runs.all] == ["second", "first"]


@pytest.mark.real_time("a run is a process")
async def test_a_run_that_is_stopped_is_gone(tmp_path: Path, nursery: trio.Nursery) -> None:
    runs = Runs(tmp_path, Held(nursery, is_held=False))
    run = runs.start(
        Job("waits", ("model", "--port", "0")), "anna"
    )  # the stand-in serves until it is stopped
    assert run is not None
    with trio.fail_after(60):
        while not run.lines:  # noqa: ASYNC110 - nobody tells when
            await trio.sleep(0.01)
        run.stop()
        await run.is_over.wait()
    assert run.status == "stopped"
    assert runs.current is None


def test_lines_are_kept_whole_and_only_so_many(tmp_path: Path) -> None:
    run = Runs(tmp_path, lambda *_: None).start(Job("talks", ()), "anna")
    assert isinstance(run, Run)
    run.heard(b"one\ntw")
    run.heard(b"o\n")
    assert list(run.lines) == ["one", "two"]
    run.heard(b"x" * 10_000 + b"\n" + b"y\n" * 10_000)
    assert len(run.lines) == 400
    assert max(map(len, run.lines)) <= 500


def test_what_a_run_says_is_text() -> None:
    told = linked(f"<script>alert(1)</script> {CALL}\u202e {CALL}x")
    assert "&lt;script&gt;" in told
    assert told.count("<a href") == 1
    assert "\u202e" not in told


def test_runs_without_a_folder_for_what_they_write_are_a_mistake_in_the_configuration() -> None:
    (said,) = missing_of_console(
        Admin(bind="127.0.0.1:9090"), Console(on=True, lab_runs=True), has_token=True
    )
    assert 'reports = "reports"' in said
