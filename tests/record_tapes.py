"""Records the tapes in `tests/tapes` anew: short calls between the daemon as it is today and both stand-ins.

    uv run python tests/record_tapes.py

Beside each tape stands what the stand-in's caller heard and said (`NAME.heard.gz`, `NAME.said.gz`, µ-law).
"""

import gzip
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs
import structlog
import trio

from bridge import config
from bridge.daemon.server import open_daemon
from bridge.heart.audio import bytes_of
from bridge.tapes.names import tapes_under
from replay.model.script import CallTool, Faults, Script
from replay.model.script import Say as Words
from replay.model.server import serve_model
from replay.phone.ring import Account, Caller, CallReport, ring
from replay.phone.script import (
    HangUp,
    InterruptAfter,
    Say,
    Step,
    Wait,
    WaitForAgent,
    WaitForEnd,
    WaitForQuiet,
)
from replay.sound.clips import clip

TAPES: Final = Path(__file__).parent / "tapes"
PUBLIC: Final = "https://bridge.example.com"
TABLE: Final = {"day": "Friday", "people": 4, "time": "19:00"}


@attrs.frozen
class Scene:
    """One call: what the model says, and what the caller does."""

    script: Script
    caller: Caller
    model_lag_ms: int = 0
    agent: Mapping[str, object] = {}


def agent(name: str, ms: int = 60_000) -> Words:
    """Return the first so many milliseconds of an agent's clip."""
    return Words(clip(name).audio[: bytes_of(ms)], clip(name).text)


def caller(name: str) -> Say:
    """Return a caller's clip."""
    return Say(clip(name).audio, clip(name).text)


GOODBYE: Final = (agent("agent_goodbye", 500), CallTool("hang_up"))


def interrupted() -> Scene:
    """Greeting, turn, tool, an answer that is interrupted, goodbye."""
    script = Script(
        opening=(agent("agent_greeting", 600),),
        turns=((CallTool("check_table", TABLE),), GOODBYE),
        answers=((agent("agent_story", 6000),),),
        heard=(clip("caller_yes").text, clip("caller_stop").text),
    )
    steps: tuple[Step, ...] = (
        WaitForQuiet(200),
        caller("caller_yes"),
        InterruptAfter(400),
        caller("caller_stop"),
    )
    return Scene(script, Caller(steps=steps))


def hung_up() -> Scene:
    """The caller hangs up while the agent is speaking."""
    return Scene(Script(opening=(agent("agent_story", 4000),)), Caller(steps=(InterruptAfter(600), HangUp())))


def model_lost() -> Scene:
    """The model's session ends in the middle of its greeting."""
    script = Script(opening=(agent("agent_story", 4000),), faults=Faults(close_after_ms=1200))
    return Scene(script, Caller(steps=(WaitForEnd(),)))


def late_stream() -> Scene:
    """The greeting is ready long before the caller's stream starts, and the caller talks at once."""
    script = Script(opening=(agent("agent_greeting", 800),), turns=(GOODBYE,))
    return Scene(script, Caller(steps=(WaitForAgent(), Wait(900), caller("caller_no")), answer_delay_ms=900))


def late_model() -> Scene:
    """The caller's stream starts long before the model is ready: the caller's first frames are held for it."""
    script = Script(opening=(agent("agent_greeting", 400),), turns=(GOODBYE,))
    steps = (WaitForQuiet(300), caller("caller_no"))
    return Scene(script, Caller(steps=steps, answer_delay_ms=0), model_lag_ms=700)


NOTICE: Final = "This call is recorded for quality."
RULES: Final = {
    "protected": [NOTICE], "min_speech_ms": 300, "min_words": 3, "backchannels": True, "resume_after_ms": 1500,
}  # fmt: skip


def spoken_over() -> Scene:
    """By speaking rules: said into a notice, a "mhm", a noise after which the agent goes on, and an interruption."""
    script = Script(
        opening=(Words(clip("agent_story").audio[: bytes_of(2500)], NOTICE),),
        turns=((agent("agent_story", 14_000),), GOODBYE),
        heard=("Hello?", "Mhm.", "", "No, stop there please."),
    )
    steps: tuple[Step, ...] = (
        InterruptAfter(600), caller("caller_yes"), Wait(2800), caller("caller_yes"),
        Wait(2200), caller("caller_no"), Wait(2800), caller("caller_stop"),
    )  # fmt: skip
    return Scene(script, Caller(steps=steps), agent={"speaking": RULES})


SCENES: Final = {
    scene.__name__: scene
    for scene in (interrupted, hung_up, model_lost, late_stream, late_model, spoken_over)
}


async def record(name: str, scene: Scene, folder: Path) -> CallReport:
    """Make one call, and put its tape and what was heard into `folder`."""
    with tempfile.TemporaryDirectory() as scratch:
        report = await make_call(scene, Path(scratch))
        (tape,) = tapes_under(Path(scratch) / "data" / "tapes")
        shutil.copyfile(tape, folder / f"{name}.jsonl.gz")
    for side, audio in {"heard": report.heard, "said": report.said}.items():
        (folder / f"{name}.{side}.gz").write_bytes(gzip.compress(audio, mtime=0))
    return report


async def make_call(scene: Scene, folder: Path) -> CallReport:
    """Run a daemon of its own for one call."""
    async with trio.open_nursery() as nursery:
        model = await nursery.start(serve_model, scene.script)
        port = await nursery.start(serve_lagging, urlsplit(model.url).port, scene.model_lag_ms)
        url = f"ws://127.0.0.1:{port}{urlsplit(model.url).path}"
        settings = config.parse(_settings(url, scene.agent), folder / "config.toml")
        secrets = config.Secrets((Account().auth_token,), "sk-none")
        async with open_daemon(settings, secrets) as daemon:
            via = f"http://127.0.0.1:{daemon.port}"
            report = await ring(scene.caller, webhook=f"{PUBLIC}/voice/front-desk", via=via)
        nursery.cancel_scope.cancel(reason="the call is over")
    return report


async def serve_lagging(
    port: int, lag_ms: int, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve a port that leads to another one of this host, after a while."""

    async def connect(near: trio.SocketStream) -> None:
        await trio.sleep(lag_ms / 1000)
        async with await trio.open_tcp_stream("127.0.0.1", port) as far, trio.open_nursery() as pumps:
            pumps.start_soon(_pump, near, far)
            pumps.start_soon(_pump, far, near)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listener.socket.getsockname()[1])
    await trio.serve_listeners(connect, [listener])


async def _pump(source: trio.SocketStream, target: trio.SocketStream) -> None:
    try:
        async for data in source:
            await target.send_all(data)
        await target.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # one side is gone: so is the other


def _settings(model_url: str, agent: Mapping[str, object]) -> Mapping[str, object]:
    return {
        "server": {"bind": "127.0.0.1:0", "public_url": PUBLIC},
        "realtime": {"url": model_url},
        "agents": {"front-desk": {"tools": ["replay.callers.restaurant:check_table"], **agent}},
    }


async def main(names: list[str]) -> None:
    """Record the scenes of these names, one after the other."""
    TAPES.mkdir(exist_ok=True)
    for name in names:
        report = await record(name, SCENES[name](), TAPES)
        size = (TAPES / f"{name}.jsonl.gz").stat().st_size
        print(
            f"{name:12} {report.closed_ms} ms, closed by {report.closed_by}, {size} bytes", report.error or ""
        )


if __name__ == "__main__":
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()], cache_logger_on_first_use=False)
    trio.run(main, sys.argv[1:] or list(SCENES))
