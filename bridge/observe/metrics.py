"""What the daemon counts, in Prometheus' words: fed with each call's record when it is over, and with a look at the
snapshot when somebody asks. Nothing here is called while a call's audio moves. Needs the `metrics` extra.
"""

import platform
from collections.abc import Iterable, Mapping
from typing import Any, Final

import trio
from attrs import define, field
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily

from bridge import __version__
from bridge.config import Secrets, Settings
from bridge.heart.error_policy import POLICIES
from bridge.heart.parts.filler import PLAYED
from bridge.heart.playout import CLIP
from bridge.heart.session_settings import OPTIONAL
from bridge.indexing.shipper import Shipper
from bridge.indexing.uploader import Uploader
from bridge.observe.metric_table import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    PER_AGENT,
    TIMES_PER_AGENT,
    TOTALS,
)
from bridge.observe.metric_words import (
    DEAD_AIR,
    ENDED_BY,
    EXCURSION_OUTCOMES,
    INCOMPLETE,
    JOURNAL_COUNTS,
    OTHER,
    OUTCOMES,
    REPLACED,
    SPEND_CAPS,
    TOKENS,
    TOOL_OUTCOMES,
    TRY_KINDS,
    UNTRANSCRIBED,
)
from bridge.observe.snapshot import Peaks, Snapshot
from bridge.store.overlaps import COUNTED
from bridge.store.records import Records, Row

WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "bridge_model_errors": tuple(POLICIES),
    "bridge_failed_responses": tuple(POLICIES),
    "bridge_model_tries_failed": TRY_KINDS,
    "bridge_incomplete_responses": INCOMPLETE,
    "bridge_failed_transcriptions": UNTRANSCRIBED,
    "bridge_refused_settings": OPTIONAL,
    "bridge_dead_air": DEAD_AIR,
    "bridge_spend_caps": SPEND_CAPS,
}
"""What the heart's counts can be of; anything else is other."""


@define(eq=False)
class _Totals:
    """Counters that somebody else keeps: shown as they stand, none of them ever falls."""

    refused: dict[str, int] = field(factory=dict)
    passed_on: dict[str, int] = field(factory=dict)
    not_made: dict[str, int] = field(factory=dict)
    traces: dict[str, int] = field(factory=dict)
    shed: int = 0
    lost: int = 0
    deaths: int = 0
    indexer_deaths: int = 0
    lake: Mapping[str, float] = field(factory=lambda: Shipper(Settings(), Secrets()).counts())
    refused_tapes: int = 0
    cpu_seconds: float = 0.0
    uploads: Mapping[str, float] = field(factory=lambda: Uploader(Settings()).counts())

    def look_at(self, snapshot: Snapshot) -> None:
        """Take the counts as they are now."""
        self.refused = dict(snapshot.switchboard.refused)
        self.passed_on = dict(snapshot.switchboard.fleet.passed_on)
        self.not_made = dict(snapshot.dialer.refused) if snapshot.dialer is not None else {}
        self.traces = dict(snapshot.trace_outcomes)
        vitals = snapshot.vitals()
        self.shed, self.lost = vitals.shed, vitals.lost
        self.deaths, self.cpu_seconds = vitals.deaths, vitals.cpu_seconds
        self.lake = snapshot.shipper.counts()
        self.uploads = snapshot.uploader.counts()
        self.indexer_deaths, self.refused_tapes = snapshot.indexer.deaths, snapshot.indexer.refused

    def collect(self) -> Iterable[Any]:
        """Return them as Prometheus' client wants them."""
        values: dict[str, Mapping[str, float]] = {
            "bridge_calls_refused": self.refused,
            "bridge_calls_passed_on": self.passed_on,
            "bridge_outgoing_calls_refused": self.not_made,
            "bridge_traces": {**dict.fromkeys(("exported", "failed", "dropped"), 0), **self.traces},
            "bridge_tape_lines_shed": {"": self.shed},
            "bridge_tapes_lost": {"": self.lost},
            "bridge_worker_deaths": {"": self.deaths},
            "bridge_indexer_deaths": {"": self.indexer_deaths},
            "bridge_store_refused_tapes": {"": self.refused_tapes},
            "bridge_cpu_seconds": {"": self.cpu_seconds},
            **{name: {"": value} for name, value in self.lake.items()},
            **{name: {"": value} for name, value in self.uploads.items()},
        }
        for it in TOTALS:
            family = CounterMetricFamily(it.name, it.text, labels=it.labels)
            for label, value in values[it.name].items():
                family.add_metric([label] if it.labels else [], value)
            yield family


