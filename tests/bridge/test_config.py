"""The configuration file: its defaults, its faults and what they say."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict, fields
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import checks
from bridge.agents import Agent, agent_from
from bridge.config import Settings, load, parse
from bridge.errors import ConfigError
from bridge.settings.limits import Limits
from bridge.settings.speaking import Speaking
from bridge.settings.turn_detection import SemanticVad, ServerVad

PATH = Path("/etc/bridge/config.toml")
TABLES = ("server", "twilio", "realtime", "recording", "logging", "admin", "tracing")
ONE_AGENT: dict[str, Any] = {"agents": {"front-desk": {}}}


def faults_of(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(raw, PATH)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults


def fault_in(table: str, key: str, value: Any) -> str:
    """Return the one fault of a file with this value in this table (`agent` is the agent's own)."""
    where, *inner = table.split(".")
    if where != "agent":
        raw = {**ONE_AGENT, where: {key: value}}
    else:
        raw = {"agents": {"front-desk": {inner[0]: {key: value}} if inner else {key: value}}}
    (fault,) = faults_of(raw)
    return fault


def settings_with(folder: Path = Path(), **tables: dict[str, Any]) -> Settings:
    return parse({**ONE_AGENT, **tables}, folder / "config.toml")


# ---------------------------------------------------------------- what is right


def test_an_agent_without_a_word_has_every_default() -> None:
    read = parse(ONE_AGENT, PATH)
    assert read == Settings(agents={"front-desk": Agent(name="front-desk")}, folder=PATH.parent)
    assert read.agents["front-desk"].turn_detection == ServerVad()
    assert read.data_folder == Path("/etc/bridge/data")


def test_a_default_passes_its_own_check() -> None:
    plain = asdict(Settings(), recurse=True)
    assert settings_with(**{name: plain[name] for name in TABLES}) == parse(ONE_AGENT, Path("config.toml"))


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 1), (3, 2), (16, 15), (128, 64)])
def test_auto_is_a_worker_a_core_but_for_one(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int
) -> None:
    monkeypatch.setattr(checks, "usable_cores", lambda: cores)
    assert settings_with(server={"workers": "auto"}).server.workers == workers


def test_a_file_is_read_from_disk_as_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[server]\npublic_url = "https://b.example.com/"\n[agents.a]\ngreeting = "Grüezi!"\n')
    read = load(file)
    assert read.server.public_url == "https://b.example.com"
    assert (read.agents["a"].greeting, read.folder) == ("Grüezi!", tmp_path)


def test_semantic_turn_detection_has_keys_of_its_own() -> None:
    raw = {"agents": {"a": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}}
    assert parse(raw, PATH).agents["a"].turn_detection == SemanticVad(eagerness="low")


def test_turn_detection_without_a_type_is_the_servers() -> None:
    raw = {"agents": {"a": {"turn_detection": {"threshold": 1}}}}
    assert parse(raw, PATH).agents["a"].turn_detection == ServerVad(threshold=1.0)


def test_limits_are_read_per_agent() -> None:
    read = parse({"agents": {"a": {"limits": {"lead_ms": 200}}, "b": {}}}, PATH)
    assert (read.agents["a"].limits, read.agents["b"].limits) == (Limits(lead_ms=200), Limits())


def test_an_agent_written_down_by_asdict_comes_back_the_same() -> None:
    rules = Speaking(protected=("some words",), backchannels=("mhm",))
    agent = Agent(
        name="a", tools=("x:y",), turn_detection=SemanticVad(), limits=Limits(lead_ms=80), speaking=rules
    )
    written = {key: value for key, value in asdict(agent).items() if key != "name"}
    assert agent_from("a", written) == agent


# ---------------------------------------------------------------- what is wrong, and what to write


