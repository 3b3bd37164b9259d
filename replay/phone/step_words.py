"""The steps of whoever is on a telephone as TOML has them: a word, or a table of a word with its value. It reads, and
says what is wrong and what to write."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from bridge.checks import Wrong, nearest, shown, whole
from replay.phone.script import (
    DropSocket,
    GoSilent,
    HangUp,
    InterruptAfter,
    Level,
    LoseStream,
    Menu,
    Press,
    Say,
    Step,
    StopReading,
    Wait,
    WaitForAgent,
    WaitForEnd,
    WaitForQuiet,
    WaitForReturn,
    WaitForStream,
)
from replay.sound import clips
from replay.sound.formats import murmur
from replay.sound.sound_files import SoundError, read_voice
from replay.sound.tones import beep

MAX_STEPS = 1000
KEYS = "0123456789*#ABCD"
WAIT_MS = whole(0, 600_000)
MS_PER_CHARACTER = 60
BEEP = Say(beep(), "beep")

Maker: TypeAlias = Callable[[Any, Path, int | None], tuple[Step, ...]]


def steps_of(
    value: Any,
    folder: Path,
    faults: list[str],
    *,
    at: str = "steps",
    menus: Mapping[str, Level] | None = None,
) -> tuple[Step, ...]:
    """Return the steps of a list, adding one sentence to `faults` for each that can't be read. `at` is where it is."""
    if not isinstance(value, list) or len(value) > MAX_STEPS:
        faults.append(
            f'{at}: use a list of at most {MAX_STEPS} steps, for example ["wait_for_agent", "hang_up"]'
        )
        return ()
    steps: list[Step] = []
    for place, raw in enumerate(value, 1):
        try:
            steps += _step(raw, folder, menus or {})
        except Wrong as wrong:
            faults.append(f"{at}, number {place}: {wrong}")
    return tuple(steps)


def _step(raw: Any, folder: Path, menus: Mapping[str, Level]) -> tuple[Step, ...]:
    """The steps one entry stands for: a word, or a table of a word with its value."""
    table = {raw: True} if isinstance(raw, str) else raw
    if not isinstance(table, dict) or not table:
        raise Wrong(f'{shown("", raw)}: use a word like "hang_up", or a table like {{ wait_ms = 500 }}')
    words = [word for word in table if word != "timeout_ms"]
    unknown = [word for word in words if word not in (*STEPS, MENU)]
    if unknown:
        raise Wrong(f"{unknown[0]}: unknown step; {nearest(unknown[0], (*STEPS, MENU))}")
    if len(words) != 1:
        raise Wrong(f"{', '.join(words) or 'timeout_ms alone'}: use one step a table")
    word, timeout_ms = words[0], table.get("timeout_ms")
    if timeout_ms is not None:
        _check_timeout(word, timeout_ms)
    if word == MENU:
        return (menu_of(table[word], menus),)
    try:
        return STEPS[word](table[word], folder, timeout_ms)
    except Wrong as wrong:
        raise Wrong(f"{word} = {shown(word, table[word])}: use {wrong}") from None


def _check_timeout(word: str, value: Any) -> None:
    if word not in WISHES:
        raise Wrong(f"timeout_ms beside {word}: only these wait for something: {', '.join(sorted(WISHES))}")
    try:
        WAIT_MS(value)
    except Wrong as wrong:
        raise Wrong(f"timeout_ms = {shown('timeout_ms', value)}: use {wrong}") from None


def menu_of(value: Any, menus: Mapping[str, Level]) -> Menu:
    """Return the menu that begins at the level of that name."""
    if value not in menus:
        raise Wrong(
            f"menu = {shown('menu', value)}: use the name of a table [menus.NAME]; {nearest(str(value), menus)}"
        )
    return Menu(menus, str(value))


