"""What docs/leaving-the-line.md shows is a configuration that is right, and its tables name what there is."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from bridge.agents import Agent
from bridge.built_in import built_in_tools
from bridge.calls.setup import tools_of
from bridge.config import parse
from bridge.heart.failure import Cause
from bridge.tools import BUILT_IN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "leaving-the-line.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def agent_of(block: str) -> Agent:
    """Return the agent of a block, in a file that has nothing else."""
    return parse(tomllib.loads(block), ROOT / "config.toml").agents["front-desk"]


def names_in_table(heading: str) -> list[str]:
    """Return what stands in the first column of the table under a heading."""
    (rows,) = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [str(row.split("|")[1].strip().strip("`")) for row in rows.splitlines()]


def test_there_are_blocks_to_look_at() -> None:
    assert len(BLOCKS) > 6


@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_is_a_configuration_that_is_right(block: str) -> None:
    assert agent_of(block) != Agent(name="front-desk")


def test_the_blocks_lead_to_every_tool_that_is_built_in() -> None:
    offered = {tool["name"] for block in BLOCKS for tool in built_in_tools(agent_of(block))}
    assert offered == set(BUILT_IN)
    assert [name for name in BUILT_IN if f"`{name}(" not in PAGE and name != "hang_up"] == []


def test_the_table_of_causes_is_that_of_the_heart() -> None:
    assert names_in_table("cause") == list(get_args(Cause))


def test_the_table_of_steps_has_each_that_a_plan_may_have() -> None:
    shown = [name.strip('"').partition(":")[0] for name in names_in_table("step")]
    assert shown[:6] == ["say", "dial", "voicemail", "queue", "https", "hang_up"]


def test_the_tool_that_is_shown_takes_what_is_typed(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (block,) = [block for block in BLOCKS if "collect" in block]
    (tmp_path / "my_tools.py").write_text(code)
    agent = agent_of(block)
    assert agent.collect is not None
    assert tools_of(agent, tmp_path)[agent.collect.tool].takes_digits