@pytest.mark.parametrize(
    ("table", "key", "value", "sentence"),
    [
        ("server", "max_calls", 0, "[server] max_calls = 0: use a whole number from 1 to 1000"),
        ("server", "max_calls", True, "[server] max_calls = true: use a whole number from 1 to 1000"),
        (
            "server",
            "max_calls",
            [True, {}, ["a"]],
            '[server] max_calls = [true, {}, ["a"]]: use a whole number',
        ),
        ("server", "max_calls", {"a": [False]}, "[server] max_calls = { a = [false] }: use a whole number"),
        ("server", "max_calls", date(2026, 11, 28), "[server] max_calls = 2026-11-28: use a whole number"),
        ("server", "max_calls", [[[[[1]]]]], "[server] max_calls = [[[[...]]]]: use a whole number"),
        ("server", "max_calls", 1.5, "[server] max_calls = 1.5: use a whole number from 1 to 1000"),
        (
            "server",
            "workers",
            "all",
            '[server] workers = "all": use a whole number from 1 to 64, or "auto": a core fewer than there are',
        ),
        ("server", "workers", 0, '[server] workers = 0: use a whole number from 1 to 64, or "auto"'),
        ("server", "workers", "4", '[server] workers = "4": use a whole number from 1 to 64, or "auto"'),
        (
            "server",
            "when_draining",
            "off",
            '= "off": use "busy", "reject", "queue:NAME", or the https URL',
        ),
        ("server", "when_draining", "http://b.example.com", "or the https URL of other TwiML"),
        (
            "server",
            "when_draining",
            "https://u:p@b.example.com?key=x",
            '= "https://...@b.example.com?...": use',
        ),
        ("server", "bind", "8080", '[server] bind = "8080": use host:port, for example "127.0.0.1:8080"'),
        ("twilio", "accept_unsigned_requests_from_anybody", 1, "= 1: use true or false"),
        ("realtime", "model", " ", '[realtime] model = " ": use the name of a realtime model'),
        ("realtime", "url", "", '[realtime] url = "": use a URL, for example'),
        ("realtime", "url", "https://api.openai.com", 'for example "wss://api.openai.com/v1/realtime"'),
        ("recording", "folder", 5, "[recording] folder = 5: use a folder; relative ones start at"),
        ("logging", "format", "xml", '[logging] format = "xml": use "text" or "json"'),
        (
            "logging",
            "level",
            "loud",
            '[logging] level = "loud": use "debug" or "info" or "warning" or "error"',
        ),
        (
            "admin",
            "bind",
            "9090",
            '[admin] bind = "9090": use host:port or unix:/path, for example "127.0.0.1:',
        ),
        ("admin", "hosts", ["b.internal:9090"], "use a list of host names without ports, for example"),
        (
            "admin",
            "hosts",
            "b.internal",
            'use a list of host names without ports, for example ["bridge.internal"]',
        ),
        ("admin", "bind", "unix:x", '[admin] bind = "unix:x": use host:port or unix:/path'),
        (
            "tracing",
            "endpoint",
            "collector:4318",
            'use "http://collector:4318": http:// is missing',
        ),
        (
            "server",
            "when_full",
            "later",
            '[server] when_full = "later": use "busy", "reject", "queue:NAME", or',
        ),
        ("server", "when_full", "", 'when_full = "": use "busy"'),
        ("server", "calls_per_caller", -1, "calls_per_caller = -1: use a whole number from 0 to 1000"),
        ("agent", "when_full", "http://x.example.com", 'when_full = "http://x.example.com": use "busy"'),
        ("agent", "when_full", "queue:", 'when_full = "queue:": use "busy"'),
        ("agent", "when_full", "https://a@b", 'when_full = "https://...@b": use "busy"'),
        ("agent", "when_full", "https://[", 'when_full = "https://[": use "busy"'),
        ("agent", "voice", "bob", '[agents.front-desk] voice = "bob": use "alloy" or "ash" or "ballad"'),
        ("agent", "tools", "a:b", '[agents.front-desk] tools = "a:b": use a list such as ["my_tools:book'),
        ("agent", "tools", [""], '[agents.front-desk] tools = [""]'),
        ("agent", "max_output_tokens", 5000, "max_output_tokens = 5000: use a whole number from 1 to 4096"),
        ("agent", "limits", 3, "[agents.front-desk.limits] = 3: use a table, written [agents.front-desk.lim"),
        (
            "agent.limits",
            "lead_ms",
            -5,
            "[agents.front-desk.limits] lead_ms = -5: use a whole number from 40",
        ),
        ("agent.turn_detection", "threshold", float("nan"), "threshold = nan: use a number from 0.0 to 1.0"),
        ("agent.turn_detection", "type", "vad", 'type = "vad": use "server_vad" or "semantic_vad"'),
        (
            "agent.turn_detection",
            "eagerness",
            "low",
            'eagerness: type = "semantic_vad" has it, "server_vad" has not',
        ),
    ],
)
def test_a_fault_names_file_key_value_and_what_to_write(
    table: str, key: str, value: Any, sentence: str
) -> None:
    fault = fault_in(table, key, value)
    assert fault.startswith("/etc/bridge/config.toml: [")
    assert sentence in fault


