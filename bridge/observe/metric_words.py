"""The words that metrics are told by: what became of a call, a tool, a try. Each set is closed: series stay few."""

from collections.abc import Mapping
from typing import Final

OUTCOMES: Final = ("person", "machine", "fax", "unknown", "busy", "no_answer", "failed", "canceled")
"""Of a call that we made: who or what answered it, or why nobody did."""

ENDED_BY: Final = ("caller", "model", "tool", "limit", "operator", "bridge")
TOOL_OUTCOMES: Final = (
    "answered", "arguments", "cancelled", "crashed", "timeout", "joined", "undelivered", "not_run",
)  # fmt: skip
"""`not_run`: hang_up, which is ours; a tool that there isn't; one too many at once."""

EXCURSION_OUTCOMES: Final = (
    "completed", "busy", "no_answer", "declined", "failed", "canceled", "sent", "collected", "empty", "recorded",
    "bridged", "left", "full", "refused", "hung_up", "ended",
)  # fmt: skip

OTHER: Final = "other"
"""Stands for every word that a peer chose and we don't know: the number of series has a bound."""

TOKENS: Final = ("text_uncached", "text_cached", "text_out", "audio_uncached", "audio_cached", "audio_out")
JOURNAL_COUNTS: Final = {
    "model error": "bridge_model_errors",
    "response failed": "bridge_failed_responses",
    "model try failed": "bridge_model_tries_failed",
    "response incomplete": "bridge_incomplete_responses",
    "transcription failed": "bridge_failed_transcriptions",
    "setting refused": "bridge_refused_settings",
    "dead air": "bridge_dead_air",
    "spend cap": "bridge_spend_caps",
}
"""How the heart's journal counts them, each with a word behind a colon, and what they are here."""

SPEND_CAPS: Final = ("near", "reached")
REPLACED: Final[Mapping[str, str]] = {
    "model_lost": "session lost",
    "session_left": "session old",
    "stream_lost": "stream lost",
}
"""What of a call was replaced while it went on, by the milestone that says so."""

DEAD_AIR: Final = ("asked", "turn_closed", "given_up")
INCOMPLETE: Final = ("max_output_tokens", "content_filter")
UNTRANSCRIBED: Final = ("audio_unintelligible", "no code", "server_error", "rate_limit_exceeded")

TRY_KINDS: Final = ("HTTP 429", "HTTP 5xx", "unreachable", "TLS", "handshake")
"""How a try to open the model's socket can fail that is made again."""
