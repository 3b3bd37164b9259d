"""`bridge demo`: one whole call through the real daemon, with a stand-in at either end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import trio
from attrs import frozen
from rich.console import Console

from bridge import config
from bridge.daemon.server import open_daemon
from bridge.screen.output import STYLES
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import MODEL, OPENAI, Line
from bridge.text.visible import visible
from replay.model import script as model_script
from replay.model.script import CallTool, Script
from replay.model.server import serve_model
from replay.phone.ring import DEFAULT_ACCOUNT, ring
from replay.phone.script import Caller, InterruptAfter, Say, WaitForQuiet
from replay.sound.clips import clip
from replay.tapes.wav import write_wav

PUBLIC_URL: Final = "https://bridge.example.com"
AGENT: Final = "front-desk"

SECONDS_TO_RECORD: Final = 20
"""A machine that loads DuckDB for the first time needs more than a daemon's end gives it; here is no next start."""

SETTINGS: Final[dict[str, Any]] = {
    "server": {"bind": "127.0.0.1:0", "public_url": PUBLIC_URL, "drain_seconds": 3},
    "agents": {
        AGENT: {
            "instructions": "You answer the phone for Harbour Table, a small restaurant on the waterfront.",
            "greeting": "Hello, this is Harbour Table. How can I help you?",
            "tools": ["replay.callers.restaurant:check_table", "replay.callers.restaurant:opening_hours"],
        }
    },
}


def _agent(name: str) -> model_script.Say:
    return model_script.Say(clip(name).audio, clip(name).text)


def _caller(name: str) -> Say:
    return Say(clip(name).audio, clip(name).text)


def model_says() -> Script:
    """Return the agent's side: a greeting, a long answer, a tool call, its result, a goodbye that hangs up."""
    table = {"day": "Friday", "people": 4, "time": "19:00"}
    return Script(
        opening=(_agent("agent_greeting"),),
        turns=(
            (_agent("agent_hours"),),
            (_agent("agent_checking"), CallTool("check_table", table)),
            (_agent("agent_goodbye"), CallTool("hang_up", {"reason": "the caller has a table"})),
        ),
        answers=((_agent("agent_table"),),),
        fallback=(_agent("agent_pardon"),),
        heard=tuple(clip(name).text for name in ("caller_hours", "caller_table", "caller_thanks")),
    )


def caller_does() -> Caller:
    """Return the caller's side: a question, an interruption two seconds into the answer, thanks."""
    return Caller(
        steps=(
            WaitForQuiet(400),
            _caller("caller_hours"),
            InterruptAfter(2000),
            _caller("caller_table"),
            WaitForQuiet(900),
            _caller("caller_thanks"),
        ),
        answer_delay_ms=250,  # about what Twilio needs to open a stream
        patience_ms=8000,
    )


@frozen
class Demo:
    """What a demo left behind."""

    call_id: str
    tape: Path
    wav: Path


async def run_demo(out: Path, tell: Callable[[Line], None]) -> Demo:
    """Run the daemon against both stand-ins for one call; everything it leaves is under `out`, an absolute path."""
    async with trio.open_nursery() as peers:
        model = await peers.start(serve_model, model_says())
        raw = {**SETTINGS, "realtime": {"url": model.url}, "recording": {"folder": str(out)}}
        settings = config.parse(raw, out / "config.toml")
        secrets = config.Secrets(auth_tokens=(DEFAULT_ACCOUNT.auth_token,), api_key="no-key-needed-here")
        async with open_daemon(settings, secrets, watch=lambda _, line: tell(line)) as daemon:
            report = await ring(
                caller_does(), webhook=f"{PUBLIC_URL}/voice/{AGENT}", via=f"http://127.0.0.1:{daemon.port}"
            )
            with trio.move_on_after(SECONDS_TO_RECORD):
                await daemon.wait_recorded()
        peers.cancel_scope.cancel(reason="the demo is over")
    if report.error is not None:
        raise RuntimeError(f"the demo's call failed: {report.error}")
    path = next((out / "tapes").rglob(f"{report.call_sid}.jsonl.gz"))
    write_wav(read_tape(path), out / "call.wav")
    return Demo(report.call_sid, path, out / "call.wav")


# ---------------------------------------------------------------- telling it as it happens


def narrate(screen: Console) -> Callable[[Line], None]:
    """Return a watcher that prints what goes on, a line each."""

    def tell(line: Line) -> None:
        said = _told(line)
        if said is not None:
            who, what = said
            screen.print(f"[dim]{line.t_ms / 1000:6.2f}[/]  [{STYLES.get(who, 'dim')}]{who:9s}[/] ", end="")
            screen.print(visible(what), markup=False)

    return tell


MILESTONES: Final = {
    "webhook_accepted": ("webhook", "signed by Twilio's token: accepted; the model leg connects at once"),
    "model_ready": ("model", "session updated; the greeting is asked for"),
    "stream_started": ("stream", "Twilio's media stream has started"),
    "first_audio_heard": ("heard", "the caller hears the first word"),
    "barge_in": ("barge-in", "the caller cuts in: playback cleared, the model told what was heard"),
    "hang_up_asked": ("tool", "hang_up: waits until the last words were heard"),
}


def _told(line: Line) -> tuple[str, str] | None:
    if line.note is not None:
        return MILESTONES.get(str(line.note.get("name")))
    if line.run is not None:
        return "tool", f"{line.run['name']}({line.run['arguments']})"
    if line.tool is not None:
        return "tool", f"  -> {line.tool.get('output') or line.tool}"
    if line.end is not None:
        return "end", f"by {line.end['by']}: {line.end['why']}"
    if line.leg == MODEL and line.sender == OPENAI and line.msg:
        return _words(msgspec.json.decode(line.msg))
    return None


def _words(message: dict[str, Any]) -> tuple[str, str] | None:
    match message.get("type"):
        case "response.output_audio_transcript.done":
            return "agent", message["transcript"]
        case "conversation.item.input_audio_transcription.completed":
            return "caller", message["transcript"]
    return None
