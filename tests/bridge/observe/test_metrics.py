"""What is counted of a call, whatever its record holds; and that page, table, dashboard and alerts agree."""

import json
import re
import sys
from pathlib import Path

import pytest
from recorded import counted, record
from structlog.testing import capture_logs

from bridge import config
from bridge.extras import install_hint, missing_extras
from bridge.observe.metric_table import COUNTERS, GAUGES, HISTOGRAMS, TOTALS
from bridge.observe.metrics import Metrics
from bridge.observe.monitoring import Monitoring, never_fatal
from bridge.observe.snapshot import PEAK_SECONDS, Peak

ROOT = Path(__file__).parents[3]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def names_in(text: str) -> set[str]:
    """Return the metrics that a query, a dashboard or a list of alerts asks for."""
    return set(re.findall(r"\b(?:bridge|process)_[a-z_]+[a-z]\b", text))


# ---------------------------------------------------------------- a call's numbers


def test_turns_tokens_and_endings_are_those_of_the_record() -> None:
    call = record("interrupted")
    metrics = counted(call, call)
    agent = {"agent": "front-desk"}
    assert value(metrics, "bridge_calls_total", ended_by="tool", **agent) == 2
    assert value(metrics, "bridge_turn_latency_seconds_count", **agent) == 4
    assert value(metrics, "bridge_turn_latency_seconds_sum", **agent) == pytest.approx(2 * (0.864 + 0.679))
    assert value(metrics, "bridge_first_audio_seconds_sum", **agent) == pytest.approx(2 * 0.075)
    assert value(metrics, "bridge_barge_ins_total", **agent) == 2
    assert value(metrics, "bridge_truncated_items_total", **agent) == 2
    assert value(metrics, "bridge_cost_usd_total", **agent) == pytest.approx(2 * 0.013287)
    assert value(metrics, "bridge_tool_calls_total", outcome="answered", **agent) == 2
    assert value(metrics, "bridge_tool_calls_total", outcome="not_run", **agent) == 2


def test_what_was_replaced_and_each_clip_is_counted_and_a_clip_is_nothing_that_the_agent_said() -> None:
    call = record("interrupted")
    names = ("model_lost", "session_followed", "stream_lost", "model_lost", "filler_played")
    call.milestones.extend({"name": name, "t_ms": 0, "data": {}} for name in names)
    cut = sum(bool(row["cut"]) for row in call.items)
    call.items.append({"item_id": "clip_1", "cut": True})
    metrics = counted(call)
    agent = {"agent": "front-desk"}
    assert value(metrics, "bridge_replacements_total", what="session lost", **agent) == 2
    assert value(metrics, "bridge_replacements_total", what="session old", **agent) == 0
    assert value(metrics, "bridge_replacements_total", what="stream lost", **agent) == 1
    assert value(metrics, "bridge_fillers_played_total", **agent) == 1
    assert value(metrics, "bridge_truncated_items_total", **agent) == cut


def test_classes_of_tokens_add_up() -> None:
    call = record("interrupted").call
    metrics = counted(record("interrupted"))
    kinds = ("text_uncached", "text_cached", "text_out", "audio_uncached", "audio_cached", "audio_out")
    found = {
        kind: value(metrics, "bridge_tokens_total", agent="front-desk", **{"class": kind}) for kind in kinds
    }
    assert found["text_uncached"] == call["text_in_tokens"] - call["text_cached_tokens"]
    assert sum(filter(None, found.values())) == sum(
        call[f"{name}_tokens"] for name in ("text_in", "text_out", "audio_in", "audio_out")
    )


@pytest.mark.parametrize(
    ("answered_by", "outcome", "counted_as"),
    [("person", "answered", "person"), ("machine", "answered", "machine"), (None, "busy", "busy"),
     (None, "a word of next year", "other")],
)  # fmt: skip
def test_a_call_that_was_made_is_counted_by_what_came_of_it(
    answered_by: str | None, outcome: str, counted_as: str
) -> None:
    call = record("interrupted")
    before = value(counted(call), "bridge_outgoing_calls_total", agent="front-desk", outcome=counted_as)
    call.call |= {"is_outgoing": True, "answered_by": answered_by, "outcome": outcome}
    after = value(counted(call), "bridge_outgoing_calls_total", agent="front-desk", outcome=counted_as)
    assert (before, after) == (0, 1)


def test_errors_are_counted_by_the_codes_we_know() -> None:
    call = record("model_lost")
    call.call["counts"] |= {"model error: made up by a peer": 3, "response failed: server_error": 2}
    metrics = counted(call)
    assert value(metrics, "bridge_model_errors_total", code="session_expired") == 1
    assert value(metrics, "bridge_model_errors_total", code="other") == 3
    assert value(metrics, "bridge_failed_responses_total", code="server_error") == 2
    assert value(metrics, "bridge_failure_sentences_total", agent="front-desk") == 1


