"""What the model is asked to be, and the settings that a server may refuse without refusing the call. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import evolve, frozen

from bridge.agents import Agent
from bridge.settings.languages import spoken_codes
from bridge.settings.session_table import Context, paths_of
from bridge.settings.turn_detection import SemanticVad, ServerVad

TRANSCRIPTION: Final = "audio.input.transcription"
LANGUAGE: Final = f"{TRANSCRIPTION}.language"
LANGUAGES: Final = f"{TRANSCRIPTION}.languages"
PROMPT: Final = f"{TRANSCRIPTION}.prompt"
KEYWORDS: Final = f"{TRANSCRIPTION}.keywords"
NOISE_REDUCTION: Final = "audio.input.noise_reduction"
TURN_DETECTION: Final = "audio.input.turn_detection"
SERVER_VAD: Final = tuple(
    f"{TURN_DETECTION}.{name}" for name in ("threshold", "prefix_padding_ms", "silence_duration_ms")
)
IDLE_TIMEOUT: Final = f"{TURN_DETECTION}.idle_timeout_ms"
EAGERNESS: Final = f"{TURN_DETECTION}.eagerness"
VOICE: Final = "audio.output.voice"
SPEED: Final = "audio.output.speed"
REASONING: Final = "reasoning"
PARALLEL_TOOLS: Final = "parallel_tool_calls"
TRUNCATION: Final = "truncation"
TRACING: Final = "tracing"
ALWAYS_ASKED: Final = (VOICE, "max_output_tokens", "tool_choice")
OPTIONAL: Final = (
    LANGUAGE, LANGUAGES, PROMPT, KEYWORDS, TRANSCRIPTION, NOISE_REDUCTION, *SERVER_VAD, IDLE_TIMEOUT, EAGERNESS,
    TURN_DETECTION, SPEED, REASONING, PARALLEL_TOOLS, TRUNCATION, TRACING, *ALWAYS_ASKED,
)  # fmt: skip
"""What the bridge may ask for and can do without, a setting before what holds it; so can it without every field of an
agent's own table. Everything else makes the call what it is: instructions, tools, audio formats.

Left out, the server has its own; turn detection becomes the plain one that any server has.
"""

TOOL_PLACE: Final = re.compile(r"tools\[(\d{1,4})\]")
KEPT: Final = frozenset({"audio", "audio.input", "audio.output", TURN_DETECTION})
"""Tables of a session that hold what no call can do without: of an agent's own, their fields alone are left out."""


@frozen
class SessionSettings:
    """An agent's settings without those that were refused, in the order in which they were."""

    agent: Agent
    tools: Sequence[Mapping[str, Any]]
    left_out: tuple[str, ...] = ()

    def without(self, refused: Sequence[str]) -> "SessionSettings | None":
        """Return them without the first of these that is asked for; None if the call can't do without any."""
        asked = frozenset(_asked(self))
        found = next((name for one in refused if (name := self._named(one)) in asked), None)
        return None if found is None else evolve(self, left_out=(*self.left_out, found))

    def _named(self, path: str) -> str:
        """Return what we call what a path of the wire leads to: an MCP server stands there behind the functions."""
        place = TOOL_PLACE.fullmatch(path)
        servers = [name for name in map(server_name, self.agent.mcp) if name not in self.left_out]
        index = int(place[1]) - len(self.tools) if place else -1
        return servers[index] if 0 <= index < len(servers) else path


def server_name(label: str) -> str:
    """Return what an MCP server is called among the settings that may be left out."""
    return f"tools.{label}"


def _asked(settings: SessionSettings) -> Iterator[str]:
    """Yield the optional settings that are asked for."""
    asked = [name for name in _asked_by(settings.agent) if not _is_gone(name, settings.left_out)]
    yield from asked
    is_semantic = isinstance(settings.agent.turn_detection, SemanticVad)
    is_particular = is_semantic or any(name.startswith(f"{TURN_DETECTION}.") for name in asked)
    if is_particular and TURN_DETECTION not in settings.left_out:
        yield TURN_DETECTION  # it is still another than the plain one


def _is_gone(name: str, left_out: Sequence[str]) -> bool:
    return any(f"{name}.".startswith(f"{gone}.") for gone in left_out)


def _asked_by(agent: Agent) -> Iterator[str]:
    yield from ALWAYS_ASKED
    yield from _asked_of_hearing(agent)
    chosen = {
        SPEED: agent.speed != 1,
        REASONING: agent.reasoning_effort != "",
        PARALLEL_TOOLS: agent.parallel_tool_calls is not None,
        TRUNCATION: agent.context != Context(),
        TRACING: agent.tracing != "",
    }
    yield from (name for name, is_chosen in chosen.items() if is_chosen)
    yield from map(server_name, agent.mcp)
    yield from (path for path in paths_of(agent.session) if path not in KEPT)


def _asked_of_hearing(agent: Agent) -> Iterator[str]:
    if agent.noise_reduction != "none":
        yield NOISE_REDUCTION
    if agent.transcription_model:
        yield TRANSCRIPTION
        if codes := spoken_codes(agent.languages):
            yield LANGUAGE if len(codes) == 1 else LANGUAGES
        yield from (PROMPT,) if agent.transcription_prompt else ()
        yield from (KEYWORDS,) if agent.transcription_keywords else ()
    vad = agent.turn_detection
    yield from (EAGERNESS,) if isinstance(vad, SemanticVad) else SERVER_VAD
    if isinstance(vad, ServerVad) and vad.idle_timeout_ms:
        yield IDLE_TIMEOUT
