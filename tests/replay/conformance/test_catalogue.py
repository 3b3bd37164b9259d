from pathlib import Path

from replay.conformance.catalogue import AS_TOLD, CHECKS

PAGE = (Path(__file__).parents[3] / "docs" / "judge.md").read_text(encoding="utf-8")


def test_each_check_stands_on_the_page_as_it_is() -> None:
    rows = [f"| `{check.name}` | {check.title} | {check.caller_notices} |" for check in CHECKS]
    assert [row for row in rows if row not in PAGE] == []


def test_each_check_has_a_name_of_its_own() -> None:
    names = [check.name for check in (*CHECKS, AS_TOLD)]
    assert len(set(names)) == len(names)
