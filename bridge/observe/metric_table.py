"""Every metric there is: its name, what it tells, its labels and steps; `docs/observability.md` has the same table."""

from typing import Final

from bridge.observe.metric import Metric
from bridge.observe.metric_table_shared import SHARED_GAUGES, SHARED_TOTALS

LATENCY_BUCKETS: Final = (0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.6, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
"""Seconds. People take turns within 0.2 s of each other and find 1 s slow: the steps are finest there."""

LAG_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds. A frame is 0.02; callers hear what is beyond the lead, 0.3."""

PAUSE_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
"""Seconds. Most are below 1 ms; what is above 5 ms is a full collection beside live calls, or a bug."""

CALL_BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)

PER_AGENT: Final = (
    "bridge_failure_sentences",
    "bridge_barge_ins",
    "bridge_nudges",
    "bridge_fillers_played",
    "bridge_false_interruptions",
    "bridge_truncated_items",
    "bridge_cost_usd",
    "bridge_calls_without_price",
    "bridge_transcription_seconds",
)

COUNTERS: Final[tuple[Metric, ...]] = (
    Metric(
        "bridge_calls",
        "Calls that ended, by who ended them: caller, model, tool (the agent hung up), limit, operator (shutdown), "
        "bridge (a bug of ours). A healthy line shows caller and tool.",
        ("agent", "ended_by"),
    ),
    Metric(
        "bridge_outgoing_calls",
        "Calls that were made and have ended, by what came of them: answered by a person, machine, fax or unknown; "
        "else busy, no_answer, failed, canceled.",
        ("agent", "outcome"),
    ),
    Metric(
        "bridge_failure_sentences",
        "Calls whose caller heard the failure sentence: the model could not be had, refused, or died, or "
        "the bridge has a bug.",
        ("agent",),
    ),
    Metric("bridge_barge_ins", "Times that a caller cut the agent off.", ("agent",)),
    Metric(
        "bridge_replacements",
        "Times that what carried a call was to be replaced while the call went on: session lost (the model's), session "
        "old (left before its limit), stream lost (the phone's media socket).",
        ("agent", "what"),
    ),
    Metric(
        "bridge_fillers_played",
        "Times that a caller who waited for a session heard the clip of [agents.NAME.filler].",
        ("agent",),
    ),
    Metric(
        "bridge_speech_ignored",
        "Times that callers spoke into what an agent said and did not interrupt it, by its speaking rules: noise, "
        "backchannel, protected, short.",
        ("agent", "why"),
    ),
    Metric(
        "bridge_false_interruptions",
        "Times that an agent stopped for what was no interruption, and went on where it was.",
        ("agent",),
    ),
    Metric(
        "bridge_truncated_items",
        "Things the agent said that the caller did not hear to the end; the model was told how much they heard.",
        ("agent",),
    ),
    Metric(
        "bridge_tool_calls",
        "Tool calls by what came of them: answered; failed for arguments, a crash, a timeout; cancelled; joined to one "
        "with the same arguments; undelivered for a late result that the caller was not told of; not_run for hang_up, "
        "a tool that there isn't, one too many at once.",
        ("agent", "outcome"),
    ),
    Metric(
        "bridge_nudges",
        "Times that the agent promised to look something up and called no tool, and was told so as the caller waited.",
        ("agent",),
    ),
    Metric(
        "bridge_excursions",
        "Times that callers left the stream, by what came of it: completed, busy, no_answer, declined, failed, "
        "canceled for whoever was rung; sent, collected, empty, recorded; bridged, left, full for queues; refused by "
        "Twilio; hung_up; ended with the call, also for those who did not come back.",
        ("agent", "outcome"),
    ),
    Metric(
        "bridge_tokens",
        "Tokens by class; the classes don't overlap, so their sum is all there were.",
        ("agent", "class"),
    ),
    Metric(
        "bridge_cost_usd",
        "What ended calls cost by the published prices; models without a known price add nothing.",
        ("agent",),
    ),
    Metric(
        "bridge_calls_without_price",
        "Ended calls whose cost leaves something out: the model, or the transcription, has no known price.",
        ("agent",),
    ),
    Metric(
        "bridge_transcription_seconds",
        "Seconds of callers' speech that were written down, where the server tells them.",
        ("agent",),
    ),
    Metric(
        "bridge_model_errors",
        "Error messages of the model by code; codes we have no policy for are other. Most are harmless races: look "
        "at rate_limit_exceeded, insufficient_quota, invalid_api_key, other.",
        ("code",),
    ),
    Metric(
        "bridge_failed_responses",
        "Answers that the model began and failed to finish, by error code.",
        ("code",),
    ),
    Metric(
        "bridge_model_tries_failed",
        "Tries to open the model's socket that failed and were made again, by how. The call may have gone well.",
        ("kind",),
    ),
    Metric(
        "bridge_incomplete_responses",
        "Answers that were broken off by the model's own limit or filter: max_output_tokens, content_filter.",
        ("reason",),
    ),
    Metric(
        "bridge_failed_transcriptions",
        "Turns of callers whose words could not be written down, by error code; the model heard them all the same.",
        ("code",),
    ),
    Metric(
        "bridge_refused_settings",
        "Calls whose model refused this setting of their session: they go on without it, see bridge doctor.",
        ("setting",),
    ),
    Metric(
        "bridge_dead_air",
        "Times that a caller waited answer_timeout_ms in silence, by what was done: asked (the model, once more), "
        "turn_closed (a turn of max_turn_seconds whose end was not heard), given_up (the failure sentence).",
        ("did",),
    ),
    Metric(
        "bridge_spend_caps",
        "Calls that came near their spend_cap_usd (spend_warn_percent of it), and those that reached it: they ended "
        "with a goodbye.",
        ("did",),
    ),
)
GAUGES: Final[tuple[Metric, ...]] = (
    Metric("bridge_calls_live", "Calls with a media stream, now.", ()),
    Metric(
        "bridge_calls_waiting",
        "Calls between webhook and media stream, now. Usually under a second each: many mean that "
        "Twilio's media sockets don't get through.",
        (),
    ),
    Metric("bridge_calls_ringing", "Calls that are being made and have no media stream yet, now.", ()),
    Metric(
        "bridge_calls_limit",
        "max_calls: live and waiting calls together stay below it, and the next hear a busy tone.",
        (),
    ),
    Metric("bridge_draining", "1 while no more calls are taken and live ones may end.", ()),
    Metric(
        "bridge_loop_lag_max_seconds",
        "How late the event loop was at worst in the last 15 to 30 seconds. Beyond 0.02 frames leave late, beyond "
        "0.3 callers hear gaps.",
        (),
    ),
    Metric(
        "bridge_loop_is_late",
        "1 while new calls are refused because the event loop is more than [server] max_lag_ms late again and again.",
        (),
    ),
    Metric(
        "bridge_outbox_messages_max",
        "Most messages that waited for one call's peer in the last 15 to 30 seconds, looked at once a second. "
        "A few are usual: a peer counts as stalled when one waits for 5 s.",
        ("leg",),
    ),
    Metric("bridge_tape_lines_waiting", "Tape lines of all calls that wait for the disk, now.", ()),
    Metric(
        "bridge_tape_lines_waiting_max",
        "Most lines that one tape had waiting in the last 15 to 30 seconds; about 20 are usual, at 20000 audio is "
        "shed.",
        (),
    ),
    Metric(
        "bridge_tapes_open",
        "Tapes that are not complete on disk: live calls, and ended ones yet to be closed.",
        (),
    ),
    Metric(
        "bridge_recorder_failing",
        "1 when a tape could not be written, synced or compressed the last time: disk full or gone. Calls go on.",
        (),
    ),
    Metric("bridge_store_waiting_tapes", "Ended calls that are not in calls.duckdb yet.", ()),
    Metric(
        "bridge_store_oldest_seconds",
        "How long the oldest of them waits: minutes mean that another process holds the file. These calls are in no "
        "counter here yet.",
        (),
    ),
    Metric(
        "bridge_store_failing",
        "1 while calls.duckdb can't be used: damaged, or of a newer version. Calls go on and their tapes wait; the "
        "log, `bridge doctor` and the service's status say what to do.",
        (),
    ),
    Metric(
        "bridge_store_tapes_set_aside",
        "Tapes that the indexer died of again and again; each is tried again after ever longer pauses.",
        (),
    ),
    Metric(
        "bridge_indexer_memory_bytes",
        "Resident memory of the process that holds DuckDB; 0 while it has nothing to do and there is none.",
        (),
    ),
    *SHARED_GAUGES,
    Metric("bridge_tasks", "Trio tasks; about 15 and 10 a call. More and more of them are a leak.", ()),
    Metric(
        "bridge_threads",
        "Python threads: tools, tapes. More and more of them are a tool that hangs.",
        (),
    ),
    Metric(
        "bridge_memory_bytes",
        "Resident memory of all processes that carry calls; `process_*` is the first one's alone.",
        (),
    ),
    Metric(
        "bridge_workers",
        "Processes that can take calls: [server] workers, and fewer while one that died is started again.",
        (),
    ),
    Metric(
        "bridge_generation",
        "Whose workers take new calls: 1, and one more with each reload of code.",
        (),
    ),
    Metric(
        "bridge_workers_retiring",
        "Processes with older code that end their calls. More than 0 for hours: a call that does not end.",
        (),
    ),
    Metric(
        "bridge_calls_with_older_code",
        "Calls that go on in those.",
        (),
    ),
    Metric(
        "bridge_build_info",
        "Always 1; says which version runs, on which Python, and what this host is called in its fleet.",
        ("version", "python", "host"),
    ),
    Metric(
        "bridge_hosts_away",
        "Other hosts of the fleet that do not answer this one, or take no calls; first webhooks are not led there.",
        (),
    ),
)
HISTOGRAMS: Final[tuple[Metric, ...]] = (
    Metric(
        "bridge_turn_latency_seconds",
        "From the caller's last sound to the first sound of the answer that they heard: what they feel. Known for "
        "server_vad alone.",
        ("agent",),
        LATENCY_BUCKETS,
    ),
    Metric(
        "bridge_turn_response_seconds",
        "From turn detection's verdict to the first sound heard: without the silence that the setting waits for.",
        ("agent",),
        LATENCY_BUCKETS,
    ),
    Metric(
        "bridge_first_audio_seconds",
        "From the start of the media stream to the first sound of the greeting that was heard.",
        ("agent",),
        LATENCY_BUCKETS,
    ),
    Metric("bridge_call_seconds", "How long calls lasted, from webhook to end.", ("agent",), CALL_BUCKETS),
    Metric(
        "bridge_loop_lag_seconds",
        "How late a task woke up that wants to ten times a second: what every task of every call suffers.",
        (),
        LAG_BUCKETS,
    ),
    Metric(
        "bridge_gc_pause_seconds",
        "How long a garbage collection stopped all calls of its process. Those between calls, which nobody hears, are "
        "in it too.",
        (),
        PAUSE_BUCKETS,
    ),
)
TOTALS: Final[tuple[Metric, ...]] = (
    Metric(
        "bridge_calls_refused",
        "Calls that were not taken, by the setting that said so; draining: busy tones; closed: outside opening hours; "
        "max_cost_per_day_usd: the day's calls have cost that much.",
        ("reason",),
    ),
    Metric(
        "bridge_calls_passed_on",
        "First webhooks that were led to another host, by why: preferred (the call is to be there), or what left no "
        "room here.",
        ("reason",),
    ),
    Metric(
        "bridge_outgoing_calls_refused",
        "Calls that were asked for and not made, by what to look at: a setting, a list, the hour, a limit. Twilio was "
        "not asked.",
        ("reason",),
    ),
    Metric(
        "bridge_traces",
        "Ended calls by what became of their trace: exported, failed (the collector), dropped (too many waited).",
        ("outcome",),
    ),
    Metric(
        "bridge_tape_lines_shed",
        "Audio lines that are on no tape, because the disk could not keep up; decisions are never shed.",
        (),
    ),
    Metric("bridge_cpu_seconds", "CPU time of all processes that carry calls.", ()),
    Metric(
        "bridge_worker_deaths", "Worker processes that died, each with its calls: 0, or there is a bug.", ()
    ),
    Metric(
        "bridge_indexer_deaths",
        "Times that the process with DuckDB died; no call and no row is lost by it.",
        (),
    ),
    Metric(
        "bridge_store_refused_tapes",
        "Tapes that can't be indexed as they are; the log names each.",
        (),
    ),
    *SHARED_TOTALS,
    Metric("bridge_tapes_lost", "Tapes given up because too many waited for a disk that failed.", ()),
)

TIMES_PER_AGENT: Final = tuple(metric.name for metric in HISTOGRAMS if metric.labels == ("agent",))
