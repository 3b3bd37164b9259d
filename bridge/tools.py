"""Tools: a typed function becomes a JSON Schema and checked arguments; and finding the tools that a file names.

They are run in `calls/tool_runs.py`, and `hang_up` is only described here: the heart carries it out.

    >>> from typing import Annotated
    >>> @tool(timeout_ms=2000)
    ... def book_table(day: Annotated[str, "such as Friday"], people: int = 2) -> str:
    ...     "Book a table."
    ...     return f"booked for {people} on {day}"
    >>> book_table.parameters["properties"]["day"]["description"], book_table.parameters["required"]
    ('such as Friday', ['day'])
    >>> book_table.check('{"day": "Friday"}')
    {'day': 'Friday', 'people': 2}
    >>> book_table("Friday", people=4)
    'booked for 4 on Friday'
"""

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, reduce
from operator import or_
from pathlib import Path
from types import ModuleType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints, overload

import msgspec
from attrs import field, frozen

from bridge.checks import nearest
from bridge.errors import ToolArgumentsError, ToolError, in_words
from bridge.given import GIVEN, CallInfo, Given, IdempotencyKey, Progress, SecretDigits
from bridge.text.validity import valid, valid_json, valid_value
from bridge.tool_rules import NO_RULE, ToolRule

__all__ = [
    "HANG_UP", "CallInfo", "IdempotencyKey", "Progress", "SecretDigits", "Tool", "load_tools", "tool",
]  # fmt: skip

# A caller hears silence, or filler words, while a tool runs; longer than this feels like a lost line.
TIMEOUT_MS: Final = 8000
LONGEST_TIMEOUT_MS: Final = 600_000
MAX_MESSAGE_CHARACTERS: Final = 500
TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What OpenAI takes as a function's name: https://platform.openai.com/docs/api-reference/chat/create"""


@frozen(eq=False)
class Tool:
    """A function that the model may call; it can still be called as the function it was.

    `description` is its docstring, `parameters` a JSON Schema in which nothing is referred to.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    timeout_ms: int
    function: Callable[..., Any]
    is_async: bool
    _arguments: type[msgspec.Struct] = field(repr=False)
    _asked: Mapping[str, Any] = field(factory=dict, repr=False)
    """Parameters that the bridge fills, and the model never sees, by their types."""
    rule: ToolRule = NO_RULE

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself: nothing is checked, bounded or encoded."""
        return self.function(*args, **kwargs)

    @property
    def definition(self) -> dict[str, Any]:
        """The entry of the session's `tools` list."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }

    def check(self, arguments: str) -> dict[str, Any]:
        """Return the function's keyword arguments from their JSON text.

        Raises `ToolArgumentsError`, whose words the model reads to do better the next time.
        """
        try:
            text = valid_json(valid(arguments)).strip()
            checked = msgspec.json.decode(text or "{}", type=self._arguments)
        except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors
            words = str(error)[:MAX_MESSAGE_CHARACTERS]
            raise ToolArgumentsError(f"{words}; {self._usage()}") from None
        return msgspec.structs.asdict(checked)

    @property
    def takes_digits(self) -> bool:
        """Say whether it asks for digits that only it may see."""
        return SecretDigits in self._asked.values()

    def given(self, given: Given) -> dict[str, Any]:
        """Return the keyword arguments that it asks the bridge for."""
        return {name: given.of(kind) for name, kind in self._asked.items()}

    def _usage(self) -> str:
        known, required = self.parameters["properties"], self.parameters["required"]
        words = [name if name in required else f"{name} (optional)" for name in known]
        return f"call {self.name} again with {', '.join(words) or 'no arguments'}"


def rules_of(tools: Iterable[Tool]) -> dict[str, ToolRule]:
    """Return the rules of those tools that have any, by their names."""
    return {tool.name: tool.rule for tool in tools if tool.rule != NO_RULE}


# ---------------------------------------------------------------- declaring


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *, name: str = ..., timeout_ms: int = ..., late: bool = ..., once: bool = ..., cancellable: bool = ...
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str = "",
    timeout_ms: int = TIMEOUT_MS,
    late: bool = False,
    once: bool = False,
    cancellable: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function, sync or async, whose parameters are all typed.

    Types may be str, int, float, bool, list, dict, Literal, Enums, and attrs, dataclass or msgspec classes;
    `Annotated[str, "…"]` describes one to the model. A parameter of type `CallInfo`, `Progress` or `IdempotencyKey` is
    given by the bridge, and not shown to the model. Past `timeout_ms` (1 to 600 000) the model is told that no answer
    came. A str is the answer as it is; anything else goes out as JSON, of 32 KiB at most. What it raises is told to the
    model, and ends no call. A `late` tool's result is told when it comes, and the conversation goes on meanwhile; with
    `once` it runs once a call for the same arguments; a `cancellable` one is cancelled when the caller interrupts or
    the call ends. Raises `ToolError` when the function can't be a tool.
    """
    declare = partial(_declare, name=name, timeout_ms=timeout_ms, rule=ToolRule(late, once, cancellable))
    return declare if function is None else declare(function)


