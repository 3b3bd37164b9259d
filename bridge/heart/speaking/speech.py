"""One time that the caller speaks while the agent does, from the server's word of it until it is decided on. Pure."""

from typing import Final

from attrs import define

LONGEST_MS: Final = 2000
"""Whoever speaks for so long has something to say, whatever it is: words may come only when they have ended."""

ENDLESS_MS: Final = 5000
"""So long after the beginning of a speech whose end is never told it counts, however quiet it was."""

MOST_CHARACTERS: Final = 2000


@define
class Speech:
    """What is known of it."""

    item_id: str
    began: int
    quiet_before_ms: int
    voice_before_ms: int
    """What the meter had counted when it began, without voice and with."""
    ahead_ms: int
    """How long it had lasted when the server told of it."""
    is_over_protected: bool = False
    is_over_the_end: bool = False
    """Whether the agent had nearly finished: then it is an answer."""
    stopped: int | None = None
    voice_ms: int = 0
    """How long it was, once it has stopped: by the clock, or by its frames where they came late and together."""
    is_committed: bool = False
    words: str = ""
    is_written_down: bool = False
    is_waited_for: bool = True
    """Whether its words may still be waited for, once it has stopped."""
    has_counted: bool = False

    def counts_at(self, least_ms: int, quiet_ms: int) -> int:
        """Return when it will have lasted so long, if the voice goes on; the quiet within it is not its."""
        return self.began - self.ahead_ms + least_ms + quiet_ms - self.quiet_before_ms

    def lasted_ms(self, now: int, quiet_ms: int) -> int:
        """Return how long it has lasted, without the quiet within it."""
        return max(0, now - self.began + self.ahead_ms - (quiet_ms - self.quiet_before_ms))

    def add(self, words: str) -> None:
        """Take more words of it."""
        self.words = (self.words + words)[:MOST_CHARACTERS]