def say_of(value: Any, folder: Path) -> Say:
    """Return what is to be said: a clip, a sound file, or words with a length, which are murmured."""
    if isinstance(value, dict):
        return _murmured(value)
    if not isinstance(value, str) or not value:
        raise Wrong(f"a clip ({', '.join(_caller_clips())}), or the path of a .ulaw or an 8 kHz .wav file")
    if not value.lower().endswith((".ulaw", ".wav")):
        if value not in clips.names():
            raise Wrong(
                f"a clip ({nearest(value, clips.names())}), or the path of a .ulaw or an 8 kHz .wav file"
            )
        return Say(clips.clip(value).audio, clips.clip(value).text)
    try:
        return Say(read_voice(folder / value), value)
    except SoundError as error:
        raise Wrong(f"a file that can be said; {error}") from None
    except ValueError:  # a NUL in the name
        raise Wrong("a path") from None


def _murmured(value: dict[str, Any]) -> Say:
    words = value.get("text")
    ms = value.get("ms", MS_PER_CHARACTER * len(words) if isinstance(words, str) else 0)
    if set(value) - {"text", "ms"} or not isinstance(words, str) or not words:
        raise Wrong('a clip, a sound file, or { text = "Press 1 for a table.", ms = 2500 }')
    return Say(murmur(WAIT_MS(ms) // 20 * 20), words)


def _say(value: Any, folder: Path, _timeout_ms: int | None) -> tuple[Step, ...]:
    return (say_of(value, folder),)


def _caller_clips() -> list[str]:
    return [name for name in clips.names() if clips.clip(name).speaker == "caller"]


def _press(value: Any, _folder: Path, _timeout_ms: int | None) -> tuple[Step, ...]:
    if not isinstance(value, str) or not 0 < len(value) <= 32 or not set(value) <= set(KEYS):
        raise Wrong(f'up to 32 keys out of {KEYS}, as a string, for example "12#"')
    pause = Wait(120)  # a finger needs a moment between two keys
    return tuple(step for digit in value for step in (Press(digit), pause))


def _plain(step: Step) -> Maker:
    def make(value: Any, _folder: Path, _timeout_ms: int | None) -> tuple[Step, ...]:
        if value is not True:
            raise Wrong("the word alone, or = true")
        return (step,)

    return make


def _patient(make_step: Callable[[int], Step], default_ms: int) -> Maker:
    """A step without a value that may have a time-out."""

    def make(value: Any, folder: Path, timeout_ms: int | None) -> tuple[Step, ...]:
        return _plain(make_step(default_ms if timeout_ms is None else timeout_ms))(value, folder, None)

    return make


def _timed(make_step: Callable[[int, int], Step]) -> Maker:
    """A step with a length in ms and a time-out."""

    def make(value: Any, _folder: Path, timeout_ms: int | None) -> tuple[Step, ...]:
        return (make_step(WAIT_MS(value), 20_000 if timeout_ms is None else timeout_ms),)

    return make


STEPS: dict[str, Maker] = {
    "say": _say,
    "press": _press,
    "wait_ms": lambda value, _folder, _timeout_ms: (Wait(WAIT_MS(value)),),
    "wait_for_agent": _patient(WaitForAgent, 15_000),
    "wait_for_quiet_ms": _timed(WaitForQuiet),
    "interrupt_after_ms": _timed(InterruptAfter),
    "wait_for_end": _patient(WaitForEnd, 15_000),
    "wait_for_stream": _patient(WaitForStream, 60_000),
    "wait_for_return": _patient(WaitForReturn, 60_000),
    "beep": _plain(BEEP),
    "hang_up": _plain(HangUp()),
    "drop_socket": _plain(DropSocket()),
    "lose_stream": _plain(LoseStream()),
    "stop_reading": _plain(StopReading()),
    "go_silent": _plain(GoSilent()),
}
WISHES = frozenset(
    {
        "wait_for_agent",
        "wait_for_quiet_ms",
        "interrupt_after_ms",
        "wait_for_end",
        "wait_for_stream",
        "wait_for_return",
    }
)
MENU = "menu"
