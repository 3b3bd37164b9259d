"""What composed calls are like: everything about them that can be set, with its default and the reason for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from attrs import Attribute, field, frozen

from replay.vad.compose import material
from replay.vad.compose.material import ComposeError, Piece
from replay.vad.compose.noises import NOISES, Noise
from replay.vad.truth.truth import LONG_PAUSE_MS

Range: TypeAlias = tuple[float, float]
"""The least and the most of what is drawn, every value between as likely as the other."""

Random: TypeAlias = np.random.Generator

LONGEST_PAUSE_MS: Final = 1150
"""Pauses end here, and the agent answers later than that: so no silence is both a pause and the end of a turn."""

EOT_MU, EOT_SIGMA = -2.09, 1.48
"""Fitted to the pauses of at least 200 ms in livekit/eot-bench, English: how long people pause within a turn."""

FEWEST_PAUSES: Final = 20
"""Pauses that a fit needs: with fewer its spread is a guess."""

QUARTILES: Final = 1.349
"""Standard deviations between the quarters of a normal distribution."""


@frozen
class PauseDistribution:
    """How long the pauses in a turn are: 200 ms and a log-normal part in seconds, up to the longest.

    What would be longer is the longest, about one in twelve with the defaults: so the share of pauses beyond any
    shorter mark is as it was fitted, and what is said about silences above `longest_ms` means nothing.
    """

    mu: float = EOT_MU
    sigma: float = EOT_SIGMA
    longest_ms: int = LONGEST_PAUSE_MS

    def __attrs_post_init__(self) -> None:
        if self.sigma < 0 or not LONG_PAUSE_MS <= self.longest_ms <= LONGEST_PAUSE_MS:
            raise ComposeError(
                f"pauses of sigma {self.sigma} up to {self.longest_ms} ms: use a sigma of at least 0, and"
                f" {LONG_PAUSE_MS} to {LONGEST_PAUSE_MS} ms"
            )

    def draw_ms(self, rng: Random) -> int:
        """Return the length of one pause."""
        longer_ms = 1000 * float(np.exp(self.mu + self.sigma * rng.standard_normal()))
        return round(min(LONG_PAUSE_MS + longer_ms, self.longest_ms))


def fit_pauses(pauses_ms: Sequence[float]) -> PauseDistribution:
    """Return the distribution of that form that fits these pauses; those below 200 ms count as none.

    It goes by the quarters, which bear pauses measured in steps of 10 or 32 ms, and turn gaps among them. Raises
    `ComposeError` for too few.
    """
    longer = np.array([pause - LONG_PAUSE_MS for pause in pauses_ms if pause >= LONG_PAUSE_MS]) / 1000
    if len(longer) < FEWEST_PAUSES:
        raise ComposeError(
            f"{len(longer)} pauses of at least {LONG_PAUSE_MS} ms: {FEWEST_PAUSES} or more are needed for a fit"
        )
    quarters = np.log(np.maximum(np.quantile(longer, (0.25, 0.5, 0.75)), 0.001))
    return PauseDistribution(float(quarters[1]), float(quarters[2] - quarters[0]) / QUARTILES)


# ---------------------------------------------------------------- what can be set


def _is_range(least: float, most: float) -> Any:
    def check(recipe: Any, attribute: "Attribute[Any]", value: Range) -> None:
        low, high = value
        if not least <= low <= high <= most:
            raise ComposeError(
                f"{attribute.name} = {low:g} to {high:g}: use two numbers from {least:g} to {most:g},"
                " the lower one first"
            )

    return check


def _is_between(least: float, most: float) -> Any:
    def check(recipe: Any, attribute: "Attribute[Any]", value: float | None) -> None:
        if value is not None and not least <= value <= most:
            raise ComposeError(f"{attribute.name} = {value:g}: use {least:g} to {most:g}")

    return check


def _are_noises(recipe: Any, attribute: "Attribute[Any]", value: tuple[str, ...]) -> None:
    if not value or set(value) - set(NOISES):
        raise ComposeError(f"noises = {', '.join(value) or 'nothing'}: use some of {', '.join(NOISES)}")


@frozen(kw_only=True)
class Recipe:
    """What composed calls are like. Pairs are the least and the most of what is drawn for each call or moment.

    A turn is a short reply, which is one word, or a phrase of several pieces with pauses between them.
    """

    turns: tuple[int, int] = field(default=(5, 11), validator=_is_range(1, 200))
    """The caller's turns in a call; about a minute of call with these."""

    short_share: float = field(default=0.47, validator=_is_between(0, 1))
    """The share of short replies: callers who answer an agent's questions say "yes" about as often as sentences."""

    pieces: tuple[int, int] = field(default=(1, 4), validator=_is_range(1, 20))
    """Pieces of a phrase. The mean of 1.5 pauses is near the 1.76 a turn has in eot-bench, where each has one."""

    pauses: PauseDistribution = PauseDistribution()
    reaction_ms: Range = field(default=(300, 1200), validator=_is_range(0, 60_000))
    """How long the caller takes to answer; people take 200 ms among each other, and longer with a machine."""

    answer_ms: Range = field(default=(1200, 2000), validator=_is_range(LONGEST_PAUSE_MS, 60_000))
    """How long the agent takes: longer than any pause, so that what comes earlier is a turn cut in two."""

    agent_clips: tuple[str, ...] = ("agent_greeting", "agent_checking", "agent_table", "agent_pardon")
    """What the agent says, by the names of clips, the first one first; the short ones, for more turns an hour."""

    level_dbfs: Range = field(default=(-36, -18), validator=_is_range(-60, -9))
    """How loud the caller speaks (RMS while audible): from a hand over the phone to shouting."""

    noises: tuple[Noise, ...] = field(default=("line", "hum", "office", "street"), validator=_are_noises)
    """Noise beds, one of which is drawn for each call."""

    snr_db: Range = field(default=(12, 30), validator=_is_range(-20, 80))
    """How far the bed is below the caller's speech."""

    echo_loss_db: float | None = field(default=40, validator=_is_between(0, 100))
    """How much of the agent is left in the caller's audio; 40 dB is what a handset's canceller does. None: no echo."""

    echo_delay_ms: int = field(default=160, validator=_is_between(0, 2000))
    """How much later: the way to a mobile phone and back."""

    music_seconds: float = field(default=0, validator=_is_between(0, 3000))
    """Hold music before one of the turns, drawn for each call."""

    music_dbfs: Range = field(default=(-32, -24), validator=_is_range(-60, -9))
    """How loud the music is (RMS), as in recordings of it. It matters: a second after a minute of it, Silero with
    policy "carry" finds all of 60 digits at -26 dBFS if the music was at -33, 53 at -30, and 20 at -24."""

    coughs_per_minute: float = field(default=0.5, validator=_is_between(0, 60))
    clicks_per_minute: float = field(default=1, validator=_is_between(0, 60))
    keys_per_minute: float = field(default=0.3, validator=_is_between(0, 60))
    """Keys pressed on the phone: what is left of their tones in the audio."""

    words: Path | None = None
    """A folder of WAV files in place of the digits and short clips: one short reply each, named by its words."""

    phrases: Path | None = None
    """A folder of WAV files in place of the longer clips. Pauses within a file are found, and kept."""

    @classmethod
    def clean(cls, **changes: Any) -> "Recipe":
        """Return a recipe without any noise or echo."""
        quiet = {"noises": ("none",), "echo_loss_db": None}
        rates = {"coughs_per_minute": 0, "clicks_per_minute": 0, "keys_per_minute": 0}
        return cls(**(quiet | rates | changes))

    def short_replies(self) -> tuple[Piece, ...]:
        """Return what short replies are drawn from. Raises `ComposeError`."""
        return material.words() if self.words is None else material.pieces_in(self.words)

    def sentences(self) -> tuple[Piece, ...]:
        """Return what phrases begin with. Raises `ComposeError`."""
        return material.phrases() if self.phrases is None else material.pieces_in(self.phrases)
