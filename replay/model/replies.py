"""Replies as a scenario file writes them, read into what the stand-in says; it plays nothing.

A reply is a step or a list of steps, or `{ one_of = [...] }` with several replies that take turns.
"""

import random
from pathlib import Path
from typing import Any, Final

import attrs

from bridge.checks import Wrong, nearest, shown, text, whole
from bridge.heart.audio import BYTES_PER_MS, bytes_of
from bridge.sound.g711 import ulaw_of
from bridge.sound.wave_file import WaveError, read_wave
from replay.model.script import CallTool, Reply, ReplyItem, Say
from replay.sound.clips import clip, names
from replay.sound.formats import murmur

LONGEST_MS: Final = 600_000
MS_PER_CHARACTER: Final = 65
"""Unhurried speech, for words that come without sound and without a length."""

STEP: Final = (
    'a clip such as "agent_greeting", { say = "hello.wav", text = "Hello." }, '
    '{ text = "Hello.", ms = 900 } or { call = "check_table", arguments = { day = "Friday" } }'
)
KEYS: Final = {"say": ("say", "text"), "call": ("call", "arguments"), "text": ("text", "ms")}
WEIGHT: Final = whole(1, 1000)


@attrs.frozen
class Choices:
    """Replies of which one is used in each session; a weight of 1 among 5 is exactly 1 of every 5 sessions."""

    place: str
    """Where in the file, so that two places do not draw alike."""
    replies: tuple[Reply, ...]
    weights: tuple[int, ...]

    def pick(self, show: int, seed: int) -> Reply:
        """The reply of a model's session number `show`, counted from 1."""
        return self.replies[draw(self.weights, show, f"{seed}/{self.place}")]


def draw(weights: tuple[int, ...], show: int, seed: str) -> int:
    """The index drawn in round `show`: a deck with each index `weight` times, shuffled anew when used up."""
    deck = [index for index, weight in enumerate(weights) for _ in range(weight)]
    dealt, at = divmod(show - 1, len(deck))
    random.Random(f"{seed}/{dealt}").shuffle(deck)
    return deck[at]


@attrs.define
class Reader:
    """Reads replies; every fault adds one sentence to `faults`, and reading goes on."""

    _folder: Path
    """Where relative paths start."""
    faults: list[str]

    def choices(self, raw: Any, at: str) -> Choices:
        """A reply, or several to choose from."""
        if not isinstance(raw, dict) or "one_of" not in raw:
            return Choices(at, (self._reply(raw, at),), (1,))
        if len(raw) > 1 or not isinstance(raw["one_of"], list) or not raw["one_of"]:
            self.wrong(at, raw, "{ one_of = [ { weight = 4, reply = [...] }, { reply = [...] } ] }")
            return Choices(at, ((),), (1,))
        options = [
            self._option(option, f"{at}.one_of[{index}]") for index, option in enumerate(raw["one_of"])
        ]
        return Choices(at, tuple(reply for reply, _ in options), tuple(weight for _, weight in options))

    def list_of_choices(self, raw: Any, at: str) -> tuple[Choices, ...]:
        """One reply after the other."""
        if not isinstance(raw, list):
            self.wrong(at, raw, f'a list of replies, such as {at.split()[-1]} = [ ["agent_hours"] ]')
            return ()
        return tuple(self.choices(reply, f"{at}[{index}]") for index, reply in enumerate(raw))

    def wrong(self, at: str, raw: Any, use: object) -> None:
        """Note a fault: where, what was found, what to write."""
        self.faults.append(f"{at} = {shown('', raw)}: use {use}")

    def _option(self, raw: Any, at: str) -> tuple[Reply, int]:
        if not isinstance(raw, dict) or "reply" not in raw or set(raw) - {"reply", "weight"}:
            self.wrong(at, raw, "{ weight = 4, reply = [...] }")
            return (), 1
        weight = raw.get("weight", 1)
        try:
            return self._reply(raw["reply"], f"{at}.reply"), WEIGHT(weight)
        except Wrong as wrong:
            self.wrong(f"{at}.weight", weight, wrong)
            return (), 1

    def _reply(self, raw: Any, at: str) -> Reply:
        steps = raw if isinstance(raw, list) else [raw]
        read = (
            self._step(step, f"{at}[{index}]" if raw is steps else at) for index, step in enumerate(steps)
        )
        return tuple(step for step in read if step is not None)

    def _step(self, raw: Any, at: str) -> ReplyItem | None:
        step = {"say": raw} if isinstance(raw, str) else raw
        kind = next((key for key in KEYS if key in step), None) if isinstance(step, dict) else None
        if kind is None:
            self.wrong(at, raw, STEP)
            return None
        for key in step:
            if key not in KEYS[kind]:
                self.faults.append(f"{at}.{key}: unknown key; {nearest(key, KEYS[kind])}")
                return None
        try:
            return self._read(kind, step)
        except Wrong as wrong:
            self.wrong(at, raw, wrong)
            return None

    def _read(self, kind: str, step: dict[str, Any]) -> ReplyItem:
        match kind:
            case "say":
                return self._say(step)
            case "call":
                return _call(step)
        return _typed(step)

    def _say(self, raw: dict[str, Any]) -> Say:
        name = text("the name of a clip, or of a .wav or .ulaw file")(raw["say"])
        words = text("the words that are spoken", empty=True)(raw.get("text", ""))
        if name.endswith((".wav", ".ulaw")):
            return Say(_sound(self._folder / name), words)
        if name not in names():
            raise Wrong(f"a clip or the path of a .wav or .ulaw file; {nearest(name, names())}")
        return Say(clip(name).audio, words or clip(name).text)


def _call(raw: dict[str, Any]) -> CallTool:
    arguments = raw.get("arguments", {})
    if not isinstance(arguments, dict | str):
        raise Wrong("arguments as a table, or as a string that is sent as it is")
    return CallTool(text("the name of a tool")(raw["call"]), arguments)


def _typed(raw: dict[str, Any]) -> Say:
    words = text("the words that are spoken")(raw["text"])
    ms = whole(1, LONGEST_MS)(raw.get("ms", min(LONGEST_MS, MS_PER_CHARACTER * len(words))))
    return Say(murmur(ms), words)


def _sound(path: Path) -> bytes:
    """Return a file's audio as µ-law."""
    try:
        if path.stat().st_size > 2 * bytes_of(LONGEST_MS) + 4096:
            raise Wrong(f"a file of at most {LONGEST_MS // 60_000} minutes")
        return path.read_bytes() if path.suffix == ".ulaw" else _read_wav(path)
    except OSError as error:
        raise Wrong(f"a file that can be read ({path}: {error.strerror})") from None


def _read_wav(path: Path) -> bytes:
    try:
        return ulaw_of(read_wave(path, channels=1, rate=1000 * BYTES_PER_MS).channels[0])
    except WaveError as error:
        raise Wrong(f"a WAV file, mono, 8000 Hz: {error}") from None
