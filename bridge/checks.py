"""The small grammar of settings: what a value of `config.toml` may be, and what to write when it is not.

Each check takes the raw TOML value and returns the value to use, or raises `Wrong` with what to write.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from types import UnionType
from typing import Any, TypeAlias, TypeVar, get_args
from urllib.parse import urlsplit

import attrs

from bridge.machine import usable_cores
from bridge.text.in_toml import in_toml
from bridge.text.passwords import without_passwords
from bridge.text.urls import cure_of
from bridge.text.validity import is_harmless

Check: TypeAlias = Callable[[Any], Any]
T = TypeVar("T")

SECRET_WORDS = ("key", "token", "secret", "password", "account_sid", "headers", "query", "authorization")
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
TEXT = re.compile(r"[\x20-\x7e]{0,1000}")
SECRET_NAME = re.compile(r"auth|cookie|key|passw|secret|sig$|token", re.IGNORECASE)
"""In the name of a header or a parameter: its value may open a door."""

OF_A_HANDSHAKE = frozenset({"connection", "content-length", "host", "transfer-encoding", "upgrade"})
MOST_TEXTS = 20
HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
QUEUE = re.compile(r"queue:[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}")
REDIRECT = re.compile(r"https://[^\s@\x00-\x1f\x7f]{1,2000}")


class Wrong(ValueError):
    """A value can't be used; the message completes the sentence "use …"."""


def whole(low: int, high: int) -> Check:
    """Accept an integer from `low` to `high`."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Wrong(f"a whole number from {low} to {high}")
        return value

    return check


AUTO = "auto"


def processes(most: int) -> Check:
    """Accept how many processes there shall be, or "auto": one core fewer than this process may use, at least 1."""

    def check(value: Any) -> int:
        if value == AUTO:
            return min(max(1, usable_cores() - 1), most)
        try:
            return int(whole(1, most)(value))
        except Wrong as wrong:
            raise Wrong(f'{wrong}, or "{AUTO}": a core fewer than there are') from None

    return check


def number(low: float, high: float) -> Check:
    """Accept a number from `low` to `high`."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise Wrong(f"a number from {low} to {high}")
        return float(value)

    return check


def flag(value: Any) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise Wrong("true or false")
    return value


