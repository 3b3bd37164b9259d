"""The error policy as data: what each error of a model asks of the call. Pure."""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Policy(Enum):
    """What an error of the model asks of the call."""

    IGNORE = "ignore"
    """A harmless race: count it, go on."""
    NOTE = "note"
    """Not understood or our own fault: count it, log it once, go on."""
    RETRY = "retry"
    """The response failed for now: ask again a little later."""
    END = "end"
    """No response can be had any more: use the failure plan."""


SESSION_EXPIRED: Final = "session_expired"

POLICIES: Final[Mapping[str, Policy]] = {
    "conversation_already_has_active_response": Policy.IGNORE,
    "response_cancel_not_active": Policy.IGNORE,
    "input_audio_buffer_commit_empty": Policy.IGNORE,
    "item_truncate_invalid_item_id": Policy.IGNORE,
    "rate_limit_exceeded": Policy.RETRY,
    "server_error": Policy.RETRY,
    "insufficient_quota": Policy.END,
    "credit_balance_exhausted": Policy.END,
    SESSION_EXPIRED: Policy.END,
    "invalid_api_key": Policy.END,
    "model_not_found": Policy.END,
    "missing_model": Policy.END,
    "beta_api_shape_disabled": Policy.END,
}
"""Everything not named here is a NOTE: an unknown code is survived and counted, fatal only if the socket closes."""


def policy_of(code: str, kind: str, message: str) -> Policy:
    """Return the policy for an error's code, or its type where the code says nothing."""
    if "is already shorter than" in message:
        return Policy.IGNORE  # a truncate past the end: the code of this one is not known for certain
    return POLICIES.get(code) or POLICIES.get(kind) or Policy.NOTE
