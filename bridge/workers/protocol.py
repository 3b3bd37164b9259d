"""What processes of ours tell each other, in one word: two that have the same understand each other.

A worker may be started from code that is newer than its supervisor. Its messages are objects, so before the first of
them is read both ends must know the same classes with the same fields.
"""

from collections.abc import Iterable
from enum import Enum
from hashlib import sha256
from typing import Any, Final, get_args, get_type_hints

from bridge.calls import messages
from bridge.config import Secrets, Settings
from bridge.store import messages as store_messages
from bridge.store.records import Records
from bridge.tapes.header import Header
from bridge.tapes.late import Late, Mark

MEANING: Final = 1
"""To be raised when a message looks as before and means something else."""

FOR_TYPES_ALONE: Final = {kind.__name__: kind for kind in (Header, Late, Mark, Records, Secrets, Settings)}
"""What modules of messages name and do not load."""

OTHER_PROTOCOL: Final = 76
"""What a worker exits with that would not understand its supervisor; `EX_PROTOCOL` of sysexits.h."""


def protocol() -> str:
    """Return the word of this code: of every class that a message is or holds, down to the settings of an agent."""
    shapes = shapes_of([*vars(messages).values(), *vars(store_messages).values()])
    text = "\n".join(f"{name} {shape}" for name, shape in sorted(shapes.items()))
    return sha256(f"{MEANING}\n{text}".encode()).hexdigest()[:16]


def shapes_of(kinds: Iterable[Any]) -> dict[str, str]:
    """Return the fields of these classes, and of all that they hold, by their names."""
    shapes: dict[str, str] = {}
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        name = f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"
        if not isinstance(kind, type) or name in shapes:
            continue
        if issubclass(kind, Enum):
            shapes[name] = ", ".join(f"{one.name} = {one.value!r}" for one in kind)
        elif name.startswith("bridge."):
            hints = get_type_hints(kind, localns=FOR_TYPES_ALONE)
            shapes[name] = ", ".join(f"{field}: {hint}" for field, hint in hints.items())
            waiting += hints.values()
    return shapes
