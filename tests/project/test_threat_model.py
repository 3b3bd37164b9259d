"""The page on threats can't drift from the tests: every test it names is there, and every threat names one."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "threat-model.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
ROWS = [line for line in PAGE.splitlines() if line.startswith("| **")]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_page_names_exists() -> None:
    missing = [f"{file}::{name}" for file, name in NAMED if name not in names_in(TESTS / file)]
    assert missing == []


def test_every_threat_names_a_test() -> None:
    assert len(ROWS) >= 15
    assert [row.split("|")[1] for row in ROWS if "::test_" not in row] == []


def test_the_page_names_every_limit_that_is_there_for_its_sake() -> None:
    limits = ("max_calls", "calls_at_once", "waiting_calls", "calls_per_caller", "max_connections",
              "sockets_per_address", "tool_calls_per_call", "account_sid")  # fmt: skip
    assert [limit for limit in limits if limit not in PAGE] == []