@pytest.mark.parametrize("port", ["", "http", "²", "65536", "9" * 5000])
def test_a_port_is_a_small_number_in_plain_digits(port: str) -> None:
    assert "use host:port" in fault_in("server", "bind", f"127.0.0.1:{port}")


@pytest.mark.parametrize("rest", [" ", "?", "?a=b", "#top", ":70000", "\n", ":x", "[", ":0"])
def test_a_url_is_one_that_signatures_can_be_checked_against(rest: str) -> None:
    fault = fault_in("server", "public_url", f"https://b.example.com{rest}")
    assert ": use a" in fault
    assert 'for example "https://bridge.example.com"' in fault


@pytest.mark.parametrize(
    "address", ["https://u:secret@b.example.com", "u:secret@b.example.com", "u:se secret/@b"]
)
def test_a_password_in_an_address_is_not_shown_alone_or_in_a_table(address: str) -> None:
    for table, key, value in (("server", "host_url", address), ("fleet", "hosts", {"one": address})):
        fault = fault_in(table, key, value)
        assert "secret" not in fault
        assert "without user, password or @" in fault or "without spaces" in fault


@pytest.mark.parametrize(
    ("table", "key", "value", "cure"),
    [
        ("server", "public_url", "b.example.com", 'use "https://b.example.com": https:// is missing'),
        (
            "server",
            "public_url",
            "b.example.com:8443/x",
            'use "https://b.example.com:8443/x": https:// is missing',
        ),
        (
            "realtime",
            "url",
            "api.openai.com/v1/realtime",
            'use "wss://api.openai.com/v1/realtime": wss:// is missing',
        ),
        ("tracing", "endpoint", "127.0.0.1:4318/v1", 'use "http://127.0.0.1:4318/v1": http:// is missing'),
        (
            "server",
            "public_url",
            "https://b.example.com/voice/front-desk",
            'use "https://b.example.com": the bridge adds',
        ),
        (
            "server",
            "public_url",
            "https://b.example.com/x/voice/",
            'use "https://b.example.com/x": the bridge adds',
        ),
        (
            "server",
            "public_url",
            "https://b.example.com/a//b",
            "proxies rewrite this one, which breaks signatures",
        ),
        (
            "server",
            "public_url",
            "https://b.example.com/a%20b",
            "proxies rewrite this one, which breaks signatures",
        ),
    ],
)
def test_a_url_that_is_nearly_right_is_told_what_it_lacks(
    table: str, key: str, value: str, cure: str
) -> None:
    assert cure in fault_in(table, key, value)


def test_semantic_turn_detection_refuses_the_servers_keys() -> None:
    raw = {"agents": {"a": {"turn_detection": {"type": "semantic_vad", "silence_duration_ms": 300}}}}
    (fault,) = faults_of(raw)
    assert 'silence_duration_ms: type = "server_vad" has it, "semantic_vad" has not' in fault


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"sever": {}, **ONE_AGENT}, "[sever]: unknown table; did you mean server?"),
        ({"agents": {"a": {"greting": "Hi"}}}, "[agents.a] greting: unknown key; did you mean greeting?"),
        (
            {"agents": {"a": {"limits": {"lead": 9}}}},
            "[agents.a.limits] lead: unknown key; did you mean lead_ms",
        ),
        (
            {**ONE_AGENT, "server": {"zzz": 1}},
            "[server] zzz: unknown key; known here: bind, caller_window_seconds",
        ),
    ],
)
def test_an_unknown_word_names_the_nearest_known(raw: dict[str, Any], sentence: str) -> None:
    (fault,) = faults_of(raw)
    assert sentence in fault


@pytest.mark.parametrize(
    ("key", "table"),
    [
        ("min_words", "[agents.a.speaking]"),
        ("spend_cap_usd", "[agents.a.limits]"),
        ("filler_sentence", "[agents.a.tool_speech]"),
        ("silence_duration_ms", "[agents.a.turn_detection]"),
        ("eagerness", "[agents.a.turn_detection]"),
        ("rows_days", "[agents.a.keep]"),
        ("after_ms", "[agents.a.filler]"),
    ],
)
def test_a_key_of_a_table_below_is_told_where_it_belongs(key: str, table: str) -> None:
    (fault,) = faults_of({"agents": {"a": {key: 1}}})
    assert f"[agents.a] {key}: it belongs in {table}" in fault


