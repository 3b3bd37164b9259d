from typing import Any

import pytest

from replay.conformance.declared_tools import arguments_for, usable


def tool(name: str = "book", **parameters: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": parameters}


def test_what_ends_a_call_is_not_called() -> None:
    names = (
        "hang_up",
        "end_call",
        "transfer_to_human",
        "say_goodbye",
        "opening_hours",
        "send_summary",
        "book",
    )
    tools = [*map(tool, names), {"type": "mcp", "server_label": "x"}]
    assert [one["name"] for one in usable(tools)] == ["opening_hours", "send_summary", "book"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "x"),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": ["number", "null"]}, 1),
        ({"type": "boolean"}, True),
        ({"enum": ["Friday", "Saturday"]}, "Friday"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, ["x"]),
        ({"type": "array", "items": {"type": "string"}}, []),
        ({"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}, {"day": "x"}),
        ("nonsense", "x"),
    ],
)
def test_arguments_are_such_as_the_schema_allows(schema: Any, value: Any) -> None:
    asked = tool(type="object", properties={"it": schema, "other": {"type": "string"}}, required=["it"])
    assert arguments_for(asked) == {"it": value}


def test_a_schema_that_goes_on_for_ever_has_an_end() -> None:
    deep: dict[str, Any] = {"type": "object", "required": ["it"]}
    deep["properties"] = {"it": deep}
    assert arguments_for({"name": "deep", "parameters": deep})["it"]


@pytest.mark.parametrize("parameters", [None, {}, {"type": "object"}])
def test_a_tool_without_parameters_gets_none(parameters: Any) -> None:
    assert arguments_for({"name": "now", "parameters": parameters}) == {}