@pytest.mark.parametrize(
    ("counts", "name", "label"),
    [
        ("response incomplete: content_filter", "bridge_incomplete_responses_total", "reason"),
        ("transcription failed: audio_unintelligible", "bridge_failed_transcriptions_total", "code"),
        ("setting refused: audio.input.transcription", "bridge_refused_settings_total", "setting"),
        ("dead air: given_up", "bridge_dead_air_total", "did"),
    ],
)
def test_what_the_heart_counted_is_counted_by_its_words(counts: str, name: str, label: str) -> None:
    call = record("interrupted")
    kind, _, word = counts.partition(": ")
    call.call["counts"] |= {counts: 2, f"{kind}: made up by a peer": 3}
    metrics = counted(call)
    assert value(metrics, name, **{label: word}) == 2
    assert value(metrics, name, **{label: "other"}) == 3


def test_whatever_a_peer_makes_up_adds_no_series() -> None:
    def series(metrics: Metrics) -> int:
        return sum(len(family.samples) for family in metrics.registry.collect())

    calls = []
    for number in range(20):
        call = record("interrupted")
        call.call["counts"] |= {f"model error: code {number}": 1}
        for row in call.tool_calls:
            row.update(name=f"tool {number}", error_kind=f"kind {number}")
        calls.append(call)
    assert series(counted(*calls)) == series(counted())


def test_numbers_that_cant_be_are_no_harm() -> None:
    call = record("interrupted")
    call.call.update(audio_out_tokens=-5, cost_usd=None, first_audio_heard_ms=None, text_in_tokens=0)
    metrics = counted(call)
    assert value(metrics, "bridge_tokens_total", agent="front-desk", **{"class": "audio_out"}) == 0
    assert value(metrics, "bridge_first_audio_seconds_count", agent="front-desk") == 0


def test_every_series_is_there_before_the_first_call() -> None:
    metrics = counted(agents=("a", "b"))
    assert value(metrics, "bridge_calls_total", agent="b", ended_by="bridge") == 0
    assert value(metrics, "bridge_model_errors_total", code="rate_limit_exceeded") == 0
    assert value(metrics, "bridge_turn_latency_seconds_count", agent="a") == 0


def test_an_agent_that_came_with_a_reload_has_all_its_series_with_its_first_call() -> None:
    metrics = counted(record("interrupted"), agents=())
    assert value(metrics, "bridge_calls_total", agent="front-desk", ended_by="tool") == 1
    assert value(metrics, "bridge_calls_total", agent="front-desk", ended_by="bridge") == 0


# ---------------------------------------------------------------- never at a call's cost


def test_a_record_that_cant_be_counted_is_logged_and_no_more() -> None:
    call = record("interrupted")
    del call.call["counts"]
    with capture_logs() as logs:
        Monitoring(metrics=counted()).add(call)
    assert [entry["event"] for entry in logs] == ["an ended call could not be counted"]


async def test_a_bug_in_what_only_watches_ends_that_alone() -> None:
    async def crash(why: str) -> None:
        raise RuntimeError(why)

    with capture_logs() as logs:
        await never_fatal(crash, "a bug")
    assert [entry["log_level"] for entry in logs] == ["error"]


# ---------------------------------------------------------------- peaks


def test_a_peak_is_seen_for_one_interval_after_its_own_and_no_longer() -> None:
    peak = Peak()
    peak.see(9.0, at=100.0)
    peak.see(1.0, at=100.0 + PEAK_SECONDS)
    assert peak.highest == 9.0
    peak.see(2.0, at=100.0 + 2 * PEAK_SECONDS)
    assert peak.highest == 2.0


def test_a_peak_from_before_a_long_sleep_is_forgotten() -> None:
    peak = Peak()
    peak.see(9.0, at=100.0)
    peak.see(1.0, at=100.0 + 3 * PEAK_SECONDS)
    assert peak.highest == 1.0


# ---------------------------------------------------------------- the packages


def test_an_option_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("prometheus_client", "opentelemetry.exporter.otlp.proto.http"):
        monkeypatch.setitem(sys.modules, package, None)
    raw = {"admin": {"bind": "127.0.0.1:0"}, "tracing": {"endpoint": "http://c.example.com/v1/traces"}}
    settings = config.parse({"agents": {"a": {}}, **raw}, Path("config.toml"))
    metrics, traces = missing_extras(settings)
    assert metrics.startswith(f"[admin] bind needs packages that are not here: {install_hint('metrics')}")
    assert traces.startswith(f"[tracing] endpoint needs packages that are not here: {install_hint('otel')}")
    assert missing_extras(config.parse({"agents": {"a": {}}}, Path("config.toml"))) == []


# ---------------------------------------------------------------- what is written elsewhere


def test_every_metric_is_in_the_registry_with_its_unit_and_help() -> None:
    found = {family.name: family for family in counted().registry.collect()}
    for metric in (*COUNTERS, *TOTALS, *GAUGES, *HISTOGRAMS):
        assert found[metric.name].documentation == metric.text


def test_the_dashboard_shows_every_metric_and_can_be_imported() -> None:
    board = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    asked = names_in(
        " ".join(target["expr"] for panel in board["panels"] for target in panel.get("targets", []))
    )
    plain = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in asked}
    assert {metric.name for metric in (*COUNTERS, *TOTALS, *GAUGES, *HISTOGRAMS)} <= plain
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])