def _declare(function: Callable[..., Any], *, name: str, timeout_ms: int, rule: ToolRule) -> Tool:
    name = name or getattr(function, "__name__", repr(function))
    if not TOOL_NAME.fullmatch(name):
        raise ToolError(f'tool "{name}": use a name of 1 to 64 letters a-z, A-Z, digits, "_" and "-"')
    if not 1 <= timeout_ms <= LONGEST_TIMEOUT_MS:
        raise ToolError(f'tool "{name}": timeout_ms = {timeout_ms}: use 1 to {LONGEST_TIMEOUT_MS}')
    asked = _asked_of(function, name)
    is_async = inspect.iscoroutinefunction(function)
    for wrong in _about_rule(rule, is_async=is_async, is_secret=SecretDigits in asked.values()):
        raise ToolError(f'tool "{name}": {wrong}')
    arguments, parameters = _arguments_of(function, name, without=asked)
    return Tool(
        name=name,
        description=valid(inspect.getdoc(function) or ""),
        parameters=valid_value(parameters),
        timeout_ms=timeout_ms,
        function=function,
        is_async=is_async,
        arguments=arguments,
        asked=asked,
        rule=rule,
    )


def _about_rule(rule: ToolRule, *, is_async: bool, is_secret: bool) -> Iterator[str]:
    """Yield what of a rule can't be kept, and what to write instead."""
    if rule.cancellable and rule.late:
        yield "late and cancellable: a late tool runs while the caller talks, which would cancel it; choose one"
    if rule.cancellable and rule.once:
        yield "once and cancellable: nobody knows how much of it a cancelled run has done; choose one"
    if rule.cancellable and not is_async:
        yield "cancellable: a thread can't be cancelled; write it as async def"
    if is_secret and rule != NO_RULE:
        yield "it asks for SecretDigits, and the caller waits for what comes of them: no late, once or cancellable"


def _asked_of(function: Callable[..., Any], name: str) -> dict[str, Any]:
    """Return the parameters that the bridge fills; what else is wrong with the types is said later."""
    try:
        hints = get_type_hints(function)
    except (NameError, AttributeError, TypeError, SyntaxError):
        return {}
    found = {parameter: kind for parameter, hint in hints.items() if (kind := _given_kind(hint))}
    if len(set(found.values())) < len(found):
        raise ToolError(f'tool "{name}": {", ".join(found)}: ask for each of what the bridge gives once')
    return found


def _given_kind(hint: Any) -> Any:
    """Return which of them a type means: itself, or itself or None, for a function that is called without, too."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] or [hint]
    return next((kind for kind in GIVEN if kinds == [kind]), None)


def _arguments_of(
    function: Callable[..., Any], name: str, *, without: Collection[str]
) -> tuple[type[msgspec.Struct], dict[str, Any]]:
    try:
        fields = [field for field in _fields(function, name) if field[0] not in without]
        struct = msgspec.defstruct(f"{name} arguments", fields, forbid_unknown_fields=True, kw_only=True)
        msgspec.json.Decoder(struct)  # refuses here the types that it could not decode later
        return struct, _parameters(struct)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise ToolError(
            f'tool "{name}": {" ".join(str(error).split())}; use str, int, float, bool, list, dict, '
            "Literal, an Enum, an attrs class, dataclass or msgspec.Struct, known where the function is"
        ) from None


def _fields(function: Callable[..., Any], name: str) -> list[Any]:
    hints = get_type_hints(function, include_extras=True)
    fields: list[Any] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ToolError(f'tool "{name}": {parameter}: name each parameter, without *, ** or /')
        if parameter.name not in hints:
            raise ToolError(
                f'tool "{name}": parameter {parameter.name} has no type; write for example '
                f'{parameter.name}: str, or {parameter.name}: Annotated[str, "what it is"]'
            )
        default = () if parameter.default is parameter.empty else (parameter.default,)
        fields.append((parameter.name, _described(hints[parameter.name]), *default))
    return fields


def _described(hint: Any) -> Any:
    """Return the type with each plain string of an Annotated made a description."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        notes = [msgspec.Meta(description=note) if isinstance(note, str) else note for note in arguments[1:]]
        return reduce(lambda inner, note: Annotated[inner, note], notes, _described(arguments[0]))
    if origin in (Union, UnionType):
        return reduce(or_, map(_described, arguments))
    return hint


