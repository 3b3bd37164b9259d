"""Loading the daemon without what its libraries load and it never uses: an eighth of its memory and of its start.

It is left out for the time of loading alone: whoever imports it later, a tool for instance, gets it whole.
"""

import gc
import linecache
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType, ModuleType
from typing import Any, Final

ABSENT: Final = ("greenlet", "rich")
"""As if they were not installed: structlog would load them for threads that are none, and for tracebacks in colour."""

UNUSED: Final = (
    "flask.cli", "flask.debughelpers", "flask.templating", "flask.testing",
    "h2", "h2.connection", "h2.events",
    "http.cookiejar",
    "hypercorn.asyncio", "hypercorn.protocol.h2", "hypercorn.trio.run",
    "jinja2", "jinja2.loaders",
    "logging.config",
    "multiprocessing", "multiprocessing.synchronize",
    "quart.cli", "quart.debug", "quart.templating", "quart.testing", "quart_trio.testing",
    "werkzeug.serving", "werkzeug.test",
)  # fmt: skip
"""Templates, HTTP/2, servers and command lines of their own, and what applications are tested with. We have routes,
over HTTP/1.1, on hypercorn's connections. Of the standard library: a client's cookies and hypercorn's own processes,
of which nothing but names of types is wanted, and logging by a file."""


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
        linecache.clearcache()  # attrs keeps the text of each method that it writes: a megabyte
        gc.freeze()
        gc.enable()
