"""The bench of a call's page says what it takes, of any tape."""

from pathlib import Path

from bench.call_page import measure

TAPE = Path(__file__).parents[1] / "tapes" / "interrupted.jsonl.gz"


def test_it_says_what_indexing_and_either_way_to_the_page_take() -> None:
    said = list[str]()
    measure(TAPE, said.append)
    assert [line.split("  ")[0] for line in said[1:]] == [
        "indexing beyond the rows", "kept in the database", "page from the database", "page from the tape",
    ]  # fmt: skip
