"""What callers, models and tools can say that a column might not hold."""

from pathlib import Path

import pytest
from kept import Folder

WORD = '"transcript":"'


@pytest.mark.parametrize("odd", [r"\u0000", r"\u0007\u001b[2J", r"\uffff\ufeff"])
def test_a_call_in_which_nul_was_said_is_in_the_database(tmp_path: Path, odd: str) -> None:
    folder = Folder(tmp_path / "data")
    folder.put("CAodd", tape="interrupted", **{WORD: f"{WORD}{odd}odd ", '"output":"': f'"output":"{odd}'})
    said = [row["said"] for row in folder.rows("CAodd")["transcript"]]
    assert any("odd " in words for words in said)
    assert len(folder.rows("CAodd")["calls"]) == 1
