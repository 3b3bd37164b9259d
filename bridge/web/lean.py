"""Loading the daemon without what its libraries load and it never uses: an eighth of its memory and of its start.

It is left out for the time of loading alone: whoever imports it later, a tool for instance, gets it whole.
"""

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType, ModuleType
from typing import Any, Final

ABSENT: Final = ("rich",)
"""As if it were not installed: structlog would load it for tracebacks in colour, and our logs have none."""

UNUSED: Final = (
    "flask.cli", "flask.debughelpers", "flask.templating", "flask.testing",
    "h2", "h2.connection", "h2.events",
    "hypercorn.asyncio", "hypercorn.protocol.h2", "hypercorn.trio.run",
    "jinja2", "jinja2.loaders",
    "quart.cli", "quart.debug", "quart.templating", "quart.testing", "quart_trio.testing",
    "werkzeug.serving", "werkzeug.test",
)  # fmt: skip
"""Templates, HTTP/2, servers and command lines of their own, and what applications are tested with. We have routes,
over HTTP/1.1, on hypercorn's connections."""


class _Unused:
    """Stands for a class or a function that nobody calls; an application may make one and give it a name, and a
    blueprint asks one for its commands."""

    commands: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, *_: Any, **__: Any) -> None:
        pass


class _StandIn(ModuleType):
    """A module in which there is whatever is imported from it."""

    def __getattr__(self, name: str) -> type[_Unused]:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Unused,), {})


@contextmanager
def lean() -> Iterator[None]:
    """Import within: nothing of what is left out, and no garbage collection, now or soon: modules are no garbage.

    What was loaded before stays as it is.
    """
    modules: dict[str, Any] = dict.fromkeys(ABSENT) | {name: _StandIn(name) for name in UNUSED}
    placed = {name: module for name, module in modules.items() if name not in sys.modules}
    gc.disable()
    sys.modules.update(placed)
    try:
        yield
    finally:
        for name, module in placed.items():
            if name in sys.modules and sys.modules[name] is module:
                del sys.modules[name]
        gc.freeze()
        gc.enable()
