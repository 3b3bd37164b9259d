"""Token counts for response.done: plausible, and the sums hold. It is not a tokenizer."""

from typing import Any

import attrs

from replay.model.conversation import Conversation
from replay.model.wire import Message

INPUT_MS_PER_TOKEN = 100  # the service's own price guide
OUTPUT_MS_PER_TOKEN = 50
_CHARS_PER_TOKEN = 4
_CACHE_BLOCK = 64  # cached tokens were measured to come in blocks of 64, one turn late


@attrs.define
class Meter:
    """Counts one session's tokens; what was sent once is cached the next time."""

    _last_text: int = 0
    _last_audio: int = 0

    def usage(self, conversation: Conversation, instructions: str, spoken_ms: float, words: str) -> Message:
        """The usage of a response that said `spoken_ms` of audio."""
        text, audio = self._context(conversation, instructions)
        cached = _details(min(_blocks(self._last_text), text), min(_blocks(self._last_audio), audio))
        self._last_text, self._last_audio = text, audio
        said, typed = round(spoken_ms / OUTPUT_MS_PER_TOKEN), _tokens(words)
        inputs = {
            **_details(text, audio),
            "cached_tokens": sum(cached.values()),
            "cached_tokens_details": cached,
        }
        return {
            "total_tokens": text + audio + said + typed,
            "input_tokens": text + audio,
            "output_tokens": said + typed,
            "input_token_details": inputs,
            "output_token_details": {"text_tokens": typed, "audio_tokens": said},
        }

    def _context(self, conversation: Conversation, instructions: str) -> tuple[int, int]:
        text, audio_ms = _tokens(instructions), 0.0
        for entry in conversation.entries.values():
            text += _item_tokens(entry.item)
            if entry.item.get("role") == "user":
                audio_ms += entry.audio_ms
        return text, round(audio_ms / INPUT_MS_PER_TOKEN)


def no_usage() -> Message:
    """The usage of a response that never got to speak."""
    inputs = {**_details(0, 0), "cached_tokens": 0, "cached_tokens_details": _details(0, 0)}
    return {
        **dict.fromkeys(("total_tokens", "input_tokens", "output_tokens"), 0),
        "input_token_details": inputs,
        "output_token_details": {"text_tokens": 0, "audio_tokens": 0},
    }


def _details(text: int, audio: int) -> dict[str, Any]:
    return {"text_tokens": text, "audio_tokens": audio, "image_tokens": 0}


def _blocks(tokens: int) -> int:
    return tokens - tokens % _CACHE_BLOCK


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARS_PER_TOKEN)


def _item_tokens(item: Message) -> int:
    parts = item.get("content") or []
    words = "".join(
        part.get("text") or part.get("transcript") or "" for part in parts if part["type"] != "input_audio"
    )
    return _tokens(words + item.get("arguments", "") + item.get("output", ""))
