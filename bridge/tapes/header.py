"""A tape's first line: which call it is, when it was, and with which settings. Pure."""

from typing import Any, Final

import msgspec
from attrs import asdict

from bridge.agents import Agent, agent_from
from bridge.errors import TapeError
from bridge.prices import PUBLISHED, Prices
from bridge.settings.tool_speech import without_tool_speech
from bridge.tapes.lines import When
from bridge.text.nesting import is_too_deep
from bridge.tool_rules import ToolRule

FORMAT: Final = 1
"""The format number in every header; a reader keeps reading the older ones."""


BEFORE: Final = {
    "reconnects": 0, "reconnect_pause_ms": 0, "reconnect_listen_ms": 0, "session_seconds": 0, "stream_returns": 0,
    "quiet_goodbye_seconds": 0, "say_again": False,
}  # fmt: skip
"""Limits that were none before there were settings for them."""


class Header(msgspec.Struct, kw_only=True):
    """A tape's first line: which call, when, and with which settings; it holds no secrets."""

    tape: int = FORMAT
    call_id: str
    call_sid: str
    account_sid: str
    agent: str
    asked_agent: str = ""
    """The agent that was called, where another one answers, and why that is so."""
    agent_why: str = ""
    trial: str = ""
    """The trial that the call was part of, and which arm it had: `settings` have that arm's turn detection."""
    trial_arm: str = ""
    started_at: When
    caller: str = msgspec.field(name="from", default="")
    called: str = msgspec.field(name="to", default="")
    is_outgoing: bool = False
    """Whether we called them: then `from` is ours, and the CallSid is in a line of Twilio's."""
    model: str = ""
    code: str = ""
    opened_by: str = ""
    """A keyed hash of the signed request that began the call: the same one begins no other."""
    has_audio: bool = True
    settings: dict[str, Any] = {}
    filled: dict[str, str] = {}
    """What stands in `settings` in place of each placeholder."""
    tools: list[dict[str, Any]] = []
    prices: Prices | None = None
    """What its tokens and seconds cost when it began; None before tapes had them."""
    tool_rules: dict[str, ToolRule] = {}
    """How those tools are run that say more of it than their types do."""

    def agent_settings(self) -> Agent:
        """Return the agent's settings as they were in force: before there were settings for it, no session followed one
        that was lost, the model was not asked to say goodbye to a quiet caller, and nothing was said of tools."""
        limits = self.settings.get("limits")
        before = {"limits": BEFORE | limits} if isinstance(limits, dict) else {}
        before |= without_tool_speech(self.settings) if self.settings else {}
        return agent_from(self.agent, self.settings | before)

    def prices_in_force(self) -> Prices:
        """Return what the call is priced by: today's published prices, where its tape has none of its own."""
        return self.prices or PUBLISHED.of(self.model, self.agent_settings().transcription_model)


def settings_of(agent: Agent) -> dict[str, Any]:
    """Return the settings that a header keeps: no shadow where there is none, and neither how long a tape is kept nor
    when the agent answers: that is asked of today's configuration. Nor what else is tried: a call has one arm of it.
    """
    kept = {
        name: value
        for name, value in asdict(agent).items()
        if name not in ("name", "keep", "hours", "trial") and value is not None
    }
    sentences = {"failure_sentence": agent.failure_sentence, "goodbye_sentence": agent.goodbye_sentence}
    return kept | {name: sentence.text for name, sentence in sentences.items()}


def encode_header(header: Header) -> bytes:
    """Return the header's line."""
    return msgspec.json.encode(header) + b"\n"


def decode_header(line: bytes) -> Header:
    """Return the header that a tape begins with. Raises `TapeError`."""
    try:
        if is_too_deep(line.decode("utf-8")):
            raise TapeError("not a tape: its first line is nested too deeply")
        number = msgspec.json.decode(line, type=_Format).tape
        if not 1 <= number <= FORMAT:
            raise TapeError(f"a tape of format {number}; this version reads formats 1 to {FORMAT}")
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TapeError(f"not a tape: its first line is no header ({error})") from None
    if not all(isinstance(tool.get("name"), str) for tool in header.tools):
        raise TapeError("not a tape: its header has a tool without a name")
    return header


class _Format(msgspec.Struct):
    """The number alone: whatever else a header of another format has."""

    tape: int = FORMAT