def text(what: str, *, empty: bool = False) -> Check:
    """Accept a string; `what` says what it is for."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not (empty or value.strip()):
            raise Wrong(what)
        return value

    return check


def choice(*words: str) -> Check:
    """Accept one of these words."""

    def check(value: Any) -> str:
        if value not in words:
            raise Wrong(" or ".join(f'"{word}"' for word in words))
        return str(value)

    return check


def address(value: Any) -> str:
    """Accept host:port."""
    host, _, port = str(value).rpartition(":") if isinstance(value, str) else ("", "", "")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise Wrong('host:port, for example "127.0.0.1:8080"')
    return str(value)


def admin_address(value: Any) -> str:
    """Accept host:port, unix:/path, or nothing."""
    if value == "" or (isinstance(value, str) and re.fullmatch(r"unix:/[^\x00]{1,100}", value)):
        return str(value)
    try:
        return address(value)
    except Wrong:
        raise Wrong('host:port or unix:/path, for example "127.0.0.1:9090"; "" is off') from None


def hosts(value: Any) -> tuple[str, ...]:
    """Accept a list of host names, without ports."""
    is_list = isinstance(value, list | tuple)
    if not is_list or not all(isinstance(name, str) and HOST.fullmatch(name) for name in value):
        raise Wrong('a list of host names without ports, for example ["bridge.internal"]')
    return tuple(name.lower() for name in value)


def variable(value: Any) -> str:
    """Accept the name of an environment variable, in capitals: a secret pasted by mistake never is."""
    if not isinstance(value, str) or not VARIABLE.fullmatch(value):
        raise Wrong('the name of an environment variable, in capitals, for example "OPENAI_API_KEY"')
    return value


def variable_in(value: str) -> str:
    """Return the name of the environment variable that a value stands for, written `$NAME`; or nothing."""
    return value[1:] if value.startswith("$") and VARIABLE.fullmatch(value[1:]) else ""


def filled(value: str, words: Mapping[str, str]) -> str:
    """Return a value with what stands in the environment in its place, as far as that is known."""
    return words.get(variable_in(value), value)


def secret_word(value: Any) -> str:
    """Accept `$NAME`, which the environment has, or nothing: a secret is never written into the file."""
    if value != "" and not (isinstance(value, str) and variable_in(value)):
        raise Wrong(
            'the name of an environment variable, such as "$CRM_TOKEN": secrets are never written here'
        )
    return str(value)


def headers(value: Any) -> dict[str, str]:
    """Accept a table of HTTP headers; what may be a secret is `$NAME`, and what a handshake decides by is none."""
    found = _texts(value)
    for name, text in found.items():
        if not HEADER.fullmatch(name):
            raise Wrong("names of letters, digits and -")
        if name.lower() in OF_A_HANDSHAKE or name.lower().startswith("sec-websocket-"):
            raise Wrong(f"other headers than {name}: the connection has its own")
        if SECRET_NAME.search(name) and not variable_in(text):
            raise Wrong(f'"$NAME" for {name}: secrets are never written here; the environment has them')
    if len({name.lower() for name in found}) != len(found):
        raise Wrong("each header once")
    return found


def query(value: Any) -> dict[str, str]:
    """Accept a table of what an address ends with behind its `?`; what may be a secret is `$NAME`."""
    found = _texts(value)
    for name, text in found.items():
        if not HEADER.fullmatch(name.replace("_", "-")) or name == "model":
            raise Wrong("names of letters, digits, - and _; the model has a setting of its own")
        if SECRET_NAME.search(name) and not variable_in(text):
            raise Wrong(f'"$NAME" for {name}: secrets are never written here; the environment has them')
    return found


def _texts(value: Any) -> dict[str, str]:
    is_table = isinstance(value, dict) and len(value) <= MOST_TEXTS
    if not is_table or not all(isinstance(text, str) and TEXT.fullmatch(text) for text in value.values()):
        raise Wrong(
            f'a table of up to {MOST_TEXTS} names with text in ASCII, such as {{ "X-Team" = "phones" }}'
        )
    return dict(value)


def account(value: Any) -> str:
    """Accept the SID of a Twilio account, or nothing."""
    if not isinstance(value, str) or not re.fullmatch(r"(AC[0-9a-fA-F]{32})?", value):
        raise Wrong("the account's SID: AC and 32 digits of 0-9 and a-f")
    return value


def url(*schemes: str, example: str, empty: bool = False) -> Check:
    """Accept an absolute URL without a query, a fragment, a user or spaces."""

    def check(value: Any) -> str:
        if empty and value == "":
            return ""
        scheme, is_bare = urlsplit(example).scheme, isinstance(value, str) and value and "://" not in value
        whole_url = f"{scheme}://{value}" if is_bare else value
        if cure := cure_of(whole_url, schemes):
            raise Wrong(f'{cure}, for example "{example}"')
        if is_bare:
            raise Wrong(f'"{whole_url}": {scheme}:// is missing')
        return str(value).rstrip("/")

    return check


def proxy(value: Any) -> str:
    """Accept a proxy's URL without a name and password, "none", or nothing: then it is the environment's."""
    if value in ("", "none"):
        return str(value)
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        usable = parts is not None and parts.scheme in ("http", "socks5", "socks5h") and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not urlsplit(value).hostname or re.search(r"[\s?#@]", value):
        raise Wrong(
            '"http://HOST:PORT", "socks5://HOST:PORT" or "socks5h://HOST:PORT", "none", or "" for the environment\'s; '
            "one that needs a password is named in HTTPS_PROXY"
        )
    return str(value).rstrip("/")


def public_url(value: Any) -> str:
    """Accept the address Twilio calls, or nothing; the bridge adds its own paths, and proxies leave this one alone."""
    found: str = url("https", "http", example="https://bridge.example.com", empty=True)(value)
    path = urlsplit(found).path
    if webhook := re.search(r"/voice(/[^/]*)*$", path):
        raise Wrong(f'"{found.removesuffix(webhook.group())}": the bridge adds /voice/NAME itself')
    if "//" in path or "%" in path:
        raise Wrong("an address with a plain path or none: proxies rewrite this one, which breaks signatures")
    return found


def refusal(*, empty: bool = False) -> Check:
    """Accept what Twilio shall do with a call that can't be taken."""

    def check(value: Any) -> str:
        usable = isinstance(value, str) and (
            value in ("busy", "reject")
            or QUEUE.fullmatch(value)
            or (REDIRECT.fullmatch(value) and has_host(value))
        )
        if not usable and not (empty and value == ""):
            raise Wrong('"busy", "reject", "queue:NAME", or the https URL of other TwiML')
        return str(value)

    return check


