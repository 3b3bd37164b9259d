"""What an agent's session with the model may have beyond what the bridge asks for by itself: values, checked once.

`[agents.NAME.session]` is sent as it stands, so that a field that is published tomorrow works today. What is known of
the fields is for hints; what calls stand on can't be overridden.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any, Final

from attrs import frozen

from bridge.checks import (
    Wrong,
    choice,
    headers,
    names_of,
    nearest,
    number,
    read_table,
    secret_word,
    setting,
    shown,
    text,
    whole,
)
from bridge.text.validity import is_harmless

READ_ON: Final = "2026-11"
"""When the published fields were read: https://developers.openai.com/api/reference, and the types of openai 3.54."""

PUBLISHED: Final = frozenset(
    f"{group}{name}"
    for group, names in {
        "": "include instructions max_output_tokens model output_modalities parallel_tool_calls tool_choice tools type",
        "audio.input.format.": "type rate",
        "audio.input.noise_reduction.": "type strength",
        "audio.input.transcription.": "delay keywords language languages model prompt",
        "audio.input.turn_detection.": "type threshold prefix_padding_ms silence_duration_ms idle_timeout_ms eagerness "
        "create_response interrupt_response",
        "audio.output.": "speed voice",
        "audio.output.format.": "type rate",
        "prompt.": "id version variables",
        "reasoning.": "effort",
        "tracing.": "workflow_name group_id metadata",
        "truncation.": "type retention_ratio token_limits",
        "truncation.token_limits.": "post_instructions",
    }.items()
    for name in names.split()
)
"""Every field of a session that has a name of its own, by its path."""

OWN: Final[Mapping[str, str]] = {
    "type": "a call is a realtime session",
    "model": "it is [realtime] model",
    "output_modalities": "callers can only hear",
    "instructions": "write the agent's instructions, in which {date} and the like are filled",
    "audio.input.format": "both legs speak 8 kHz mu-law",
    "audio.output.format": "both legs speak 8 kHz mu-law",
    "audio.input.transcription.model": "write the agent's transcription_model",
    "audio.input.turn_detection.type": "write it in the agent's turn_detection",
    "audio.input.turn_detection.create_response": "write it in the agent's turn_detection",
    "audio.input.turn_detection.interrupt_response": "write it in the agent's turn_detection",
    "audio.input.turn_detection.idle_timeout_ms": "write it in the agent's turn_detection",
    "tools": "write the agent's tools, and its mcp servers",
}
"""What the bridge decides by, and where it is set."""

HOLDERS: Final = frozenset(path[: dot.start()] for path in OWN for dot in re.finditer(r"\.", path))
"""Tables with such a field in them: they are merged field by field, and nothing else can stand in their place."""

SECRET: Final = re.compile(r"authorization|headers|.*(api_?key|secret|password|token)", re.IGNORECASE)
KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_FIELDS: Final = 200
MOST_CHARACTERS: Final = 20_000
DEEPEST: Final = 8
WHOLE: Final = 2**53
"""Beyond it JSON's numbers are not exact."""

LABEL: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
SERVER_URL: Final = re.compile(r"https://[^\s?#@\x00-\x1f\x7f]{1,2000}")
MOST_SERVERS: Final = 20
EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh")
IDLE_MS: Final = (5_000, 30_000)
MOST_KEYWORDS: Final = 100
MOST_METADATA: Final = 16


@frozen
class Context:
    """How much of a long conversation the model is given; what is left out is the server's own way."""

    truncation: str = setting("", choice("", "auto", "disabled"))
    retention_ratio: float = setting(0.0, number(0.0, 1.0))
    most_tokens: int = setting(0, whole(0, 1_000_000))


def about_context(context: Context, at: str) -> Iterator[str]:
    """Yield what its values don't show one by one."""
    if context.truncation and context.retention_ratio:
        yield f'[{at}] truncation = "{context.truncation}": leave it out, or retention_ratio: it is another way'
    if context.most_tokens and not context.retention_ratio:
        yield f"[{at}] most_tokens: set retention_ratio too, such as 0.8: how much of them stays when they are full"


