"""Values in sentences: what is shown can be found in the file."""

import tomllib

import pytest

from bridge.text.in_toml import in_toml


@pytest.mark.parametrize(
    "written",
    ["true", "false", "3", "0.5", "nan", '"it\'s"', "2026-11-28", "07:30:00", "[]", "{}",
     '[true, ["a"], {}]', "{ on = false, names = [\"a\", \"b\"] }"],
)  # fmt: skip
def test_what_is_shown_is_what_is_written(written: str) -> None:
    assert in_toml(tomllib.loads(f"key = {written}")["key"]) == written


def test_what_lies_deep_is_left_out() -> None:
    value: object = 1
    for _ in range(5000):
        value = [value]
    assert in_toml(value) == "[[[[...]]]]"
