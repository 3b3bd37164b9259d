from pathlib import Path

import msgspec
import pytest

from bridge.errors import BridgeError
from replay.conformance.card import Check, Evidence, Finding, JudgedCall, ReportCard
from replay.conformance.card_json import as_json, read_card

LINES = (Evidence("phone", 40, "start"), Evidence("model", 55, "opened"))
CARD = ReportCard(
    bridge="a bridge",
    url="http://127.0.0.1/voice",
    date="2026-01-01T00:00:00+00:00",
    took_seconds=61.5,
    checks=(Check("session-left", "left", "nothing", "by closing it"),),
    calls=(JudgedCall("greeting", "the caller listens", LINES),),
    findings=(Finding("session-left", "greeting", "failed", "still open", *LINES),),
    notes=("the machine was busy",),
)


def test_a_card_that_is_written_is_the_card_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(msgspec.json.encode(as_json(CARD)))
    assert read_card(path) == CARD
    assert msgspec.json.decode(path.read_bytes())["results"] == {"session-left": "failed"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 99, "bridge": "x"}', "\0"])
def test_what_is_no_card_is_refused_with_its_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(BridgeError, match=r"card\.json: no report card"):
        read_card(path)
