"""Speaking rules: when a caller who speaks interrupts an agent, when they don't, and when it goes on. Values, checked
once; what becomes of them is decided in `bridge.heart.parts.overlap`.
"""

from collections.abc import Iterator
from typing import Any, Final

from attrs import evolve, frozen

from bridge.checks import Wrong, flag, setting, whole
from bridge.settings.backchannels import known_of, unknown_of
from bridge.settings.turn_detection import ServerVad, TurnDetection

MOST_PHRASES: Final = 200
MOST_CHARACTERS: Final = 1000


def phrases(value: Any) -> tuple[str, ...]:
    """Accept a list of what may be said, each short enough to be looked for."""
    if isinstance(value, list) and any(isinstance(one, str) and not one.strip() for one in value):
        raise Wrong("texts with words in them: one here is empty; leave it out")
    usable = isinstance(value, list) and len(value) <= MOST_PHRASES
    if not usable or not all(
        isinstance(one, str) and one.strip() and len(one) <= MOST_CHARACTERS for one in value
    ):
        raise Wrong(f"a list of up to {MOST_PHRASES} texts of up to {MOST_CHARACTERS} characters")
    return tuple(value)


def known_or_own(value: Any) -> bool | tuple[str, ...]:
    """Accept true, false, or a list."""
    if isinstance(value, bool):
        return value
    try:
        return phrases(value)
    except Wrong as wrong:
        raise Wrong(
            f"true for those of the agent's languages, false for none, or your own: {wrong}"
        ) from None


@frozen
class Speaking:
    """What an agent does about a caller who speaks while it does. All off: any voice interrupts at once, as the server
    hears it."""

    protect_greeting: bool = setting(False, flag)
    protected: tuple[str, ...] = setting((), phrases)
    """Words that are said to their end, wherever the agent says them."""
    keys_interrupt_protected: bool = setting(False, flag)
    min_speech_ms: int = setting(0, whole(0, 2000))
    min_words: int = setting(0, whole(0, 20))
    backchannels: bool | tuple[str, ...] = setting(False, known_or_own)
    more_backchannels: tuple[str, ...] = setting((), phrases)
    resume_after_ms: int = setting(0, whole(0, 10_000))

    @property
    def has_rules(self) -> bool:
        """Say whether there is any: then the server neither interrupts nor answers by itself.

        What only says more of another rule is none.
        """
        return evolve(self, keys_interrupt_protected=False, more_backchannels=()) != Speaking()

    @property
    def goes_by_words(self) -> bool:
        """Say whether what the caller says is to be known before it is decided on."""
        return bool(self.min_words or self.backchannels or self.resume_after_ms)

    def backchannels_of(self, languages: tuple[str, ...]) -> tuple[str, ...]:
        """Return what doesn't interrupt an agent of these languages."""
        if not self.backchannels:
            return ()
        own = known_of(languages) if isinstance(self.backchannels, bool) else self.backchannels
        return (*own, *self.more_backchannels)


def about_speaking(
    speaking: Speaking, languages: tuple[str, ...], transcription: str, vad: TurnDetection, at: str
) -> Iterator[str]:
    """Yield what each value alone doesn't show."""
    if speaking.goes_by_words and not transcription:
        names = ("min_words", "backchannels", "resume_after_ms")
        used = next(name for name in names if getattr(speaking, name))
        yield f"[{at}] {used}: it goes by the caller's words; name a transcription_model, or leave it out"
    if speaking.more_backchannels and not speaking.backchannels:
        yield f"[{at}] more_backchannels: they are added to backchannels, which is false; set that to true"
    if speaking.keys_interrupt_protected and not (speaking.protect_greeting or speaking.protected):
        yield f"[{at}] keys_interrupt_protected: nothing is protected; set protect_greeting or protected, or drop it"
    for name in ("min_speech_ms", "min_words"):
        if getattr(speaking, name) and not vad.interrupt_response:
            yield (
                f"[{at}] {name}: it says when callers interrupt, and interrupt_response = false in turn_detection says "
                "that they never do; leave one of them out"
            )
    if speaking.backchannels is True and (unknown := unknown_of(languages)):
        yield (
            f'[{at}] backchannels: none are known of "{unknown[0]}"; write a list: '
            'backchannels = ["mhm", "yes", …]'
        )
    if speaking.has_rules and isinstance(vad, ServerVad) and vad.idle_timeout_ms:
        yield (
            f"[{at}]: with speaking rules the bridge asks for each answer itself, and idle_timeout_ms has the server "
            "do so; set it to 0, and use still_there_seconds"
        )
