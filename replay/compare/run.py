"""Makes the calls of a comparison: a daemon of its own for every variant, the same callers for all of them.

It judges nothing. The variants take turns, so that an hour in which a service is slow is slow for each of them.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, TypeAlias

import attrs
import trio

from bridge.config import Secrets, Settings
from bridge.daemon.server import open_daemon
from bridge.tapes.names import DONE_SUFFIX
from replay.compare.manifest import Manifest, Row, open_manifest
from replay.compare.types import NamedCaller, Plan, Run, Variant
from replay.compare.variants import PUBLIC_URL, described, for_calls, read_base, secrets_of, settings_of
from replay.model.scenario import load_scenario
from replay.model.server import ModelServer, serve_model
from replay.phone.instructions.verbs import name_of
from replay.phone.load import make_calls
from replay.phone.ring import CallReport, ring
from replay.phone.script import Caller

Progress: TypeAlias = Callable[[Run, int, int], None]
"""Told of each call when it is over, how many are, and how many will be."""

Counts: TypeAlias = Mapping[tuple[str, str], int]
"""How many calls there are to be, by variant and caller."""

INDEXED_SECONDS: Final = 60.0
"""What the rows of the last calls may take, on cores that are busy with something else."""

LOOK_SECONDS: Final = 0.05
TAPE_LOOKS: Final = 100
"""A tape is complete a quarter of a second after its call; on a full disk, never."""


async def run_plan(
    plan: Plan,
    callers: Sequence[NamedCaller],
    *,
    out: Path,
    progress: Progress,
    environment: Mapping[str, str],
    counts: Counts | None = None,
) -> list[Run]:
    """Make the calls of a plan, or as many of each caller to each variant as `counts` says; see `run_variants`."""
    return await run_variants(
        callers,
        plan.variants,
        base=plan.base,
        agent=plan.agent,
        counts=counts or {(v.name, c.name): plan.repeats for v in plan.variants for c in callers},
        at_once=plan.at_once,
        out=out,
        progress=progress,
        environment=environment,
    )


async def run_variants(
    callers: Sequence[NamedCaller],
    variants: Sequence[Variant],
    *,
    base: Path,
    agent: str,
    counts: Counts,
    at_once: int,
    out: Path,
    progress: Progress,
    environment: Mapping[str, str],
) -> list[Run]:
    """Let every caller ring every variant as often as `counts` says, at_once calls at any time; all is kept in `out`.

    Calls that `out` has already, of the same callers and settings, are not made again. Raises `ConfigError` before
    the first call, `ManifestError` and `StoreError` for what is wrong with `out`.
    """
    stages = _stages(variants, base, agent, environment, out=out, at_once=at_once)
    facts = {stage.name: described(stage.variant, stage.settings, agent) for stage in stages}
    manifest = open_manifest(out, facts, {caller.name: {"sha256": caller.sha256} for caller in callers})
    jobs = [
        _Job(stage, caller, repeat)
        for repeat in range(max(counts.values(), default=0))
        for caller in callers
        for stage in stages
        if repeat < counts.get((stage.name, caller.name), 0)
        and not manifest.has((stage.name, caller.name, repeat))
    ]
    if jobs:
        wanted = {job.stage.name for job in jobs}
        async with _open_stages([stage for stage in stages if stage.name in wanted]) as ports:
            await _Round(jobs, ports, manifest, agent, progress).make(at_once)
    await trio.to_thread.run_sync(manifest.save)
    return [run for run in manifest.runs if run.repeat < counts.get((run.variant, run.caller), 0)]


@attrs.frozen
class _Stage:
    """A variant, ready to be started."""

    variant: Variant
    settings: Settings
    secrets: Secrets = attrs.field(repr=False)

    @property
    def name(self) -> str:
        return self.variant.name


@attrs.frozen
class _Job:
    """One call to be made."""

    stage: _Stage
    caller: NamedCaller
    repeat: int


def _stages(
    variants: Sequence[Variant],
    base: Path,
    agent: str,
    environment: Mapping[str, str],
    *,
    out: Path,
    at_once: int,
) -> list[_Stage]:
    raw = read_base(base)
    stages = []
    for variant in variants:
        settings = settings_of(variant, raw, base, agent)
        secrets = secrets_of(variant, settings, environment)
        stages.append(_Stage(variant, for_calls(settings, out / variant.name, at_once), secrets))
    return stages


# ---------------------------------------------------------------- daemons


@asynccontextmanager
async def _open_stages(stages: Sequence[_Stage]) -> AsyncIterator[dict[str, int]]:
    """Run every variant's daemon, and its stand-in if it has one; the ports, by variant."""
    async with trio.open_nursery() as models:
        async with AsyncExitStack() as daemons:
            ports = {}
            for stage in stages:
                settings = await _with_model(stage, models)
                daemon = await daemons.enter_async_context(open_daemon(settings, stage.secrets))
                daemon.indexer.last_seconds = INDEXED_SECONDS
                ports[stage.name] = daemon.port
            yield ports
        models.cancel_scope.cancel(reason="all calls were made")