def _parameters(struct: type[msgspec.Struct]) -> dict[str, Any]:
    (top,), parts = msgspec.json.schema_components([struct], ref_template="{name}")
    schema = _inline(top, parts, ())
    return {key: schema[key] for key in ("type", "properties", "required", "additionalProperties")}


def _inline(schema: Any, parts: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    """Return the schema with every reference replaced by what it refers to."""
    if isinstance(schema, list):
        return [_inline(each, parts, inside) for each in schema]
    if not isinstance(schema, dict):
        return schema
    own = {key: _inline(value, parts, inside) for key, value in schema.items()}
    if isinstance(own.get("anyOf"), list):  # and not a parameter of that name
        own.pop("discriminator", None)  # says nothing new, by references
    part = own.pop("$ref", None)
    if part is None:
        return own
    if part in inside:
        raise TypeError(f"{part} contains itself, which a tool's parameters can't")
    body = {key: value for key, value in parts[part].items() if key != "title"}
    return {**_inline(body, parts, (*inside, part)), **own}


def _hang_up(reason: Annotated[str, "Why the call is over, in a few words, for the record."]) -> None:
    """End the phone call, once the conversation is finished and nothing is left to do for the caller.

    Say goodbye first, in the same turn: the line closes when your last words were heard.
    """


# Described like any tool, never run: the heart carries it out.
HANG_UP: Final = tool(name="hang_up")(_hang_up).definition

BUILT_IN: Final = ("hang_up", "transfer_call", "send_digits", "collect_digits", "take_message")
"""Names that are taken, whether an agent is offered these tools or not."""


# ---------------------------------------------------------------- loading


def load_tools(names: Iterable[str], folder: Path) -> dict[str, Tool]:
    """Return the tools that a configuration names, by their own names: "module:function" or "file.py:function".

    Files and modules are looked for in `folder` first. Raises `ToolError` for the first that can't be had.
    """
    tools: dict[str, Tool] = {}
    for name in names:
        found = _load(name, folder)
        if found.name in BUILT_IN:
            raise ToolError(f'{name}: "{found.name}" is built in; write @tool(name="...") with another name')
        if found.name in tools:
            raise ToolError(f'{name}: a tool "{found.name}" is already there; name each tool once')
        tools[found.name] = found
    return tools


@contextmanager
def afresh(names: Iterable[str], folder: Path) -> Iterator[None]:
    """Let `load_tools` import the modules of these tools anew; if that fails, those from before are back.

    What these modules import is not imported anew. Calls that go on keep the functions they have.
    """
    targets = {name.rpartition(":")[0] for name in names}
    keys = {_file_key(folder.resolve() / name) if name.endswith(".py") else name for name in targets}
    before = {key: sys.modules.pop(key) for key in keys if key in sys.modules}
    try:
        yield
    except BaseException:
        sys.modules.update(before)
        raise


def _load(name: str, folder: Path) -> Tool:
    target, _, function = name.rpartition(":")
    if not target or not function:
        raise ToolError(f'{name}: write "module:function" or "path/to/file.py:function"')
    if target.endswith(".py") and not (folder / target).is_file():
        raise ToolError(f"{name}: no such file: {folder / target}; its path starts at the configuration file")
    try:
        module = _imported(target, folder.resolve())
        found = getattr(module, function, None)
    except BaseException as error:  # somebody else's code: whatever it raises is its fault
        if isinstance(error, ModuleNotFoundError) and error.name == target:
            raise ToolError(f"{name}: no module {target}, neither in {folder} nor installed") from None
        raise ToolError(f"{name}: {target} can't be imported: {in_words(error)}") from error
    if not isinstance(found, Tool):
        raise ToolError(f'{name}: no tool "{function}" there; {_advice(module, function)}')
    return found


def _advice(module: ModuleType, function: str) -> str:
    tools = [word for word, value in vars(module).items() if isinstance(value, Tool)]
    if function in vars(module) or not tools:
        return f"write @tool above def {function} (from bridge.tools import tool)"
    return nearest(function, tools)


def _imported(target: str, folder: Path) -> ModuleType:
    with _importable(folder):
        return _import_file(folder / target) if target.endswith(".py") else importlib.import_module(target)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    importlib.invalidate_caches()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _file_key(path: Path) -> str:
    """Return a file's module name: its path, so that two agents naming one file share one module."""
    return str(path.resolve())


def _import_file(path: Path) -> ModuleType:
    key = _file_key(path)
    if key in sys.modules:
        return sys.modules[key]
    spec = importlib.util.spec_from_file_location(key, path)
    if spec is None or spec.loader is None:
        raise ToolError("not a Python file")
    module = sys.modules[key] = importlib.util.module_from_spec(spec)  # dataclasses look themselves up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[key]
        raise
    return module
