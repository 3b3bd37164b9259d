"""Verbs in words: `Dial +15550199`. What a peer wrote is cut, and made harmless, where it is printed."""

from replay.phone.instructions.verbs import (
    Connect,
    Dial,
    Enqueue,
    Gather,
    Hangup,
    Leave,
    Pause,
    Play,
    Record,
    Redirect,
    Refer,
    Reject,
    Say,
    Verb,
)


def in_words(verb: Verb) -> str:
    """Return a verb with what matters of it."""
    return f"{type(verb).__name__} {_about(verb)}".rstrip()


def _about(verb: Verb) -> str:
    match verb:
        case Connect(stream):
            return f"Stream {stream.url}"
        case Redirect(url):
            return url
        case Say(text):
            return f'"{text}"'
        case Pause(length_s):
            return f"{length_s} s"
        case Play(url, digits):
            return f"digits {digits}" if digits else url
        case Gather():
            return f"{verb.num_digits} keys" if verb.num_digits else "keys"
        case Record():
            return f"{verb.max_length_s} s at most"
        case Dial():
            return ", ".join(verb.numbers)
        case Enqueue():
            return verb.queue
        case Refer(to=what) | Reject(reason=what):
            return what
        case Hangup() | Leave():
            return ""