def test_a_key_of_many_tables_below_belongs_in_none_of_them_alone() -> None:
    (fault,) = faults_of({"agents": {"a": {"number": "+15550100199"}}})
    assert "[agents.a] number: unknown key" in fault


@pytest.mark.parametrize("raw", [{}, {"agents": {}}, {"agents": 3}])
def test_a_file_without_an_agent_says_how_to_add_one(raw: dict[str, Any]) -> None:
    (fault,) = faults_of(raw)
    assert fault.endswith("no agent; add a table [agents.front-desk] with instructions and a greeting")


@pytest.mark.parametrize("name", ["ws", "", "Front", "front desk", "-a", "a/b", "a" * 64])
def test_an_agent_has_a_name_that_fits_a_url_and_is_not_ws(name: str) -> None:
    (fault,) = faults_of({"agents": {name: {}}})
    assert fault.startswith(f'{PATH}: [agents.{name}]: use a name of a-z, 0-9, "-" and "_" other than "ws"')


def test_an_agents_name_is_its_tables_name_alone() -> None:
    (fault,) = faults_of({"agents": {"a": {"name": "b"}}})
    assert "[agents.a] name: unknown key; the agent's name is its table's: a" in fault


def test_every_fault_of_a_file_is_told_at_once() -> None:
    agent = {"voice": "bob", "limits": {"lead_ms": 1}, "turn_detection": {"threshold": 2}}
    raw = {"server": {"bind": "x"}, "twilio": 5, "nonsense": 1, "agents": {"ws": agent}}
    assert len(faults_of(raw)) == 7


def test_a_long_value_is_shortened() -> None:
    assert f'"{"x" * 56}...: use' in fault_in("agent", "voice", "x" * 1000)


def test_a_number_too_large_to_print_is_a_fault_like_any_other() -> None:
    assert "max_calls = a very large number: use" in fault_in("server", "max_calls", 16**5000)


# ---------------------------------------------------------------- files that can't be had


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: no such file; name another with --config"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[server\n", "not valid TOML: "),
        (b"max = " + b"9" * 5000, "not valid TOML: "),
        (b"a = " + b"[" * 5000, "not valid TOML: "),
        (b"\xff\xfe", "can't be read: "),
        (
            b'# mine\n[ agents . "a".limits ]  # bounds\n[server]\n[agents.a.limits]\n',
            r"line 4: the table \[agents\.a\.limits\] is already there, at line 2; write its keys under that one",
        ),
        (b"[agents]\na = {}\n[agents.a]\n", r"line 3: the table \[agents\.a\] is already there, written in"),
    ],
)
def test_a_file_that_is_no_toml_says_so(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load(tmp_path / "config.toml")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: "):
        load(tmp_path)


# ---------------------------------------------------------------- anything at all

WORDS = [
    *TABLES, "agents", "limits", "turn_detection", "type", "server_vad", "semantic_vad", "ws",
    *(field.name for cls in (Agent, Limits, ServerVad) for field in fields(cls)),
    *(key for table in asdict(Settings()).values() if isinstance(table, dict) for key in table),
]  # fmt: skip
KEYS = st.sampled_from(WORDS) | st.text(max_size=4)
URLS = st.builds("{}://{}".format, st.sampled_from(["https", "wss"]), st.text(max_size=8))
ADDRESSES = st.builds("{}:{}".format, st.just("host"), st.text(max_size=4))
LEAVES = (
    st.sampled_from(WORDS) | st.text(max_size=8) | URLS | ADDRESSES | st.integers() | st.floats()
    | st.booleans()
    | st.dates()
)  # fmt: skip
TOML = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=8
)
TABLE = st.dictionaries(KEYS, TOML, max_size=6)
FILES = TABLE | st.fixed_dictionaries({}, optional=dict.fromkeys([*TABLES, "agents"], TABLE))


@given(raw=FILES)
@settings(max_examples=100)
def test_anything_at_all_is_settings_or_a_config_error(raw: dict[str, Any]) -> None:
    faults: list[str] = []
    try:
        assert isinstance(parse(raw, PATH), Settings)
    except ConfigError as error:
        faults = error.faults
    assert all(fault.startswith(f"{PATH}: ") for fault in faults)


def test_whoever_writes_a_secret_into_the_file_is_told_where_it_belongs() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({**ONE_AGENT, "twilio": {"auth_token": "abc"}}, Path("config.toml"))
    assert (
        "name an environment variable in auth_token_env, or a file in auth_token_file"
        in caught.value.faults[0]
    )
    assert "abc" not in caught.value.faults[0]
