"""The spoken phrases of the lab: short clips, ready to be sent down a phone line.

It loads what `replay/sound/voices` holds and makes no sound of its own; `docs/voices.md` says how clips are made.
"""

import functools
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable

import attrs

from bridge.errors import BridgeError
from bridge.heart.audio import ms_of


class UnknownClipError(BridgeError):
    """There is no clip of that name; the message lists the names there are."""


@attrs.frozen
class Clip:
    """One phrase: who says it, the words, and the audio as µ-law bytes (8 kHz mono, whole 20 ms frames)."""

    name: str
    speaker: str
    text: str
    audio: bytes = attrs.field(repr=False)

    @property
    def ms(self) -> int:
        """How long the clip plays, in milliseconds."""
        return ms_of(len(self.audio))


def names() -> tuple[str, ...]:
    """Return every clip's name, in the order of the index."""
    return tuple(_index())


@functools.cache
def clip(name: str) -> Clip:
    """Return the clip of that name; `UnknownClipError` if there is none."""
    entry = _index().get(name)
    if entry is None:
        raise UnknownClipError(f"no clip is called {name!r}: use one of {', '.join(names())}")
    return Clip(name, entry["speaker"], entry["text"], (_voices() / f"{name}.ulaw").read_bytes())


@functools.cache
def clip_saying(text: str) -> Clip | None:
    """Return the clip of these words, whoever says them; None where nobody does."""
    return next((clip(name) for name, entry in _index().items() if entry["text"] == text), None)


@functools.cache
def _index() -> dict[str, dict[str, str]]:
    return tomllib.loads((_voices() / "index.toml").read_text(encoding="utf-8"))


def _voices() -> Traversable:
    return files("replay.sound") / "voices"
