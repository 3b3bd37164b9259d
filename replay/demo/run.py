"""One story of the demo, told by the real daemon with a stand-in at either end; what it leaves behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import trio
from attrs import frozen

from bridge import config
from bridge.daemon.server import open_daemon
from bridge.tapes.tape import Line
from replay.demo.both_ends import write_both_ends
from replay.demo.stories import AGENT, RESTAURANT, Story
from replay.model.server import serve_model
from replay.phone.report import OnEvent
from replay.phone.ring import DEFAULT_ACCOUNT, ring

PUBLIC_URL: Final = "https://bridge.example.com"

SECONDS_TO_RECORD: Final = 20
"""A machine that loads DuckDB for the first time needs more than a daemon's end gives it; here is no next start."""


@frozen
class Demo:
    """What a demo left behind."""

    call_id: str
    tape: Path
    wav: Path


def settings_of(story: Story, model_url: str, out: Path) -> dict[str, Any]:
    """Return the configuration file of a story, as TOML would be read."""
    return {
        "server": {"bind": "127.0.0.1:0", "public_url": PUBLIC_URL, "drain_seconds": 3},
        "realtime": {"url": model_url},
        "recording": {"folder": str(out)},
        "agents": {AGENT: {**RESTAURANT, **story.agent}},
    }


async def run_demo(story: Story, out: Path, tell: Callable[[Line], None], overhear: OnEvent) -> Demo:
    """Run the daemon against both stand-ins for one call; everything it leaves is under `out`, an absolute path."""
    async with trio.open_nursery() as peers:
        model = await peers.start(serve_model, story.model)
        settings = config.parse(settings_of(story, model.url, out), out / "config.toml")
        secrets = config.Secrets(auth_tokens=(DEFAULT_ACCOUNT.auth_token,), api_key="no-key-needed-here")
        async with open_daemon(settings, secrets, watch=lambda _, line: tell(line)) as daemon:
            report = await ring(
                story.caller,
                webhook=f"{PUBLIC_URL}/voice/{AGENT}",
                via=f"http://127.0.0.1:{daemon.port}",
                town=story.town,
                on_event=overhear,
            )
            with trio.move_on_after(SECONDS_TO_RECORD):
                await daemon.wait_recorded()
        peers.cancel_scope.cancel(reason="the demo is over")
    if report.error is not None:
        raise RuntimeError(f"the demo's call failed: {report.error}")
    path = next((out / "tapes").rglob(f"{report.call_sid}.jsonl.gz"))
    write_both_ends(report, out / "call.wav")
    return Demo(report.call_sid, path, out / "call.wav")
