"""What a session looks like on the model's wire: asked for whole, asked for without what was refused. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bridge.agents import Agent
from bridge.heart.audio import AUDIO_FORMAT
from bridge.heart.session_settings import TRANSCRIPTION, TURN_DETECTION, SessionSettings, server_name
from bridge.settings.languages import spoken_codes
from bridge.settings.session_table import DEEPEST, Context, McpServer, merged
from bridge.settings.turn_detection import SemanticVad, TurnDetection, silent

Message = dict[str, Any]

PCMU: Final = {"type": AUDIO_FORMAT}
"""8 kHz µ-law has no `rate` key in the Realtime API; with it both legs carry the same bytes."""


def session_of(settings: SessionSettings) -> Message:
    """Return the `session` of a `session.update`: all that is asked for, but what was refused before."""
    session = merged(_whole(settings.agent, settings.tools), settings.agent.session)
    for name in settings.left_out:
        session = _without(session, name)
    return session


def _whole(agent: Agent, tools: Sequence[Mapping[str, Any]]) -> Message:
    """Return it with every setting; `type` is required on every update."""
    hearing = _hearing(agent, agent.server_turn_detection, _transcription(agent))
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": agent.instructions,
        "audio": {"input": hearing, "output": _speaking(agent)},
        "tools": [*tools, *(_mcp_tool(label, server) for label, server in agent.mcp.items())],
        "tool_choice": "auto",
        "max_output_tokens": agent.max_output_tokens,
        **_chosen(agent),
    }


def _chosen(agent: Agent) -> Message:
    """Return what is asked for only where an agent has its own: the server's defaults are its own matter."""
    chosen = {
        "reasoning": {"effort": agent.reasoning_effort} if agent.reasoning_effort else None,
        "parallel_tool_calls": agent.parallel_tool_calls,
        "truncation": _truncation(agent.context),
        "tracing": agent.tracing or None,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _mcp_tool(label: str, server: McpServer) -> Message:
    """Return an MCP server as the service wants it; its secrets are names, which the socket itself fills in."""
    approval = server.approval
    tool: Message = {
        "type": "mcp",
        "server_label": label,
        "server_url": server.server_url,
        "connector_id": server.connector_id,
        "tunnel_id": server.tunnel_id,
        "server_description": server.description,
        "authorization": server.authorization,
        "headers": dict(server.headers),
        "allowed_tools": list(server.tools),
        "require_approval": approval if isinstance(approval, str)
        else {when: {"tool_names": list(names)} for when, names in approval.items()},
    }  # fmt: skip
    return {name: value for name, value in tool.items() if value}


def _truncation(context: Context) -> Message | str | None:
    if not context.retention_ratio:
        return context.truncation or None
    kept: Message = {"type": "retention_ratio", "retention_ratio": context.retention_ratio}
    limits = {"post_instructions": context.most_tokens}
    return kept | {"token_limits": limits} if context.most_tokens else kept


def shadow_session_of(agent: Agent, vad: TurnDetection) -> Message:
    """Return the `session` of a shadow: it hears as the real one does, and turn detection says so another way.

    Nobody asks it for a response; should it make one all the same, that is one token of text.
    """
    return {
        "type": "realtime",
        "output_modalities": ["text"],
        "audio": {"input": _hearing(agent, silent(vad), None)},
        "tools": [],
        "tool_choice": "none",
        "max_output_tokens": 1,
    }


def _hearing(agent: Agent, vad: TurnDetection, transcription: Message | None) -> Message:
    return {
        "format": PCMU,
        "transcription": transcription,
        "noise_reduction": None if agent.noise_reduction == "none" else {"type": agent.noise_reduction},
        "turn_detection": _turn_detection(vad),
    }


def _speaking(agent: Agent) -> Message:
    speaking: Message = {"format": PCMU, "voice": agent.voice}
    return speaking if agent.speed == 1 else speaking | {"speed": agent.speed}


def _transcription(agent: Agent) -> Message | None:
    if not agent.transcription_model:
        return None
    codes = spoken_codes(agent.languages)
    asked: Message = {"model": agent.transcription_model}
    if agent.transcription_prompt:
        asked["prompt"] = agent.transcription_prompt
    if agent.transcription_keywords:
        asked["keywords"] = list(agent.transcription_keywords)
    if len(codes) > 1:
        return asked | {"languages": codes}
    return asked | {"language": codes[0]} if codes else asked


def _turn_detection(vad: TurnDetection) -> Message:
    flags = {"create_response": vad.create_response, "interrupt_response": vad.interrupt_response}
    if isinstance(vad, SemanticVad):
        return {"type": vad.type, "eagerness": vad.eagerness, **flags}
    return {
        "type": vad.type,
        "threshold": vad.threshold,
        "prefix_padding_ms": vad.prefix_padding_ms,
        "silence_duration_ms": vad.silence_duration_ms,
        **({"idle_timeout_ms": vad.idle_timeout_ms} if vad.idle_timeout_ms else {}),
        **flags,
    }


# ---------------------------------------------------------------- what is refused of it

_NAMED: Final = re.compile(r"'(session\.[\w.\[\]]{1,100})'")


def refused_settings(param: str, message: str = "") -> tuple[str, ...]:
    """Return the settings that an error may be about, the innermost first; their names are paths on this wire.

    `param` is what the error names; where it names nothing, its message may.
    """
    if not param and (named := _NAMED.search(message)):
        param = named[1]
    if not param:
        return ()
    parts = param.removeprefix("session.").split(".")[:DEEPEST]
    held_by = tuple(".".join(parts[:length]) for length in range(len(parts), 0, -1))
    if TRANSCRIPTION in held_by or parts[:2] != ["audio", "input"] or len(parts) == 2:
        return held_by
    # Turn detection beside some transcription models is refused: the other one of the two is what is wrong.
    return (*held_by, TRANSCRIPTION)


def _without(session: Message, name: str) -> Message:
    if name == TURN_DETECTION:
        return _changed(session, name.split("."), _plain)
    if name.startswith("tools."):
        tools = [tool for tool in session["tools"] if server_name(tool.get("server_label", "")) != name]
        return session | {"tools": tools}
    return _changed(session, name.split("."), lambda value: None)


def _plain(turn_detection: Message) -> Message | None:
    """Turn detection that any server has; who answers a turn is no matter of taste and stays."""
    flags = {name: turn_detection[name] for name in ("create_response", "interrupt_response")}
    return {"type": "server_vad", **flags}


def _changed(session: Message, path: list[str], change: Callable[[Message], Message | None]) -> Message:
    """Return the session with the field at this path changed, or dropped if nothing is to stand there."""
    name, rest = path[0], path[1:]
    if not isinstance(session, dict) or session.get(name) is None:
        return session
    value = _changed(session[name], rest, change) if rest else change(session[name])
    kept = {key: one for key, one in session.items() if key != name}
    return kept if value is None else {key: value if key == name else one for key, one in session.items()}
