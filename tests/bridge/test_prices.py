"""The dated table of prices: what a call is priced by, and a file that takes its place."""

from pathlib import Path

import pytest
from attrs import evolve

from bridge.errors import ConfigError
from bridge.prices import PUBLISHED, Price, read_prices
from bridge.tapes.header import Header, decode_header, encode_header

OURS = """
read_on = 2027-02-03

[models."gpt-realtime-2.1"]
text_in = 1
text_cached = 0.1
text_out = 2
audio_in = 3
audio_cached = 0.1
audio_out = 5.5

[transcription]
"their-ears" = 0.01
"""


def table(folder: Path, text: str) -> Path:
    path = folder / "prices.toml"
    path.write_text(text)
    return path


def test_a_file_has_a_date_and_what_it_does_not_name_is_priced_as_published(tmp_path: Path) -> None:
    prices = read_prices(table(tmp_path, OURS))
    assert prices.read_on == "2027-02-03"
    assert prices.models["gpt-realtime-2.1"] == Price(1, 0.1, 2, 3, 0.1, 5.5)
    assert prices.models["gpt-realtime-2"] == PUBLISHED.models["gpt-realtime-2"]
    assert prices.transcription == {**PUBLISHED.transcription, "their-ears": 0.01}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "read_on: write the day"),
        ('read_on = "yesterday"', "read_on: write the day"),
        ("read_on = 2027-02-03T10:00:00Z", "read_on: write the day"),
        ("read_on = 2027-02-03\nmodel = 1", "model: unknown key; did you mean models?"),
        ("read_on = 2027-02-03\nmodels = 7", "models = 7: use a table for each model"),
        ("read_on = 2027-02-03\n[models.x]\ntext_in = 1", "text_cached, text_out, audio_in, audio_cached, audio_out"),
        ("read_on = 2027-02-03\n[models.x]\ntext_in = -1", "[models.x] text_in = -1: use a number from 0"),
        ("read_on = 2027-02-03\ntranscription = 7", "transcription = 7: use a table"),
        ("read_on = 2027-02-03\n[transcription]\nx = true", "[transcription] x = true: use USD per minute"),
        ("read_on = ", "not valid TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, fault: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        read_prices(path)
    assert any(one.startswith(f"{path}: ") and fault in one for one in refused.value.faults)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: can't be read"):
        read_prices(tmp_path / "none.toml")


@pytest.mark.parametrize("model", ["gpt-realtime-2.1", "somebody-elses"])
def test_the_prices_of_a_call_stand_in_its_tape_whatever_the_table_says_later(model: str) -> None:
    prices = evolve(PUBLISHED, read_on="2025-01-01").of(model, "gpt-transcribe")
    header = Header(
        call_id="c", call_sid="c", account_sid="", agent="a", started_at="2026-01-01T00:00:00Z", model=model,
        prices=prices,
    )  # fmt: skip
    assert decode_header(encode_header(header)).prices_in_force() == prices


def test_a_tape_without_prices_is_counted_by_the_published_ones() -> None:
    header = Header(
        call_id="c", call_sid="c", account_sid="", agent="a", started_at="2026-01-01T00:00:00Z",
        model="gpt-realtime-2.1",
    )  # fmt: skip
    assert header.prices_in_force() == PUBLISHED.of("gpt-realtime-2.1", "gpt-transcribe")


def test_the_day_of_the_published_prices_stands_in_the_configuration() -> None:
    config = (Path(__file__).parents[2] / "config.toml").read_text(encoding="utf-8")
    (line,) = [line for line in config.splitlines() if line.startswith("prices = ")]
    assert line.endswith(PUBLISHED.read_on)
