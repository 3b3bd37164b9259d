"""What the model is asked to be, and the settings that a server may refuse without refusing the call. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import evolve, frozen

from bridge.agents import Agent, SemanticVad
from bridge.languages import spoken_codes

TRANSCRIPTION: Final = "audio.input.transcription"
LANGUAGE: Final = f"{TRANSCRIPTION}.language"
LANGUAGES: Final = f"{TRANSCRIPTION}.languages"
NOISE_REDUCTION: Final = "audio.input.noise_reduction"
TURN_DETECTION: Final = "audio.input.turn_detection"
SERVER_VAD: Final = tuple(
    f"{TURN_DETECTION}.{name}" for name in ("threshold", "prefix_padding_ms", "silence_duration_ms")
)
EAGERNESS: Final = f"{TURN_DETECTION}.eagerness"
VOICE: Final = "audio.output.voice"
ALWAYS_ASKED: Final = (VOICE, "max_output_tokens", "tool_choice")
OPTIONAL: Final = (
    LANGUAGE, LANGUAGES, TRANSCRIPTION, NOISE_REDUCTION, *SERVER_VAD, EAGERNESS, TURN_DETECTION, *ALWAYS_ASKED,
)  # fmt: skip
"""A setting before what holds it. Everything else makes the call what it is: instructions, tools, audio formats.

Left out, the server has its own; turn detection becomes the plain one that any server has.
"""


@frozen
class SessionSettings:
    """An agent's settings without those that were refused, in the order in which they were."""

    agent: Agent
    tools: Sequence[Mapping[str, Any]]
    left_out: tuple[str, ...] = ()

    def without(self, refused: Sequence[str]) -> "SessionSettings | None":
        """Return them without the first of these that is asked for; None if the call can't do without any."""
        asked = frozenset(_asked(self))
        found = next((name for name in refused if name in asked), None)
        return None if found is None else evolve(self, left_out=(*self.left_out, found))


def _asked(settings: SessionSettings) -> Iterator[str]:
    """Yield the optional settings that are asked for."""
    for name in _asked_by(settings.agent):
        if not any(f"{name}.".startswith(f"{gone}.") for gone in settings.left_out):
            yield name
    if _is_turn_detection_particular(settings):
        yield TURN_DETECTION


def _asked_by(agent: Agent) -> Iterator[str]:
    yield from ALWAYS_ASKED
    if agent.noise_reduction != "none":
        yield NOISE_REDUCTION
    if agent.transcription_model:
        yield TRANSCRIPTION
        if codes := spoken_codes(agent.languages):
            yield LANGUAGE if len(codes) == 1 else LANGUAGES
    yield from (EAGERNESS,) if isinstance(agent.turn_detection, SemanticVad) else SERVER_VAD


def _is_turn_detection_particular(settings: SessionSettings) -> bool:
    """Say whether turn detection is still another than the plain one."""
    if TURN_DETECTION in settings.left_out:
        return False
    return isinstance(settings.agent.turn_detection, SemanticVad) or not set(SERVER_VAD) <= set(
        settings.left_out
    )
