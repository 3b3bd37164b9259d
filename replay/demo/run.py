"""One story of the demo, told by the real daemon with a stand-in at either end; what it leaves behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import trio
from attrs import frozen

from bridge import config
from bridge.daemon.server import Daemon, open_daemon
from bridge.outbound.permission import Wish
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import Line
from replay.demo.both_ends import write_both_ends
from replay.demo.stories import AGENT, RESTAURANT, Story
from replay.model.server import serve_model
from replay.phone.report import CallReport, OnEvent
from replay.phone.rest import Rest, open_rest
from replay.phone.ring import DEFAULT_ACCOUNT, ring
from replay.tapes.beside import written_beside
from replay.tapes.page_file import page_file

PUBLIC_URL: Final = "https://bridge.example.com"

SECONDS_TO_RECORD: Final = 20
"""A machine that loads DuckDB for the first time needs more than a daemon's end gives it; here is no next start."""


@frozen
class Demo:
    """What a demo left behind."""

    call_id: str
    tape: Path
    wav: Path
    page: Path


def settings_of(story: Story, out: Path, *, model_url: str, api_url: str) -> dict[str, Any]:
    """Return the configuration file of a story, as TOML would be read."""
    account = DEFAULT_ACCOUNT
    calls = {"caller_id": account.number, "allow": [story.calls], "hours": ""}
    return {
        "server": {"bind": "127.0.0.1:0", "public_url": PUBLIC_URL, "drain_seconds": 3},
        "realtime": {"url": model_url},
        "twilio": {"account_sid": account.account_sid, "api_url": api_url},
        "outbound": calls if story.calls else {},  # it needs an extra, which no other story shall ask for
        "recording": {"folder": str(out)},
        "agents": {AGENT: {**RESTAURANT, **story.agent}},
    }


async def run_demo(
    story: Story, out: Path, tell: Callable[[Line], None], overhear: OnEvent, *, run: str = ""
) -> Demo:
    """Run the daemon against both stand-ins for one call; everything it leaves is under `out`, an absolute path.

    `run` stands before the commands on its page.
    """
    async with (
        trio.open_nursery() as peers,
        open_rest(DEFAULT_ACCOUNT, town=story.town, on_event=overhear) as rest,
    ):
        model = await peers.start(serve_model, story.model)
        raw = settings_of(story, out, model_url=model.url, api_url=rest.url)
        settings = config.parse(raw, out / "config.toml")
        secrets = config.Secrets(auth_tokens=(DEFAULT_ACCOUNT.auth_token,), api_key="no-key-needed-here")
        async with open_daemon(settings, secrets, watch=lambda _, line: tell(line)) as daemon:
            rest.via = f"http://127.0.0.1:{daemon.port}"
            call_id, report = await (_called(daemon, story, rest) if story.calls else _rung(story, rest))
            with trio.move_on_after(SECONDS_TO_RECORD):
                await daemon.wait_recorded()
        peers.cancel_scope.cancel(reason="the demo is over")
    if report.error is not None:
        raise RuntimeError(f"the demo's call failed: {report.error}")
    path = next((out / "tapes").rglob(f"{call_id}.jsonl.gz"))
    write_both_ends(report, out / "call.wav")
    with written_beside(out / "call.html") as page:
        page.write_text(page_file(read_tape(path), run=run), encoding="utf-8")
    return Demo(call_id, path, out / "call.wav", out / "call.html")


async def _rung(story: Story, rest: Rest) -> tuple[str, CallReport]:
    """Let the story's caller ring; return what the call is called, and what became of it."""
    webhook = f"{PUBLIC_URL}/voice/{AGENT}"
    report = await ring(story.caller, webhook=webhook, via=rest.via, town=story.town, on_event=rest.on_event)
    return report.call_sid, report


async def _called(daemon: Daemon, story: Story, rest: Rest) -> tuple[str, CallReport]:
    """Have the agent ring whoever is in the story. Raises `OutboundError`."""
    state = await daemon.dialer.ask(Wish(AGENT, story.calls))
    await rest.wait_asked(1)
    await rest.wait_over()
    return state.call_id, rest.reports[0]