def has_host(value: str) -> bool:
    """Say whether a URL leads to a host that can be asked for."""
    try:
        parts = urlsplit(value)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def names_of(what: str) -> Check:
    """Accept a list of non-empty strings."""

    def check(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
            raise Wrong(what)
        return tuple(value)

    return check


def setting(default: Any, check: Check, *, key: str = "") -> Any:
    """Declare a field of a settings class with the check its raw value must pass, and its name in the file if it has
    another one there.
    """
    return attrs.field(default=default, metadata={"check": check, "key": key})


def key_of(field: "attrs.Attribute[Any]") -> str:
    """Return what a setting is called in the file."""
    return str(field.metadata.get("key") or field.name)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or lists them all."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(known) or 'none'}"


def _unknown(key: str, fields: Mapping[str, "attrs.Attribute[Any]"], at: str) -> str:
    """Return what to say of a key that isn't one; whoever writes a secret here is told where it belongs."""
    if f"{key}_env" in fields:
        return f"secrets are never written here; name an environment variable in {key}_env, or a file in {key}_file"
    if having := [name for name, field in fields.items() if key in _keys_below(field)]:
        return f"it belongs in {' or '.join(f'[{at}.{name}]' for name in having)}"
    return f"unknown key; {nearest(key, fields)}"


def _keys_below(field: "attrs.Attribute[Any]") -> Collection[str]:
    """Return the keys of the table that a field is; none if it is a value."""
    several = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
    kinds = [kind for kind in several if isinstance(kind, type) and attrs.has(kind)]
    return {key_of(one) for kind in kinds for one in attrs.fields(kind) if "check" in one.metadata}


def shown(key: str, value: Any) -> str:
    """Return the value as it may be shown: never a secret, never a page of text."""
    secret = any(word in key for word in SECRET_WORDS) and not key.endswith("_file")
    if secret and not isinstance(value, int | float):
        return "(not shown)"
    if isinstance(value, str):
        value = without_passwords(value)
    is_url = not isinstance(value, str) or key.endswith(("url", "endpoint")) or "://" in value
    try:
        as_text = in_toml(_without_keys(value) if is_url else value)
    except ValueError:  # Python refuses to print an integer of more than 4300 digits
        as_text = "a very large number"
    return as_text if len(as_text) <= 60 else as_text[:57] + "..."


def _without_keys(value: Any, depth: int = 4) -> Any:
    """Return addresses, also within a table or a list, as they may be shown: people put keys into queries, passwords
    before an @.
    """
    if isinstance(value, str):
        return re.sub(r"(?s)\?.*", "?...", re.sub(r"(?s)^([^/@]*//)?.*@", r"\1...@", value))
    if isinstance(value, list) and depth:
        return [_without_keys(one, depth - 1) for one in value]
    if isinstance(value, dict) and depth:
        return {name: _without_keys(one, depth - 1) for name, one in value.items()}
    return value


def _readable(value: Any) -> Any:
    """Return a raw value whose text can be read: no escapes of TOML or bytes of a command line that nobody sees."""
    if isinstance(value, str) and not is_harmless(value):
        raise Wrong("text without control characters, in UTF-8")
    if isinstance(value, list):
        return [_readable(part) for part in value]
    return value


def read_table(cls: type[T], raw: Any, *, at: str, faults: list[str], without: Collection[str] = ()) -> T:
    """Return `cls` made from a TOML table, adding one sentence to `faults` for each thing wrong with it.

    Keys in `without` are unknown in this table, though `cls` has them.
    """
    if not isinstance(raw, dict):
        faults.append(f"[{at}] = {shown('', raw)}: use a table, written [{at}] on a line of its own")
        return cls()
    by_key = {key_of(field): field for field in attrs.fields(cls)}  # type: ignore[arg-type]
    fields = {key: field for key, field in by_key.items() if key not in without}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in fields:
            faults.append(f"[{at}] {key}: {_unknown(key, fields, at)}")
            continue
        try:
            values[fields[key].name] = fields[key].metadata["check"](_readable(value))
        except Wrong as wrong:
            faults.append(f"[{at}] {key} = {shown(key, value)}: use {wrong}")
    return cls(**values)


# ---------------------------------------------------------------- keys that Twilio signs with

SHA1, SHA256 = "HMAC_SHA1", "HMAC_SHA256"
SHARED_KEY = re.compile(rf"(?P<id>[A-Za-z0-9_.-]{{1,100}})(:(?P<algorithm>{SHA1}|{SHA256}))?=(?P<secret>.+)")
"""How a shared key is written where secrets are: Twilio's id of it, its algorithm if not SHA-256, and the secret."""


@attrs.frozen
class SharedKey:
    """A key that Twilio signs with, by a rule, in place of the auth token. Its algorithm is its own: whoever sends a
    request does not choose it.
    """

    key_id: str
    secret: str = attrs.field(repr=False)
    algorithm: str = SHA256


def shared_key(word: str) -> SharedKey | None:
    """Return the key that is written so, or None."""
    found = SHARED_KEY.fullmatch(word)
    return SharedKey(found["id"], found["secret"], found["algorithm"] or SHA256) if found else None
