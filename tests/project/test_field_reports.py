"""The page on what went wrong elsewhere can't drift from the tests: every thread is there, with a test that exists."""

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "field-reports.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
ROWS = {line.split("**")[1]: line for line in PAGE.splitlines() if line.startswith("| **")}
THREADS = [str(number) for number in range(1, 81)]
THINGS = [f"T{number}" for number in range(1, 16)]
REPORTS = [f"R{number}" for number in range(1, 38)]
WISHES = [f"A{number}" for number in range(1, 16)]


@cache
def names_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_test_that_the_page_names_exists() -> None:
    missing = [f"{file}::{name}" for file, name in NAMED if name not in names_in(TESTS / file)]
    assert missing == []


def test_every_thread_has_its_row_and_names_a_test() -> None:
    assert list(ROWS) == [*THREADS, *THINGS, *REPORTS, *WISHES]
    assert [number for number, row in ROWS.items() if "::test_" not in row] == []


def test_no_thread_that_is_referred_to_is_missing() -> None:
    referred = re.findall(r"\bsee ((?:\d+(?:, | and )?)+)", PAGE, re.IGNORECASE)
    assert {number for text in referred for number in re.findall(r"\d+", text)} <= set(ROWS)