async def _with_model(stage: _Stage, models: trio.Nursery) -> Settings:
    """Return the settings with the address of the stand-in, which runs from now on."""
    if stage.variant.standin is None:
        return stage.settings
    scenario = load_scenario(stage.variant.standin)
    server: ModelServer = await models.start(serve_model, scenario.script_for)
    return attrs.evolve(stage.settings, realtime=attrs.evolve(stage.settings.realtime, url=server.url))


# ---------------------------------------------------------------- calls


@attrs.define
class _Round:
    """The calls that are still to be made."""

    jobs: Sequence[_Job]
    ports: Mapping[str, int]
    manifest: Manifest
    agent: str
    progress: Progress
    _done: int = 0
    _saving: trio.Lock = attrs.field(factory=trio.Lock)

    async def make(self, at_once: int) -> None:
        """Make them all."""
        lateness = await make_calls(self._make, calls=len(self.jobs), at_once=at_once, on_done=self._tell)
        self.manifest.note_lateness({**attrs.asdict(lateness), "spoils_results": lateness.spoils_results})

    async def _make(self, index: int) -> Run:
        job = self.jobs[index]
        row = await _call(job, self.ports[job.stage.name], self.agent, self.manifest.folder)
        run = self.manifest.add(row)
        async with self._saving:
            await trio.to_thread.run_sync(self.manifest.save)
        return run

    def _tell(self, run: Run) -> None:
        self._done += 1
        self.progress(run, self._done, len(self.jobs))


async def _call(job: _Job, port: int, agent: str, out: Path) -> Row:
    """Make one call, and wait for its tape."""
    call_sid = "CA" + token_hex(16)
    report = await ring(
        _on_another_network(job),
        webhook=f"{PUBLIC_URL}/voice/{agent}",
        via=f"http://127.0.0.1:{port}",
        call_sid=call_sid,
        also_hosts=(),
        total_ms=job.caller.max_ms,
    )
    tape = await _tape(out / job.stage.name / "tapes", call_sid)
    return Row(
        variant=job.stage.name,
        caller=job.caller.name,
        repeat=job.repeat,
        call_sid=call_sid,
        tape=str(tape.relative_to(out)) if tape else f"{job.stage.name}/tapes/{call_sid}{DONE_SUFFIX}",
        error=report.error or (None if tape else "the call left no complete tape"),
        report=_summary(report),
    )


def _on_another_network(job: _Job) -> Caller:
    """Return the caller with a network of this repeat's own, the same for every variant."""
    network = job.caller.caller.network
    return attrs.evolve(job.caller.caller, network=attrs.evolve(network, seed=network.seed + job.repeat))


async def _tape(folder: Path, call_sid: str) -> Path | None:
    """Wait until a call's tape is complete; None when it does not come to that."""
    for _ in range(TAPE_LOOKS):
        tape = await trio.to_thread.run_sync(_complete_tape, folder, call_sid)
        if tape is not None:
            return tape
        await trio.sleep(LOOK_SECONDS)
    return None


def _complete_tape(folder: Path, call_sid: str) -> Path | None:
    return next(folder.glob(f"*/{call_sid}{DONE_SUFFIX}"), None)


def _summary(report: CallReport) -> dict[str, Any]:
    """Return the phone's view of a call in a few numbers."""
    return {
        "ended_by": report.closed_by,
        "close_code": report.close_code,
        "first_audio_ms": report.first_audio_ms,
        "longest_gap_ms": max(report.gaps_ms, default=0),
        "clears": len(report.clears),
        "missed": [str(missed.step) for missed in report.missed],
        "unreached": len(report.unreached),
        "warnings": {str(warned.code): warned.count for warned in report.warnings},
        "next_verbs": [name_of(verb) for verb in report.next_verbs],
    }
