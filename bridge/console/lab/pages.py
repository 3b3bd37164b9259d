"""The lab's pages: its reports, and where they are allowed (`lab_runs`) its runs, begun, watched and stopped."""

import re
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define
from markupsafe import Markup
from quart import Response, g, request

from bridge.console.app import BASE, HOME, Pages, Paths
from bridge.console.event_streams import LONGEST_SECONDS, EventStreams
from bridge.console.lab.jobs import Choices, choices_in
from bridge.console.lab.reports import add_reports, reports_in
from bridge.console.lab.runs import Run, Runs
from bridge.console.words import seen

EVERY_SECONDS: Final = 0.5
MOST_STREAMS: Final = 8
SEE_OTHER, WRONG, NOT_FOUND, BUSY = 303, 400, 404, 409
CALL: Final = re.compile(r"\bCA[0-9a-f]{32}\b")
REFUSED: Final = (
    "Runs are off: [console] lab_runs = true allows them, and [console] reports names where they write.\n"
)


@define(eq=False)
class Lab:
    """What the pages show."""

    pages: Pages
    runs: Runs
    data: Path

    @property
    def folder(self) -> Path | None:
        """Return where reports are, and plans."""
        named = self.pages.door().console.reports
        return self.runs.folder / named if named else None

    @property
    def may_run(self) -> bool:
        """Say whether runs may be begun."""
        return self.pages.door().console.lab_runs and self.folder is not None

    async def choices(self) -> Choices | None:
        """Return what a run can be made of; None where none may be."""
        folder, agents = self.folder, self.pages.snapshot.switchboard.settings.agents
        if not self.may_run or folder is None:
            return None
        return await trio.to_thread.run_sync(choices_in, self.data / "tapes", folder, tuple(agents))

    async def told(self, run: Run) -> dict[str, Any]:
        """Return what a run's page says of it: what it said, each call in it a link, and what it has written."""
        found = await trio.to_thread.run_sync(reports_in, self.folder)
        written = [one for one in found if one.written >= run.begun.replace(microsecond=0)]
        return {"run": run, "lines": [linked(line) for line in run.lines], "written": written}

    async def events(self, run: Run) -> AsyncGenerator[bytes, None]:
        """Yield what has become of a run, as server-sent events, until it is over."""
        until, shown = trio.current_time() + LONGEST_SECONDS, -1
        while trio.current_time() < until:
            is_over = run.is_over.is_set()
            if run.version != shown:
                shown = run.version
                html = await self.pages.render("run_state.html", **await self.told(run))
                yield "".join(f"data: {line}\n" for line in html.splitlines()).encode() + b"\n"
            if is_over:
                yield b"event: over\ndata: \n\n"
                return
            with trio.move_on_after(EVERY_SECONDS):
                await run.is_over.wait()


def linked(line: str) -> Markup:
    """Return a line with each call in it as a link to its page."""
    parts, at = list[Markup](), 0
    for found in CALL.finditer(line):
        parts.append(
            Markup('{}<a href="{}/{}">{}</a>').format(
                seen(line[at : found.start()]), HOME, found[0], found[0]
            )
        )
        at = found.end()
    return Markup("").join(_escaped([*parts, seen(line[at:])]))


def _escaped(parts: Iterable[Any]) -> Iterable[Markup]:
    return (part if isinstance(part, Markup) else Markup("{}").format(part) for part in parts)


def add_lab(console: Paths, lab: Lab) -> None:
    """Add the lab's pages."""
    pages, runs, streams = lab.pages, lab.runs, EventStreams(MOST_STREAMS)
    add_reports(console, lambda: lab.folder)

    @console.get("/lab")
    async def home() -> Response:
        found = await trio.to_thread.run_sync(reports_in, lab.folder)
        return await pages.page(
            "lab.html", reports=found, folder=lab.folder, choices=await lab.choices(), runs=runs.all, fault=""
        )

    @console.post("/lab/runs")
    async def begin() -> Response:
        choices = await lab.choices()
        if choices is None:
            return Response(REFUSED, NOT_FOUND)
        job = choices.job_of(await request.form)
        if isinstance(job, str):
            return Response(f"{job}\n", WRONG)
        run = runs.start(job, g.visitor.who)
        if run is None:
            return Response("Another run goes on: one at a time, for calls come first.\n", BUSY)
        return _to_run(run)

    @console.get("/lab/runs/<int:number>")
    async def one(number: int) -> Response:
        run = runs.get(number)
        return await pages.page("run.html", **await lab.told(run)) if run else Response("", NOT_FOUND)

    @console.get("/lab/runs/<int:number>/events")
    async def events(number: int) -> Response:
        run = runs.get(number)
        return streams.answer(lab.events(run)) if run else Response("", NOT_FOUND)

    @console.post("/lab/runs/<int:number>/stop")
    async def stop(number: int) -> Response:
        run = runs.get(number)
        if run is None:
            return Response("", NOT_FOUND)
        run.stop()
        return _to_run(run)


def _to_run(run: Run) -> Response:
    return Response("", SEE_OTHER, headers={"Location": f"{BASE}/lab/runs/{run.number}"})
