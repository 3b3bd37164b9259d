"""The configuration file: TOML in, frozen settings out, checked once. It reads no environment by itself; how many
cores there are it asks for `workers = "auto"`.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from bridge.agents import MOST_DAYS, Agent, Keep, read_agents, with_clips
from bridge.checks import (
    SHA1,
    SharedKey,
    account,
    choice,
    flag,
    headers,
    nearest,
    number,
    proxy,
    query,
    read_table,
    setting,
    shared_key,
    text,
    url,
    variable,
    variable_in,
    whole,
)
from bridge.errors import ConfigError
from bridge.machine import host_name
from bridge.proxies import Proxy, proxy_for
from bridge.settings.admin import Admin, Console, missing_of_admin, missing_of_console
from bridge.settings.fleet import Fleet, missing_of_fleet, missing_of_looking
from bridge.settings.outgoing import Outbound
from bridge.settings.server import Server
from bridge.settings.store import CATALOGUE, ENDPOINT, STORAGE, SharedStore, endpoint_fault, missing_of_store
from bridge.text.toml_faults import declared_twice
from bridge.text.validity import is_harmless

CREDENTIALS = "$CREDENTIALS_DIRECTORY/"
"""What a secret's file may begin with: the folder where systemd puts what LoadCredential= names."""


@frozen
class Twilio:
    """Where the auth tokens come from; several at once, so that a token can be rotated."""

    auth_token_env: str = setting("TWILIO_AUTH_TOKEN", variable)
    auth_token_file: str = setting("", text("the path of a file with one token a line", empty=True))
    auth_token_signs: str = setting("everything", choice("everything", "upgrades", "nothing"))
    shared_keys_env: str = setting("TWILIO_SHARED_KEYS", variable)
    shared_keys_file: str = setting("", text("the path of a file with one ID=SECRET a line", empty=True))
    accept_unsigned_requests_from_anybody: bool = setting(False, flag)
    account_sid: str = setting("", account)
    api_url: str = setting(
        "https://api.twilio.com", url("https", "http", example="https://api.dublin.ie1.twilio.com")
    )


@frozen
class Realtime:
    """The Realtime server: OpenAI's, or any that speaks the same protocol."""

    url: str = setting(
        "wss://api.openai.com/v1/realtime", url("wss", "ws", example="wss://api.openai.com/v1/realtime")
    )
    model: str = setting("gpt-realtime-2.1", text("the name of a realtime model"))
    api_key_env: str = setting("OPENAI_API_KEY", variable)
    api_key_file: str = setting("", text("the path of a file that holds the key", empty=True))
    api_key_header: str = setting("Authorization", choice("Authorization", "api-key"))
    headers: Mapping[str, str] = field(factory=dict, metadata={"check": headers})
    query: Mapping[str, str] = field(factory=dict, metadata={"check": query})
    proxy: str = setting("", proxy)
    prices: str = setting("", text("the path of a file with prices", empty=True))


@frozen
class Recording:
    """What is kept, and where."""

    folder: str = setting("data", text("a folder; relative ones start at the configuration file"))
    audio: bool = setting(True, flag)
    mask_numbers: bool = setting(False, flag)
    keep_audio_days: int = setting(0, whole(0, MOST_DAYS))
    keep_tapes_days: int = setting(0, whole(0, MOST_DAYS))
    keep_rows_days: int = setting(0, whole(0, MOST_DAYS))
    quota_gb: float = setting(0.0, number(0, 1_000_000))
    warn_percent: int = setting(80, whole(1, 99))
    min_free_mb: int = setting(200, whole(0, 1_000_000))


@frozen
class Logging:
    """How the daemon logs; under systemd the journal keeps the time."""

    format: str = setting("text", choice("text", "json"))
    level: str = setting("info", choice("debug", "info", "warning", "error"))


@frozen
class Tracing:
    """Where a trace of each call goes once it has ended: an OpenTelemetry collector's OTLP address."""

    endpoint: str = setting("", url("https", "http", example="http://127.0.0.1:4318/v1/traces", empty=True))


@frozen
class Settings:
    """Everything in the file, checked; `folder` is where relative paths start."""

    server: Server = Server()
    twilio: Twilio = Twilio()
    realtime: Realtime = Realtime()
    recording: Recording = Recording()
    logging: Logging = Logging()
    admin: Admin = Admin()
    console: Console = Console()
    tracing: Tracing = Tracing()
    outbound: Outbound = Outbound()
    fleet: Fleet = Fleet()
    store: SharedStore = SharedStore()
    agents: Mapping[str, Agent] = field(factory=dict)
    folder: Path = Path()

    @property
    def data_folder(self) -> Path:
        """Where tapes and the database are."""
        return self.folder / self.recording.folder

    @property
    def host_name(self) -> str:
        """Return what this host is called among others: as they list it, else the machine's own name."""
        return self.fleet.name_of(self.server.own_url) or host_name()

    def keep_of(self, agent: str) -> Keep:
        """Return how long the calls of an agent are kept, even of one that is no more in the file."""
        own = self.agents[agent].keep if agent in self.agents else Keep()
        general = self.recording
        return Keep(
            general.keep_audio_days if own.audio_days is None else own.audio_days,
            general.keep_tapes_days if own.tapes_days is None else own.tapes_days,
            general.keep_rows_days if own.rows_days is None else own.rows_days,
        )


