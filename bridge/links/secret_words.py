"""Secrets in what a model is told: `$NAME` everywhere but on the wire, where the word of that name stands. Pure."""

import json
from collections.abc import Mapping
from typing import Final

SESSION_UPDATE: Final = '{"type":"session.update"'
LEAST_SECRET: Final = 8
"""Shorter words stand in ordinary text too, and are no secrets."""


def with_words(message: str, words: Mapping[str, str]) -> str:
    """Return a message as it is sent: where a session's setting is `$NAME` and nothing else, the secret stands."""
    if message.startswith(SESSION_UPDATE):
        for name, word in words.items():
            message = message.replace(f'"${name}"', json.dumps(word))
    return message


def without_words(message: str, words: Mapping[str, str]) -> str:
    """Return a message as anybody may read it: a server may well repeat what it was given."""
    for name, word in words.items():
        if len(word) >= LEAST_SECRET and (told := json.dumps(word)[1:-1]) in message:
            message = message.replace(told, f"${name}")
    return message
