"""What a tool asks the bridge for: the call it runs in, and digits that nobody else may see."""

from pathlib import Path
from typing import Annotated

import pytest

from bridge.agents import Agent
from bridge.calls.setup import tools_of
from bridge.errors import ToolError
from bridge.given import Given
from bridge.settings.places import Collect
from bridge.tools import CallInfo, SecretDigits, tool

HEAD = "from bridge.tools import CallInfo, SecretDigits, tool\n\n\n@tool\n"


@tool
def book_table(day: str, call: CallInfo) -> str:
    """Book a table."""
    return f"{day} for {call.caller}"


@tool
def check_pin(digits: SecretDigits, call: CallInfo) -> bool:
    """Look whether a PIN is right."""
    return digits == "4711" and call.caller != ""


def test_the_model_never_sees_what_the_bridge_gives() -> None:
    assert book_table.parameters["properties"].keys() == {"day"}
    assert book_table.parameters["required"] == ["day"]
    assert check_pin.parameters["properties"] == {}


def test_a_model_that_says_who_calls_is_refused() -> None:
    with pytest.raises(Exception, match=r"unknown field `call`; call book_table again with day"):
        book_table.check('{"day": "Friday", "call": {"caller": "+1555"}}')


def test_what_is_asked_for_is_given_by_its_type_and_not_by_its_name() -> None:
    @tool
    def remind(about: CallInfo, call: str) -> str:
        return f"{about.id} {call}"

    info = CallInfo(id="CA1")
    assert remind.given(Given(info)) == {"about": info}
    assert remind.parameters["properties"].keys() == {"call"}


def test_a_tool_may_do_without_when_it_is_called_as_a_function() -> None:
    @tool
    def look_up(day: str, call: CallInfo | None = None) -> str:
        return day if call is None else call.caller

    assert look_up("Friday") == "Friday"
    assert look_up.given(Given(CallInfo(caller="+1555")))["call"].caller == "+1555"
    assert look_up.parameters["properties"].keys() == {"day"}


def test_a_description_on_it_changes_nothing() -> None:
    @tool
    def look_up(call: Annotated[CallInfo, "who calls"]) -> str:
        return call.caller

    assert look_up.parameters["properties"] == {}


def test_a_test_of_a_tool_makes_the_call_itself() -> None:
    assert book_table("Friday", CallInfo(caller="+15550123456")) == "Friday for +15550123456"
    assert check_pin(SecretDigits("4711"), CallInfo(caller="+1555"))


def test_asking_twice_for_the_same_is_refused() -> None:
    def twice(a: CallInfo, b: CallInfo) -> None: ...

    with pytest.raises(ToolError, match="a, b: ask for each of what the bridge gives once"):
        tool(twice)


def test_secret_digits_print_as_nothing() -> None:
    pin = SecretDigits("4711")
    for shown in (repr(pin), str(pin), f"{pin}", f"{pin!r}", f"{Given(digits=pin)}", f"{[pin]}"):
        assert "4711" not in shown
    assert (pin.reveal(), len(pin), pin == "4711", pin == "4712", bool(SecretDigits())) == (
        "4711",
        4,
        True,
        False,
        False,
    )


# ---------------------------------------------------------------- where they may be named


def check_pin_in(folder: Path) -> list[str]:
    (folder / "pin.py").write_text(HEAD + "def check_pin(digits: SecretDigits) -> bool: return True\n")
    return ["pin.py:check_pin"]


def test_a_tool_that_takes_digits_is_the_one_that_the_file_names(tmp_path: Path) -> None:
    names = check_pin_in(tmp_path)
    assert tools_of(Agent(name="a", tools=tuple(names), collect=Collect("check_pin")), tmp_path).keys() == {
        "check_pin"
    }
    with pytest.raises(
        ToolError, match=r"check_pin asks for SecretDigits: name it in \[agents.a.collect\] tool"
    ):
        tools_of(Agent(name="a", tools=tuple(names)), tmp_path)


def test_the_one_that_the_file_names_is_among_its_tools_and_takes_digits(tmp_path: Path) -> None:
    names = check_pin_in(tmp_path)
    with pytest.raises(ToolError, match=r'tool = "check_pim": it has no such tool; did you mean check_pin'):
        tools_of(Agent(name="a", tools=tuple(names), collect=Collect("check_pim")), tmp_path)
    (tmp_path / "other.py").write_text(HEAD + "def other(day: str) -> bool: return True\n")
    with pytest.raises(ToolError, match="give other a parameter digits: SecretDigits"):
        tools_of(Agent(name="a", tools=("other.py:other",), collect=Collect("other")), tmp_path)