def idle_timeout(value: Any) -> int:
    """Accept what the service takes for it, or 0: never."""
    low, high = IDLE_MS
    if value == 0 and not isinstance(value, bool):
        return 0
    try:
        return int(whole(low, high)(value))
    except Wrong as wrong:
        raise Wrong(f"{wrong}, or 0") from None


def keywords(value: Any) -> tuple[str, ...]:
    """Accept words that a transcription is to listen for."""
    usable = isinstance(value, list | tuple) and all(
        isinstance(word, str) and 0 < len(word) <= 100 for word in value
    )
    if not usable or len(value) > MOST_KEYWORDS:
        raise Wrong(f'a list of up to {MOST_KEYWORDS} words or names, such as ["Harbour Table"]')
    return tuple(value)


def tracing(value: Any) -> Any:
    """Accept what OpenAI is to keep of a session for its own dashboard: nothing, "auto", or under which names."""
    if value in ("", "auto"):
        return str(value)
    if not isinstance(value, dict) or not value.keys() <= {"workflow_name", "group_id", "metadata"}:
        raise Wrong('"auto", or a table with workflow_name, group_id and metadata')
    metadata = value.get("metadata", {})
    names = [word for key, word in value.items() if key != "metadata"]
    if not isinstance(metadata, dict) or not all(
        isinstance(word, str) for word in (*names, *metadata.values())
    ):
        raise Wrong("text for its names and its metadata")
    if len(metadata) > MOST_METADATA:
        raise Wrong(f"at most {MOST_METADATA} words of metadata")
    if not all(is_harmless(word) for word in (*names, *metadata, *metadata.values())):
        raise Wrong("text without control characters")
    return value


# ---------------------------------------------------------------- MCP servers


def _server_url(value: Any) -> str:
    """Accept where an MCP server is, byte for byte: some of them mind a slash at the end."""
    if value != "" and not (isinstance(value, str) and SERVER_URL.fullmatch(value)):
        raise Wrong('an https address without a query, such as "https://mcp.example.com/mcp"')
    return str(value)


def _approval(value: Any) -> Any:
    """Accept which uses of a server's tools are asked for."""
    if value in ("never", "always"):
        return str(value)
    lists = value.values() if isinstance(value, dict) and value.keys() <= {"never", "always"} else [None]
    if not value or not all(
        isinstance(names, list) and all(_is_name(name) for name in names) for names in lists
    ):
        raise Wrong(
            '"never", "always", or a table of lists such as { always = ["refund"], never = ["look_up"] }'
        )
    return value


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and is_harmless(value)


@frozen
class McpServer:
    """A server whose tools the model's service calls by itself; only what is asked for comes by the bridge."""

    server_url: str = setting("", _server_url)
    connector_id: str = setting("", text("the id of a connector of OpenAI's", empty=True))
    tunnel_id: str = setting("", text("the id of a tunnel to the server", empty=True))
    description: str = setting("", text("what the server is for", empty=True))
    authorization: str = setting("", secret_word)
    headers: Mapping[str, str] = setting({}, headers)
    tools: tuple[str, ...] = setting((), names_of('a list such as ["look_up"]'))
    approval: str | Mapping[str, Any] = setting("never", _approval)
    approve: tuple[str, ...] = setting((), names_of('a list of tools such as ["refund"]'))


def read_mcp(raw: Any, at: str, faults: list[str]) -> dict[str, McpServer]:
    """Return an agent's MCP servers by their labels; `faults` gets one sentence for each fault."""
    if not isinstance(raw, dict):
        faults.append(f"[{at}] = {shown('', raw)}: write a table for each server, such as [{at}.crm]")
        return {}
    if len(raw) > MOST_SERVERS:
        faults.append(f"[{at}]: at most {MOST_SERVERS} servers; these are {len(raw)}")
        return {}
    return {label: _read_server(label, table, f"{at}.{label}", faults) for label, table in raw.items()}


