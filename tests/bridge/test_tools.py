"""Tools as they are declared: schemas and checked arguments."""

import enum
import json
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pytest

from bridge.errors import ToolArgumentsError, ToolError
from bridge.tool_rules import ToolRule
from bridge.tools import HANG_UP, SecretDigits, rules_of, tool
from replay.callers import restaurant


class Seat(enum.Enum):
    INSIDE = "inside"
    OUTSIDE = "outside"


@attrs.frozen
class Guest:
    """Somebody who comes."""

    name: str
    age: int = 30


@attrs.frozen
class Tree:
    children: list["Tree"]


@tool
def check_table(
    day: Annotated[str, "Day of the week, e.g. Friday"],
    people: Annotated[int, msgspec.Meta(ge=1, le=12, description="How many come")],
    note: str | None = None,
) -> dict[str, Any]:
    """Look up whether a table is free."""
    return {"free": True, "day": day, "people": people, "note": note}


# ---------------------------------------------------------------- declaring


def test_a_definition_is_flat_and_says_everything_the_model_needs() -> None:
    assert check_table.definition == {
        "type": "function",
        "name": "check_table",
        "description": "Look up whether a table is free.",
        "parameters": {
            "type": "object",
            "properties": {
                "day": {"type": "string", "description": "Day of the week, e.g. Friday"},
                "people": {"type": "integer", "minimum": 1, "maximum": 12, "description": "How many come"},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            },
            "required": ["day", "people"],
            "additionalProperties": False,
        },
    }


def test_a_tool_is_still_the_function_it_was() -> None:
    assert check_table("Friday", people=4)["people"] == 4


def test_name_and_timeout_can_be_given() -> None:
    @tool(name="look-up", timeout_ms=1500)
    def anything() -> str:
        return ""

    assert (anything.name, anything.timeout_ms, anything.description) == ("look-up", 1500, "")
    assert anything.parameters["required"] == []


def test_nested_types_are_written_out_without_references() -> None:
    @tool
    def book(
        first: Annotated[Guest, "Who books"],
        others: list[Guest],
        seat: Seat,
        kind: Literal["lunch", "dinner"],
    ) -> None: ...

    properties = book.parameters["properties"]
    assert "$ref" not in json.dumps(book.parameters)
    assert properties["first"]["description"] == "Who books"
    assert properties["others"]["items"]["properties"]["age"] == {"type": "integer", "default": 30}
    assert properties["seat"] == {"enum": ["inside", "outside"]}
    assert properties["kind"] == {"enum": ["dinner", "lunch"]}


def test_a_tagged_union_is_written_out_without_references() -> None:
    class Cash(msgspec.Struct, tag=True):
        amount: int

    class Card(msgspec.Struct, tag=True):
        number: str

    parameters = tool(name="pay")(_with_hint(Cash | Card)).parameters
    assert sorted(parameters["properties"]["value"]) == ["anyOf"]
    assert {tuple(either["required"]) for either in parameters["properties"]["value"]["anyOf"]} == {
        ("type", "amount"),
        ("type", "number"),
    }


def _with_hint(hint: Any) -> Any:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = hint
    return function


def test_a_plain_string_inside_an_optional_is_a_description_too() -> None:
    made = tool(name="x")(_with_hint(Annotated[str, "a name"] | None))
    assert made.parameters["properties"]["value"]["anyOf"][0] == {"type": "string", "description": "a name"}


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (object, "type <class 'object'> is not supported; use str, int"),
        ("Nowhere", "name 'Nowhere' is not defined; use str, int"),
        (Tree, "Tree contains itself"),
        (str | Seat, "more than one str-like type"),
    ],
)
def test_a_type_that_no_schema_can_say_is_refused_with_what_to_use(hint: Any, words: str) -> None:
    with pytest.raises(ToolError, match='tool "book": ') as caught:
        tool(name="book")(_with_hint(hint))
    assert words in str(caught.value)


def test_an_untyped_parameter_is_refused_with_what_to_write() -> None:
    with pytest.raises(
        ToolError, match=r'tool "look": parameter day has no type; write for example day: str'
    ):

        @tool
        def look(day) -> None: ...  # type: ignore[no-untyped-def]