@frozen
class Secrets:
    """What must never be printed, logged or taped."""

    auth_tokens: tuple[str, ...] = field(default=(), repr=False)
    api_key: str = field(default="", repr=False)
    admin_token: str = field(default="", repr=False)
    proxy: Proxy | None = field(default=None, repr=False)
    """The one on the way to the model; with it come a name and a password, if it needs them."""
    shared_keys: tuple[SharedKey, ...] = field(default=(), repr=False)
    words: Mapping[str, str] = field(factory=dict, repr=False)
    """What stands in the environment for each `$NAME` of the file."""
    storage: Mapping[str, str] = field(factory=dict, repr=False)
    """What the environment says of object storage, by its names (AWS_…)."""
    catalogue: Mapping[str, str] = field(factory=dict, repr=False)
    """What it says of Postgres (PG…)."""

    @property
    def signing(self) -> tuple[str, ...]:
        """Every secret that Twilio may sign with."""
        return (*self.auth_tokens, *(key.secret for key in self.shared_keys))

    @property
    def shared(self) -> tuple[str, ...]:
        """Every secret of what hosts share."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")
        return tuple(word for name in names if (word := {**self.storage, **self.catalogue}.get(name)))

    @property
    def all(self) -> tuple[str, ...]:
        """Every secret there is, for those who keep them out of something."""
        of_proxy = self.proxy.words if self.proxy else ()
        words = (part for word in self.words.values() for part in (word, *word.split()[1:]))
        return tuple(
            word
            for word in (*self.signing, self.api_key, self.admin_token, *of_proxy, *words, *self.shared)
            if word
        )


def load(path: Path) -> Settings:
    """Read and check a configuration file. Raises `ConfigError` with one sentence per fault."""
    if not is_harmless(str(path.absolute())):  # it is where the data folder begins
        raise ConfigError([f"{path}: rename it, or its folder: use UTF-8 without control characters"])
    try:
        written = path.read_text(encoding="utf-8")
        raw = tomllib.loads(written)
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file; name another with --config"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: can't be read: {error}"]) from None
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: numbers of 5000 digits, say
        raise ConfigError(
            [f"{path}: not valid TOML: {declared_twice(str(error), written) or error}"]
        ) from None
    return parse(raw, path)


def parse(raw: Mapping[str, Any], path: Path) -> Settings:
    """Check a parsed file; `path` is for messages and relative paths."""
    faults: list[str] = []
    tables = {"server": Server, "twilio": Twilio, "realtime": Realtime, "recording": Recording,
              "logging": Logging, "admin": Admin, "console": Console, "tracing": Tracing,
              "outbound": Outbound, "fleet": Fleet, "store": SharedStore}  # fmt: skip
    faults += [f"[{key}]: unknown table; {nearest(key, [*tables, 'agents'])}" for key in raw if
               key not in tables and key != "agents"]  # fmt: skip
    read: dict[str, Any] = {
        name: read_table(cls, raw.get(name, {}), at=name, faults=faults) for name, cls in tables.items()
    }
    agents = with_clips(read_agents(raw.get("agents", {}), faults), path.parent, faults)
    if faults:
        raise ConfigError([f"{path}: {fault}" for fault in faults])
    return Settings(**read, agents=agents, folder=path.parent)


def read_secrets(settings: Settings, environment: Mapping[str, str]) -> Secrets:
    """Collect what the environment and the files named there say: tokens, keys, the proxy. Raises `ConfigError`."""
    faults: list[str] = []
    twilio, realtime = settings.twilio, settings.realtime
    tokens = _secret_words(
        settings, environment, twilio.auth_token_env, twilio.auth_token_file, faults=faults
    )
    shared = _shared_keys(settings, environment, faults)
    keys = _secret_words(settings, environment, realtime.api_key_env, realtime.api_key_file, faults=faults)
    admin = _secret_words(
        settings, environment, settings.admin.token_env, settings.admin.token_file, faults=faults
    )
    words = _words(settings, environment, faults)
    way = None
    try:
        way = proxy_for(realtime.url, realtime.proxy, environment)
    except ValueError as wrong:
        faults.append(str(wrong))
    is_alone = settings.store == SharedStore()
    storage, catalogue = ({} if is_alone else _given(environment, names) for names in (STORAGE, CATALOGUE))
    if not is_alone and (fault := endpoint_fault(environment.get(ENDPOINT, ""))):
        faults.append(fault)
    if faults:
        raise ConfigError(faults)
    return Secrets(
        tokens, keys[0] if keys else "", admin[0] if admin else "", way, shared, words, storage, catalogue
    )


def _given(environment: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: word for name in names if (word := environment.get(name, "").strip())}


def variables_of(settings: Settings) -> dict[str, str]:
    """Return each variable that a value of the file stands for, with where it is named."""
    realtime = settings.realtime
    places = [("[realtime] headers", realtime.headers), ("[realtime] query", realtime.query)]
    for name, agent in settings.agents.items():
        for label, server in agent.mcp.items():
            at = f"[agents.{name}.mcp.{label}]"
            places += [(at, {"authorization": server.authorization}), (f"{at} headers", server.headers)]
    return {
        name: f"{at} {key}"
        for at, table in places
        for key, text in table.items()
        if (name := variable_in(text))
    }


def _words(settings: Settings, environment: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    found = {name: environment[name].strip() for name in variables_of(settings) if name in environment}
    faults += [
        f"{name}: it has characters that no secret has: copy it anew"
        for name, word in found.items()
        if not (word.isascii() and word.isprintable())
    ]
    return {name: word for name, word in found.items() if word}


def _shared_keys(
    settings: Settings, environment: Mapping[str, str], faults: list[str]
) -> tuple[SharedKey, ...]:
    twilio = settings.twilio
    words = _secret_words(
        settings, environment, twilio.shared_keys_env, twilio.shared_keys_file, faults=faults
    )
    found = [shared_key(word) for word in words]
    if not all(found):
        faults.append(
            f"{twilio.shared_keys_env}, or its file: a word there is no shared key: write ID=SECRET, or "
            f"ID:{SHA1}=SECRET for one with that algorithm"
        )
    return tuple(key for key in found if key is not None)


def _secret_words(
    settings: Settings, environment: Mapping[str, str], variable: str, file: str, *, faults: list[str]
) -> tuple[str, ...]:
    words = environment.get(variable, "")
    if file.startswith(CREDENTIALS) and "CREDENTIALS_DIRECTORY" not in environment:
        faults.append(
            f"{file}: CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with LoadCredential=, and to "
            "check the file elsewhere set it to the folder the credentials come from"
        )
    elif file:
        if file.startswith(CREDENTIALS):
            file = f"{environment['CREDENTIALS_DIRECTORY']}/{file.removeprefix(CREDENTIALS)}"
        path = settings.folder / file
        try:
            words += "\n" + path.read_text(encoding="utf-8")
        except OSError as error:
            faults.append(f"{path}: can't be read: {error.strerror}")
        except ValueError:
            faults.append(f"{path}: can't be read: it is not a text in UTF-8")
    found = tuple(dict.fromkeys(words.replace(",", " ").split()))
    if not all(word.isascii() and word.isprintable() for word in found):
        faults.append(
            f"{variable}, or its file: a secret there has characters that no token or key has: copy it anew"
        )
        return ()
    return found


def missing_secrets(settings: Settings, secrets: Secrets) -> list[str]:
    """Return one sentence for each thing the daemon will not start without."""
    missing = []
    twilio = settings.twilio
    if twilio.auth_token_signs != "everything" and not secrets.shared_keys:
        missing.append(
            f'no shared key: [twilio] auth_token_signs = "{twilio.auth_token_signs}" lets in what they sign alone; set '
            f"{twilio.shared_keys_env}, or name a file with [twilio] shared_keys_file"
        )
    if not secrets.signing and not twilio.accept_unsigned_requests_from_anybody:
        missing.append(
            f"no Twilio auth token: set {twilio.auth_token_env}, or name a file with [twilio] "
            "auth_token_file; without one anybody could make calls on your account (to run open all the same, "
            "write accept_unsigned_requests_from_anybody = true)"
        )
    if not settings.server.public_url:
        missing.append(
            "no public URL: set [server] public_url (or BRIDGE_PUBLIC_URL) to the https address Twilio calls; "
            "signatures are checked against it"
        )
    if not secrets.api_key and "api.openai.com" in settings.realtime.url:
        missing.append(
            f"no OpenAI key: set {settings.realtime.api_key_env}, or name a file with [realtime] api_key_file"
        )
    missing += [
        f"no {name}: {at} stands for it; set it in the environment"
        for name, at in variables_of(settings).items()
        if name not in secrets.words
    ]
    missing += missing_of_admin(settings.admin, has_token=bool(secrets.admin_token))
    missing += missing_of_fleet(settings.fleet, settings.server.host_url, settings.server.public_url)
    missing += missing_of_looking(settings.fleet, settings.admin, settings.host_name)
    missing += missing_of_console(settings.admin, settings.console, has_token=bool(secrets.admin_token))
    missing += missing_of_store(settings.store)
    if settings.outbound.caller_id and not settings.twilio.account_sid:
        missing.append(
            "no account SID: calls are made over Twilio's REST API, which needs [twilio] account_sid (console, Account "
            "Info); or take [outbound] caller_id away"
        )
    return missing
