"""Keeping the keys that a caller pressed out of what is kept of a call: its tape, and so its records and screens. Pure.

The model and the tools get them as they are. A replay of such a tape presses hidden keys, and makes the same decisions.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from attrs import define, evolve, field

from bridge.heart.effects import AddText, Effect, EndCall, WriteNote
from bridge.heart.keys import HIDDEN, MASKED, hidden, sentence_of
from bridge.tapes.tape import BRIDGE, PHONE, Line
from bridge.wire.twilio import DIGITS

FEWEST: Final = 4
"""Keys of an entry that is looked for in other texts too: a PIN, a card's number. A "1" of a menu is everywhere."""

MOST_ENTRIES: Final = 100
"""That are looked for; a caller who makes more of them has the oldest forgotten."""

BETWEEN: Final = "[ ,.-]{0,2}"
"""What may stand between the digits of a number that is written out for reading."""

IDS: Final = re.compile(r"(.*_)?id|type|event|audio|payload|streamSid", re.IGNORECASE)
"""Fields that hold no words; an id with the same digits in it stays what it was."""

WITH_WORDS: Final = ("text", "tool", "run", "asked", "told", "note", "leave", "end")
"""Fields of a line in which an entry may stand."""

SOUND: Final = "response.output_audio.delta"
_DIGIT: Final = re.compile("[0-9]")


@define
class KeyMask:
    """What the caller of one call has pressed, and every line with it hidden.

    Unless it `is_on`, it hides nothing but what it was told to `hide`.
    """

    is_on: bool = False
    _sentences: list[str] = field(factory=list)
    _entries: list[re.Pattern[str]] = field(factory=list)

    @classmethod
    def of(cls, keys: str) -> "KeyMask":
        """Return the mask for an agent's setting `keys`."""
        return cls(keys == MASKED)

    def learn(self, effect: Effect) -> None:
        """Note what the model is told of: from now on it may come back in any text."""
        if not self.is_on or not isinstance(effect, AddText) or not effect.keys:
            return
        self._sentences = [*self._sentences, effect.keys][-MOST_ENTRIES:]
        self._look_for(effect.keys)

    def hide(self, keys: str) -> None:
        """Look for keys that nobody but one tool was given, whatever the agent's setting says."""
        self._look_for(keys)

    @property
    def _is_looking(self) -> bool:
        return bool(self._sentences or self._entries)

    def _look_for(self, keys: str) -> None:
        digits = _DIGIT.findall(keys)
        if len(digits) >= FEWEST:
            pattern = re.compile(f"(?<![0-9]){BETWEEN.join(digits)}(?![0-9])")
            self._entries = [*self._entries, pattern][-MOST_ENTRIES:]

    def text(self, text: str) -> str:
        """Return a text without any entry."""
        for keys in self._sentences:
            text = text.replace(sentence_of(keys), sentence_of(hidden(keys)))
        for entry in self._entries:
            text = entry.sub(lambda found: _DIGIT.sub(HIDDEN, found[0]), text)
        return text

    def note(self, note: WriteNote) -> WriteNote:
        """Return a note as it may be logged."""
        return evolve(note, data=_mapped(note.data, self.text)) if self._is_looking else note

    def ending(self, end: EndCall) -> EndCall:
        """Return the end of a call as it may be told of."""
        return evolve(end, why=self.text(end.why)) if self._is_looking else end

    def line(self, line: Line) -> Line:
        """Return a line as it may be kept."""
        if line.leg == PHONE:
            return _without_keys(line) if self.is_on and line.sender != BRIDGE else line
        if not self._is_looking:
            return line
        if line.msg:
            return self._message(line)
        kept = {name: _mapped(value, self.text) for name in WITH_WORDS
                if (value := getattr(line, name)) is not None}  # fmt: skip
        return msgspec.structs.replace(line, **kept) if kept else line

    def _message(self, line: Line) -> Line:
        raw = bytes(line.msg) if line.msg else b""
        if SOUND.encode() in raw[:400] or not _DIGIT.search(raw.decode("utf-8", "replace")):
            return line
        message = msgspec.json.decode(raw)
        kept = _mapped(message, self.text)
        if self._entries and isinstance(message, dict) and isinstance(message.get("delta"), str):
            kept["delta"] = _DIGIT.sub(
                HIDDEN, message["delta"]
            )  # a piece of a text: an entry may be cut in two
        return (
            line
            if kept == message
            else msgspec.structs.replace(line, msg=msgspec.Raw(msgspec.json.encode(kept)))
        )


def _without_keys(line: Line) -> Line:
    """Return a message of the phone's without the key that it may tell of, whatever else is wrong with it."""
    raw = bytes(line.msg) if line.msg else (line.text or "").encode()
    if b'"dtmf"' not in raw:
        return line
    if line.text is not None:
        return msgspec.structs.replace(line, text=_DIGIT.sub(HIDDEN, line.text))
    message = msgspec.json.decode(raw)
    told = message.get("dtmf") if isinstance(message, dict) else None
    if not isinstance(told, dict) or "digit" not in told:
        return line
    told["digit"] = _hidden_key(told["digit"]) if isinstance(told["digit"], str) else None
    return msgspec.structs.replace(line, msg=msgspec.Raw(msgspec.json.encode(message)))


def _hidden_key(digit: str) -> str:
    """Return what stands for a key; what is none may not become one, or a replay would hear it pressed."""
    return hidden(digit) if digit in DIGITS else 2 * HIDDEN


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return a protocol's value with its texts changed, but for those that name or number something."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list | tuple):
        return [_mapped(part, change) for part in value]
    if not isinstance(value, dict):
        return value
    return {name: part if IDS.fullmatch(name) else _mapped(part, change) for name, part in value.items()}
