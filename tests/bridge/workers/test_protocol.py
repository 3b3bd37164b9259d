"""The word by which a worker knows whether it would understand its supervisor."""

import subprocess
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import make_class

from bridge.calls.messages import Begin, Carry
from bridge.store.messages import SaveTape
from bridge.workers.protocol import OTHER_PROTOCOL, protocol, shapes_of


class Kind(Enum):
    """Something with two values."""

    ONE = 1
    TWO = 2


def a_class(**fields: Any) -> Any:
    """Return a class of ours with these fields."""
    made = make_class("Made", list(fields), frozen=True)
    made.__module__, made.__annotations__ = "bridge.made", fields
    return made


def test_every_process_of_the_same_code_says_the_same_word() -> None:
    code = "from bridge.workers.protocol import protocol; print(protocol())"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == protocol()


def test_the_word_is_of_all_that_a_message_holds() -> None:
    found = shapes_of([Begin, Carry, SaveTape])
    names = {name.rpartition(".")[2] for name in found}
    assert {"Begin", "Settings", "Agent", "Limits", "ServerVad", "Origin", "Header"} <= names


def test_a_field_more_or_of_another_type_or_deeper_down_is_another_shape() -> None:
    shapes = [
        shapes_of([a_class(one=int)]),
        shapes_of([a_class(one=int, two=int)]),
        shapes_of([a_class(one=str)]),
        shapes_of([a_class(one=Mapping[str, a_class(deep=int)])]),
        shapes_of([a_class(one=Kind)]),
    ]
    assert len({tuple(sorted(shape.items())) for shape in shapes}) == len(shapes)


def test_a_worker_that_hears_another_word_ends_before_the_first_message() -> None:
    told = subprocess.run([sys.executable, "-m", "bridge.workers", "7", "0", "another"], check=False)
    assert told.returncode == OTHER_PROTOCOL