@define(eq=False)
class Metrics:
    """All metrics of one daemon, in a registry of its own; each names its unit, and its HELP says what it tells."""

    agents: Iterable[str]
    host: str = ""
    registry: CollectorRegistry = field(factory=CollectorRegistry)
    _limiter: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1))
    _totals: _Totals = field(factory=_Totals)
    _counters: dict[str, Counter] = field(factory=dict)
    _gauges: dict[str, Gauge] = field(factory=dict)
    _histograms: dict[str, Histogram] = field(factory=dict)
    _known: set[str] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each of ours, of no use to anybody here
        for it in COUNTERS:
            self._counters[it.name] = Counter(it.name, it.text, it.labels, registry=self.registry)
        for it in GAUGES:
            self._gauges[it.name] = Gauge(it.name, it.text, it.labels, registry=self.registry)
        for it in HISTOGRAMS:
            self._histograms[it.name] = Histogram(
                it.name, it.text, it.labels, registry=self.registry, buckets=it.buckets
            )
        for agent in self.agents:
            self._know(agent)
        for name, words in WORDS.items():
            for word in (*words, OTHER):
                self._count(name, 0, word)
        self._gauges["bridge_build_info"].labels(__version__, platform.python_version(), self.host).set(1)
        self.registry.register(self._totals)
        ProcessCollector(registry=self.registry)

    def _know(self, agent: str) -> None:
        """Make every series an agent can have: Prometheus does not see the first step of one that appears with it."""
        if agent in self._known:
            return
        self._known.add(agent)
        for by in (*ENDED_BY, OTHER):
            self._count("bridge_calls", 0, agent, by)
        for outcome in (*OUTCOMES, OTHER):
            self._count("bridge_outgoing_calls", 0, agent, outcome)
        for name in PER_AGENT:
            self._count(name, 0, agent)
        for what in REPLACED.values():
            self._count("bridge_replacements", 0, agent, what)
        for why in COUNTED.values():
            self._count("bridge_speech_ignored", 0, agent, why)
        for kind in TOKENS:
            self._count("bridge_tokens", 0, agent, kind)
        for outcome in (*TOOL_OUTCOMES, OTHER):
            self._count("bridge_tool_calls", 0, agent, outcome)
        for outcome in (*EXCURSION_OUTCOMES, OTHER):
            self._count("bridge_excursions", 0, agent, outcome)
        for name in TIMES_PER_AGENT:
            self._histograms[name].labels(agent)

    def _count(self, name: str, amount: float, *labels: str) -> None:
        counter = self._counters[name]
        (counter.labels(*labels) if labels else counter).inc(max(0, amount))

    # ------------------------------------------------------------ when a call is over

    def add(self, records: Records) -> None:
        """Count an ended call."""
        call = records.call
        agent = call["agent"]
        self._know(agent)  # that the configuration has been read again is nothing we are told
        self._count("bridge_calls", 1, agent, _among(ENDED_BY, call["ended_by"]))
        if call["is_outgoing"]:
            what = call["answered_by"] or call["outcome"]
            self._count("bridge_outgoing_calls", 1, agent, _among(OUTCOMES, what))
        self._count("bridge_failure_sentences", call["next_step"] == "say", agent)
        self._count("bridge_barge_ins", call["interruptions"], agent)
        self._count("bridge_false_interruptions", call["false_interruptions"], agent)
        for column, why in COUNTED.items():
            self._count("bridge_speech_ignored", call[column], agent, why)
        self._count("bridge_nudges", sum(row["name"] == "nudged" for row in records.milestones), agent)
        cut = [row for row in records.items if row["cut"] and not row["item_id"].startswith(CLIP)]
        self._count("bridge_truncated_items", len(cut), agent)
        self._count("bridge_cost_usd", call["cost_usd"] or 0, agent)
        self._count("bridge_calls_without_price", bool(call["cost_without"]), agent)
        self._count("bridge_transcription_seconds", call["transcription_seconds"], agent)
        for kind, tokens in _tokens(call).items():
            self._count("bridge_tokens", tokens, agent, kind)
        for row in records.tool_calls:
            self._count("bridge_tool_calls", 1, agent, _outcome(row))
        for row in records.legs:
            if row["part"] == "excursion":
                self._count("bridge_excursions", 1, agent, _among(EXCURSION_OUTCOMES, row["outcome"]))
        for row in records.milestones:
            if what := REPLACED.get(row["name"]):
                self._count("bridge_replacements", 1, agent, what)
            self._count("bridge_fillers_played", row["name"] == PLAYED, agent)
        self._add_journal(call["counts"])
        self._add_times(records, agent)

    def _add_journal(self, counts: Row) -> None:
        for what, times in counts.items():
            kind, _, word = what.partition(": ")
            if name := JOURNAL_COUNTS.get(kind):
                self._count(name, times, _among(WORDS[name], word))

    def _add_times(self, records: Records, agent: str) -> None:
        call = records.call
        self._observe("bridge_call_seconds", call["duration_ms"], agent)
        self._observe("bridge_first_audio_seconds", call["first_audio_heard_ms"], agent)
        for row in records.turns:
            self._observe("bridge_turn_latency_seconds", row.get("latency_ms"), agent)
            self._observe("bridge_turn_response_seconds", row.get("response_ms"), agent)

    def _observe(self, name: str, ms: int | None, agent: str) -> None:
        if ms is not None:
            self._histograms[name].labels(agent).observe(ms / 1000)

    # ------------------------------------------------------------ between calls

    def lagged(self, seconds: float) -> None:
        """Count how late the loop was once."""
        self._histograms["bridge_loop_lag_seconds"].observe(seconds)

    def paused(self, seconds: float) -> None:
        """Count how long a garbage collection took."""
        self._histograms["bridge_gc_pause_seconds"].observe(seconds)

    async def page(self, snapshot: Snapshot, peaks: Peaks) -> bytes:
        """Return all metrics as Prometheus reads them; the text is made in a thread, it takes milliseconds."""
        self._look_at(snapshot, peaks)
        return await trio.to_thread.run_sync(generate_latest, self.registry, limiter=self._limiter)

    def _look_at(self, snapshot: Snapshot, peaks: Peaks) -> None:
        vitals = snapshot.vitals()
        values: dict[str, float] = {
            "bridge_calls_live": snapshot.live,
            "bridge_calls_waiting": snapshot.waiting,
            "bridge_calls_ringing": snapshot.ringing,
            "bridge_calls_limit": snapshot.limit,
            "bridge_loop_is_late": snapshot.host.is_late,
            "bridge_hosts_away": len(snapshot.switchboard.fleet.away()),
            "bridge_draining": snapshot.switchboard.is_closing,
            "bridge_loop_lag_max_seconds": peaks.lag_seconds.highest,
            "bridge_tape_lines_waiting": vitals.lines,
            "bridge_tape_lines_waiting_max": peaks.tape_lines.highest,
            "bridge_tapes_open": vitals.tapes,
            "bridge_recorder_failing": vitals.is_failing,
            "bridge_store_waiting_tapes": snapshot.indexer.lag,
            "bridge_store_oldest_seconds": snapshot.indexer.lag_seconds,
            "bridge_store_failing": bool(snapshot.indexer.fault),
            "bridge_store_tapes_set_aside": snapshot.indexer.set_aside,
            "bridge_indexer_memory_bytes": snapshot.indexer.memory_bytes,
            **snapshot.shipper.gauges(),
            "bridge_tasks": vitals.tasks,
            "bridge_threads": vitals.threads,
            "bridge_workers": vitals.workers,
            "bridge_generation": vitals.generation,
            "bridge_workers_retiring": vitals.retiring,
            "bridge_calls_with_older_code": vitals.retiring_calls,
            "bridge_memory_bytes": vitals.memory_bytes,
            **snapshot.uploader.gauges(),
        }
        for name, value in values.items():
            self._gauges[name].set(value)
        outbox = self._gauges["bridge_outbox_messages_max"]
        outbox.labels("phone").set(peaks.phone_outbox.highest)
        outbox.labels("model").set(peaks.model_outbox.highest)
        self._totals.look_at(snapshot)


def _among(known: Iterable[str], word: str) -> str:
    return word if word in known else OTHER


def _outcome(row: Row) -> str:
    """Return what came of a tool call; the heart answers some by itself, without running anything."""
    if row["joined"]:
        return "joined"
    if row["is_late"] and not row["is_delivered"]:
        return "undelivered"
    default = "not_run" if row["answered_ms"] is None else "answered"
    return _among(TOOL_OUTCOMES, row["error_kind"] or default)


def _tokens(call: Row) -> dict[str, int]:
    """Return a call's tokens by classes that add up: what was cached is taken out of what came in."""
    return {
        "text_uncached": call["text_in_tokens"] - call["text_cached_tokens"],
        "text_cached": call["text_cached_tokens"],
        "text_out": call["text_out_tokens"],
        "audio_uncached": call["audio_in_tokens"] - call["audio_cached_tokens"],
        "audio_cached": call["audio_cached_tokens"],
        "audio_out": call["audio_out_tokens"],
    }
