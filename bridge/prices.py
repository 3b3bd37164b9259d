"""What tokens and seconds cost: the table of published prices, with the date on which it was read, and what of it one
call is priced by. A file of the same shape may take its place. Values; the one file is read in `read_prices`.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from attrs import evolve, fields, frozen

from bridge.checks import nearest, number, read_table, setting, shown
from bridge.errors import ConfigError

MOST_USD: Final = 100_000
_usd = number(0, MOST_USD)


@frozen
class Price:
    """USD per million tokens of one model."""

    text_in: float = setting(0.0, _usd)
    text_cached: float = setting(0.0, _usd)
    text_out: float = setting(0.0, _usd)
    audio_in: float = setting(0.0, _usd)
    audio_cached: float = setting(0.0, _usd)
    audio_out: float = setting(0.0, _usd)


@frozen
class Prices:
    """What one call is priced by, as it stands in its tape's header: None for a model of which no price was read."""

    read_on: str
    model: Price | None = None
    transcription_per_minute: float | None = None

    def tokens_usd(self, tokens: Mapping[str, int]) -> float | None:
        """Return what these tokens cost; cached ones are part of the input."""
        price = self.model
        if price is None:
            return None
        text_cached, audio_cached = tokens["text_cached"], tokens["audio_cached"]
        total = (
            (tokens["text_in"] - text_cached) * price.text_in
            + text_cached * price.text_cached
            + tokens["text_out"] * price.text_out
            + (tokens["audio_in"] - audio_cached) * price.audio_in
            + audio_cached * price.audio_cached
            + tokens["audio_out"] * price.audio_out
        )
        return round(total / 1_000_000, 6)

    def transcription_usd(self, seconds: float) -> float | None:
        """Return what it costs to write down so many seconds."""
        per_minute = self.transcription_per_minute
        return None if per_minute is None else seconds / 60 * per_minute


@frozen
class PriceTable:
    """The prices that were read on one day."""

    read_on: str
    models: Mapping[str, Price]
    transcription: Mapping[str, float]
    """USD per minute of the caller's audio."""

    def of(self, model: str, transcription_model: str) -> Prices:
        """Return what a call with these models is priced by."""
        return Prices(self.read_on, self.models.get(model), self.transcription.get(transcription_model))


PUBLISHED: Final = PriceTable(
    read_on="2026-11-01",
    models={
        "gpt-realtime-2.1": Price(4, 0.40, 24, 32, 0.40, 64),
        "gpt-realtime-2": Price(4, 0.40, 24, 32, 0.40, 64),
        "gpt-realtime-2.1-mini": Price(0.60, 0.06, 2.40, 10, 0.30, 20),
        "gpt-realtime-1.5": Price(4, 0.40, 16, 32, 0.40, 64),
    },
    transcription={"gpt-transcribe": 0.0045, "gpt-live-transcribe": 0.017},
)
"""As published on the models' own pages; of the other transcription models no price was read."""


# ---------------------------------------------------------------- a table of one's own


def read_prices(path: Path) -> PriceTable:
    """Return the table in a file: what it doesn't name is priced as published. Raises `ConfigError`."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: can't be read: {getattr(error, 'strerror', None) or error}"]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{path}: not valid TOML: {error}"]) from None
    faults: list[str] = []
    table = _table_of(raw, faults)
    if faults:
        raise ConfigError([f"{path}: {fault}" for fault in faults])
    return table


def _table_of(raw: Mapping[str, Any], faults: list[str]) -> PriceTable:
    known = ("read_on", "models", "transcription")
    faults += [f"{key}: unknown key; {nearest(key, known)}" for key in raw if key not in known]
    read_on = raw.get("read_on")
    if type(read_on) is not date:
        faults.append("read_on: write the day on which these prices were read, such as read_on = 2026-11-01")
    return evolve(
        PUBLISHED,
        read_on=str(read_on),
        models={**PUBLISHED.models, **_models(raw.get("models", {}), faults)},
        transcription={**PUBLISHED.transcription, **_minutes(raw.get("transcription", {}), faults)},
    )


def _models(raw: Any, faults: list[str]) -> dict[str, Price]:
    if not isinstance(raw, dict):
        faults.append(f"models = {shown('', raw)}: use a table for each model, written [models.NAME]")
        return {}
    names = [field.name for field in fields(Price)]
    for name, table in raw.items():
        if isinstance(table, dict) and (missing := [key for key in names if key not in table]):
            faults.append(f"[models.{name}] {', '.join(missing)}: missing; USD per million tokens")
    return {name: read_table(Price, table, at=f"models.{name}", faults=faults) for name, table in raw.items()}


def _minutes(raw: Any, faults: list[str]) -> dict[str, float]:
    if not isinstance(raw, dict):
        faults.append(f'transcription = {shown("", raw)}: use a table such as "gpt-transcribe" = 0.0045')
        return {}
    for name, value in raw.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_USD:
            faults.append(f"[transcription] {name} = {shown('', value)}: use USD per minute")
    return {name: value for name, value in raw.items() if isinstance(value, int | float)}
