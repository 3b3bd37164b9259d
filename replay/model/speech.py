"""Cuts what the stand-in says into deltas: words, audio, function arguments. The response sends them."""

import random
import re
from collections.abc import Iterator
from itertools import chain, pairwise, repeat

import attrs

from bridge.heart.audio import BYTES_PER_MS
from replay.model.script import Delivery, Say

_FRAME_BYTES = 20 * BYTES_PER_MS
_ARGUMENT_CHARS = 12


@attrs.frozen
class Chunk:
    """The words that run ahead of one audio delta, and its bytes (empty when there is no audio)."""

    words: tuple[str, ...]
    audio: bytes

    @property
    def ms(self) -> float:
        """Milliseconds of audio."""
        return len(self.audio) / BYTES_PER_MS


def cut_speech(say: Say, delivery: Delivery, dice: random.Random) -> list[Chunk]:
    """The deltas of one message in order; put together they are exactly its audio and its text."""
    words = split_words(say.text)
    if not say.audio:
        return [Chunk(tuple(words), b"")]
    chunks, at, used = [], 0, 0
    for size in _sizes(delivery, dice):
        end = min(at + size, len(say.audio))
        due = _words_due(len(words), end, len(say.audio), delivery)
        chunks.append(Chunk(tuple(words[used:due]), say.audio[at:end]))
        at, used = end, due
        if at == len(say.audio):
            break
    return chunks


def cut_items(say: Say, count: int) -> list[Say]:
    """One message as several: about the same audio in each, in whole frames, and the words that go with it."""
    words = split_words(say.text)
    frames = -(-len(say.audio) // _FRAME_BYTES)
    count = max(1, min(count, frames))
    cuts = [(at * frames // count * _FRAME_BYTES, at * len(words) // count) for at in range(count + 1)]
    return [
        Say(say.audio[begin:end], "".join(words[first:last]))
        for (begin, first), (end, last) in pairwise(cuts)
    ]


def split_words(text: str) -> list[str]:
    """Text as transcript deltas: each word with the space before it."""
    return re.findall(r"\s*\S+\s*$|\s*\S+|\s+$", text)


def split_arguments(text: str) -> list[str]:
    """A call's arguments as deltas of a few characters."""
    return [text[at : at + _ARGUMENT_CHARS] for at in range(0, len(text), _ARGUMENT_CHARS)]


def _words_due(count: int, end: int, total: int, delivery: Delivery) -> int:
    reach = min(total, end + delivery.words_ahead_ms * BYTES_PER_MS)
    return max(1, round(count * reach / total)) if count else 0


def _sizes(delivery: Delivery, dice: random.Random) -> Iterator[int]:
    match delivery.mode:
        case "single":
            return repeat(1 << 62)
        case "frames":
            return repeat(_FRAME_BYTES)
        case "odd":
            return iter(lambda: dice.randrange(1, 2 * delivery.delta_ms * BYTES_PER_MS, 2), 0)
    return chain([delivery.first_delta_ms * BYTES_PER_MS], repeat(delivery.delta_ms * BYTES_PER_MS))
