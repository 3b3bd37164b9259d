"""A telephone menu at work: which level it is on, what was typed so far, and what it says next. It plays nothing."""

import attrs

from replay.phone.script import DONE, HANGS_UP, Level, Menu


@attrs.define
class MenuTalk:
    """One walk through a menu. What its methods return is to be said in place of what is being said; None: go on."""

    _menu: Menu
    path: list[str] = attrs.field(factory=list)
    outcome: str | None = None
    _typed: str = ""
    _tries: int = 0
    _quiet_since_ms: int | None = None

    def begin(self) -> bytes:
        """Return the first prompt."""
        return self._enter(self._menu.first)

    def hear_key(self, digit: str) -> bytes | None:
        """Take one key: it ends the prompt, and may lead on."""
        self._typed += digit
        self._quiet_since_ms = None
        keys = self._level.keys
        if self._typed in keys:
            return self._enter(keys[self._typed])
        if any(key.startswith(self._typed) for key in keys):
            return b""
        return self._say_again()

    def tick(self, now_ms: int, *, is_talking: bool) -> bytes | None:
        """Let time pass: after wait_ms without a key the prompt is said again."""
        if is_talking:
            self._quiet_since_ms = None
        elif self._quiet_since_ms is None:
            self._quiet_since_ms = now_ms
        elif now_ms - self._quiet_since_ms >= self._level.wait_ms:
            self._quiet_since_ms = None
            return self._say_again()
        return None

    @property
    def _level(self) -> Level:
        return self._menu.levels[self.path[-1]]

    def _enter(self, name: str) -> bytes:
        self._typed, self._tries = "", 1
        if name in (DONE, HANGS_UP):
            self.outcome = name
            return b""
        self.path.append(name)
        return self._level.prompt.audio

    def _say_again(self) -> bytes:
        self._typed = ""
        self._tries += 1
        if self._tries > self._level.tries:
            self.outcome = HANGS_UP
            return b""
        return self._level.prompt.audio