def _read_server(label: str, raw: Any, at: str, faults: list[str]) -> McpServer:
    if not LABEL.fullmatch(label):
        faults.append(f"[{at}]: use a label of letters, digits, _ and -, with a letter in front")
    before = len(faults)
    server = read_table(McpServer, raw, at=at, faults=faults)
    where = [one for one in (server.server_url, server.connector_id, server.tunnel_id) if one]
    if len(where) != 1 and len(faults) == before:
        faults.append(f"[{at}]: say where it is, in one way: server_url, connector_id or tunnel_id")
    return server


# ---------------------------------------------------------------- the table that is sent as it stands


def read_session(raw: Any, at: str, faults: list[str]) -> dict[str, Any]:
    """Return the table; `faults` gets one sentence for each thing in it that can't be sent, or not be set here."""
    if not isinstance(raw, dict):
        faults.append(f"[{at}] = {shown('', raw)}: use a table, written [{at}] on a line of its own")
        return {}
    wrong = list(_wrong_in(raw, at, "", 1))
    if len(list(paths_of(raw))) > MOST_FIELDS or len(repr(raw)) > MOST_CHARACTERS:
        wrong = [f"[{at}]: use at most {MOST_FIELDS} fields, and {MOST_CHARACTERS} characters"]
    faults += wrong
    return {} if wrong else raw


def _wrong_in(table: Mapping[str, Any], at: str, above: str, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        yield f"[{at}] {above.rstrip('.')}: use at most {DEEPEST} tables in one another"
        return
    for key, value in table.items():
        path = f"{above}{key}"
        if not KEY.fullmatch(key):
            yield f"[{at}] {above}{shown('', key)}: use a name of letters, digits, _ and -"
        elif path in OWN:
            yield f"[{at}] {path}: it can't be set here: {OWN[path]}"
        elif SECRET.fullmatch(key) and not path.startswith("tracing."):
            yield f"[{at}] {path}: secrets are never written here; this table is on every tape"
        elif isinstance(value, dict):
            yield from _wrong_in(value, at, f"{path}.", depth + 1)
        elif path in HOLDERS:
            yield f"[{at}] {path} = {shown(key, value)}: use a table: the bridge has fields of its own there"
        elif not _is_plain(value, depth):
            what = "text, numbers, true or false, and lists and tables of them; no secrets"
            yield f"[{at}] {path}: it can't be sent: use {what}"


def _is_plain(value: Any, depth: int) -> bool:
    """Say whether a value can be written as JSON, and read by anybody: no dates, no infinities, no endless digits."""
    if isinstance(value, str):
        return is_harmless(value)
    if isinstance(value, int):
        return abs(value) <= WHOLE
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, list) and depth < DEEPEST:
        return all(_is_plain(part, depth + 1) for part in value)
    if isinstance(value, dict) and depth < DEEPEST:
        is_secret = any(SECRET.fullmatch(key) for key in value)
        return not is_secret and all(_is_plain(part, depth + 1) for part in value.values())
    return False


def paths_of(table: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield every field of a table that something can be said of, what is in a table before the table itself."""
    for key, value in table.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from paths_of(value, f"{path}.")
        yield path


def unpublished(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each field that nothing was published of, with a hint; they are sent all the same."""
    yield from _unpublished(table, "")


def _unpublished(table: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    known = _fields_in(above)
    for key, value in table.items():
        path = f"{above}{key}"
        if key not in known:
            yield path, nearest(key, known)
        elif isinstance(value, Mapping) and _fields_in(f"{path}."):
            yield from _unpublished(value, f"{path}.")


def _fields_in(above: str) -> frozenset[str]:
    return frozenset(_first_names(path.removeprefix(above) for path in PUBLISHED if path.startswith(above)))


def _first_names(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield path.partition(".")[0]


def merged(session: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the session with what the table says: tables field by field, anything else in place of what is there."""
    result = dict(session)
    for key, value in table.items():
        below = result.get(key)
        result[key] = (
            merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return result
