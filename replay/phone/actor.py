"""The caller at work: walks the steps of a script, one 20 ms tick at a time; `stream` does the acts."""

import attrs

from replay.phone.line import FRAME_BYTES, SILENCE, Line
from replay.phone.menu import MenuTalk
from replay.phone.script import (
    HANGS_UP,
    Act,
    Caller,
    HangUp,
    InterruptAfter,
    Menu,
    Press,
    Say,
    Step,
    Wait,
    WaitForAgent,
    WaitForEnd,
    WaitForQuiet,
    WaitForReturn,
    WaitForStream,
)


@attrs.frozen
class Missed:
    """Something the caller waited for in vain; the script went on without it."""

    step: Step
    at_ms: int


LAST_STEPS = 2
"""Behind their own steps every caller waits for a while, and hangs up."""


@attrs.define
class Actor:
    """One caller on one line. Tick it, do the acts it returns, then send the frame it says."""

    caller: Caller
    line: Line
    missed: list[Missed] = attrs.field(factory=list)
    keys_heard: list[tuple[int, str]] = attrs.field(factory=list)  # when, and which
    menu_path: list[str] = attrs.field(factory=list)  # the levels of menus that were reached
    _upcoming: list[Step] = attrs.field(init=False)
    _step: Step | None = None
    _step_ms: int = 0
    _last_words_ms: int = 0  # since when an answer is expected
    _mouth: bytearray = attrs.field(factory=bytearray, repr=False)
    _menu: MenuTalk | None = None
    _patience: Wait = attrs.field(init=False)
    _is_streaming: bool = True
    _has_streamed: bool = False
    _has_returned: bool = False  # since the present step began

    def __attrs_post_init__(self) -> None:
        self._patience = Wait(self.caller.patience_ms)
        self._upcoming = [*self.caller.steps, self._patience, HangUp()]

    def stream_began(self) -> None:
        """The caller talks to an agent, for the first time or again."""
        self._is_streaming = self._has_streamed = self._has_returned = True

    def stream_ended(self, now_ms: int) -> None:
        """The bridge ended the stream, and not yet the call."""
        self._is_streaming = self._has_returned = False
        if self._step is self._patience:
            self._step_ms = now_ms

    def tick(self, now_ms: int) -> list[Act]:
        """What the caller does now, besides listening and talking."""
        acts: list[Act] = []
        if self._menu is not None:
            self._speak_instead(self._menu.tick(now_ms, is_talking=bool(self._mouth)))
        while self._step is None or self._is_over(self._step, now_ms):
            self._leave(now_ms)
            if not self._upcoming:
                break
            self._enter(self._upcoming.pop(0), now_ms, acts)
        return acts

    @property
    def unreached(self) -> list[Step]:
        """What the caller still meant to say or to press when the call was over."""
        return [step for step in self._upcoming if isinstance(step, Say | Press)]

    @property
    def rest(self) -> tuple[Step, ...]:
        """What the caller still means to do of their own steps: the present one again, unless it is done at once."""
        current = () if self._step is None or isinstance(self._step, Act) else (self._step,)
        return (*current, *self._upcoming)[:-LAST_STEPS]

    def frame(self) -> bytes:
        """The next 160 bytes the caller says; silence when they say nothing."""
        if self._mouth:
            self.line.caller_spoke()
        frame = bytes(self._mouth[:FRAME_BYTES])
        del self._mouth[:FRAME_BYTES]
        return frame.ljust(FRAME_BYTES, SILENCE)

    def hear_key(self, digit: str, now_ms: int) -> None:
        """A key was pressed towards this caller; a menu is moved by it, people hear a beep."""
        self.keys_heard.append((now_ms, digit))
        if self._menu is not None:
            self._speak_instead(self._menu.hear_key(digit))

    def _speak_instead(self, audio: bytes | None) -> None:
        if audio is not None:
            self._mouth[:] = audio

    def _enter(self, step: Step, now_ms: int, acts: list[Act]) -> None:
        self._step, self._step_ms = step, now_ms
        self._has_returned &= not self._is_streaming
        if isinstance(step, Say):
            self._mouth += step.audio
        if isinstance(step, Menu):
            self._menu = MenuTalk(step, self.menu_path)
            self._speak_instead(self._menu.begin())
        if isinstance(step, Act):
            acts.append(step)

    def _leave(self, now_ms: int) -> None:
        # After a quiet spell or a return that was waited for, only new speech counts as the agent being heard.
        if isinstance(self._step, Say | Press | WaitForQuiet | WaitForStream | WaitForReturn):
            self._last_words_ms = now_ms
        if self._menu is not None and self._menu.outcome == HANGS_UP:
            self._upcoming.insert(0, HangUp())
        self._step = self._menu = None

    def _is_over(self, step: Step, now_ms: int) -> bool:
        if isinstance(step, Say):
            return not self._mouth
        if isinstance(step, Wait):
            return now_ms >= self._step_ms + step.ms
        if isinstance(step, Menu):
            return self._menu is not None and self._menu.outcome is not None
        if isinstance(step, WaitForEnd) and not self._is_streaming:
            self._step_ms = now_ms
        if isinstance(step, Act) or self._is_granted(step, now_ms):
            return True
        if now_ms < self._step_ms + step.timeout_ms:
            return False
        self.missed.append(Missed(step, now_ms))
        return True

    def _is_granted(self, step: Step, now_ms: int) -> bool:
        was_heard = self.line.was_heard_since(self._last_words_ms)
        match step:
            case WaitForAgent():
                return was_heard
            case WaitForQuiet():
                return was_heard and self.line.quiet_ms(now_ms) >= step.ms
            case InterruptAfter():
                is_over = step.quiet_ms is not None and self.line.quiet_ms(now_ms) >= step.quiet_ms
                return was_heard and (is_over or self.line.utterance_ms(now_ms) >= step.ms)
            case WaitForStream():
                return self._has_streamed
            case WaitForReturn():
                return self._has_returned
            case WaitForEnd() | _:
                return False  # an ending stops the ticks