def test_star_and_positional_parameters_are_refused() -> None:
    def star(*days: str) -> None: ...
    def double_star(**days: str) -> None: ...
    def positional(day: str, /) -> None: ...

    for function in (star, double_star, positional):
        with pytest.raises(ToolError, match="name each parameter"):
            tool(function)


def test_a_bad_name_timeout_or_default_is_refused() -> None:
    def many(days: list[str] = ["Friday"]) -> None: ...  # noqa: B006

    with pytest.raises(ToolError, match="use a name of 1 to 64"):
        tool(name="check table")(lambda: None)
    with pytest.raises(ToolError, match="timeout_ms = 0: use 1 to"):
        tool(timeout_ms=0)(many)
    with pytest.raises(ToolError, match="mutable"):
        tool(many)


def test_hang_up_asks_for_a_reason_and_for_a_goodbye_first() -> None:
    assert HANG_UP["name"] == "hang_up"
    assert HANG_UP["parameters"]["required"] == ["reason"]
    assert "goodbye first" in HANG_UP["description"]


# ---------------------------------------------------------------- arguments


def test_arguments_are_checked_and_completed_by_defaults() -> None:
    checked = check_table.check('{"day": "Friday", "people": 4}')
    assert checked == {"day": "Friday", "people": 4, "note": None}


def test_nested_arguments_arrive_as_what_the_function_was_promised() -> None:
    @tool
    def book(guests: list[Guest], seat: Seat = Seat.INSIDE) -> None: ...

    checked = book.check('{"guests": [{"name": "Ada"}], "seat": "outside"}')
    assert checked == {"guests": [Guest("Ada", 30)], "seat": Seat.OUTSIDE}
    assert book.parameters["properties"]["seat"]["default"] == "inside"


def test_no_arguments_at_all_count_as_an_empty_object() -> None:
    assert restaurant.opening_hours.check('{"day": "Friday"}') == {"day": "Friday"}
    assert tool(name="nothing")(lambda: None).check("") == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"day": "Friday", "people": 13}', "Expected `int` <= 12 - at `$.people`"),
        ('{"day": "Friday", "people": "4"}', "Expected `int`, got `str` - at `$.people`"),
        ('{"day": "Friday"}', "missing required field `people`"),
        ('{"day": "Friday", "people": 4, "when": 1}', "unknown field `when`"),
        ('{"day": "Fri', "truncated"),
        ("[]", "Expected `object`, got `array`"),
        ("", "missing required field"),
        ('{"day": "\ud800"}', "missing required field `people`"),
        ('{"when":' + "[" * 100_000, "; call check_table again"),
    ],
)
def test_wrong_arguments_name_the_fault_and_the_way_out(arguments: str, words: str) -> None:
    with pytest.raises(ToolArgumentsError) as caught:
        check_table.check(arguments)
    assert words in str(caught.value)
    assert str(caught.value).endswith("; call check_table again with day, people, note (optional)")


# ---------------------------------------------------------------- tools that take time


async def waits() -> None: ...


def blocks() -> None: ...


def typed(digits: SecretDigits) -> None: ...


@pytest.mark.parametrize(
    ("function", "rule", "words"),
    [
        (waits, {"late": True, "cancellable": True}, "late and cancellable: .* choose one"),
        (waits, {"once": True, "cancellable": True}, "once and cancellable: .* choose one"),
        (blocks, {"cancellable": True}, "cancellable: .*; write it as async def"),
        (typed, {"late": True}, "it asks for SecretDigits"),
        (typed, {"once": True}, "it asks for SecretDigits"),
    ],
)
def test_a_rule_that_can_not_be_kept_is_refused_with_what_to_write(
    function: Any, rule: dict[str, bool], words: str
) -> None:
    with pytest.raises(ToolError, match=f'tool "{function.__name__}": {words}'):
        tool(**rule)(function)


def test_the_rules_of_tools_are_those_that_have_any() -> None:
    late, plain = tool(late=True, once=True)(blocks), tool(name="plain")(blocks)
    assert rules_of([late, plain]) == {"blocks": ToolRule(late=True, once=True)}
