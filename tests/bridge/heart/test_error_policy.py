"""What each error of the model asks of the call."""

import pytest

from bridge.heart.error_policy import Policy, policy_of


@pytest.mark.parametrize(
    ("code", "kind", "policy"),
    [
        ("conversation_already_has_active_response", "invalid_request_error", Policy.IGNORE),
        ("response_cancel_not_active", "invalid_request_error", Policy.IGNORE),
        ("input_audio_buffer_commit_empty", "invalid_request_error", Policy.IGNORE),
        ("rate_limit_exceeded", "tokens", Policy.RETRY),
        ("", "server_error", Policy.RETRY),
        ("credit_balance_exhausted", "insufficient_quota", Policy.END),
        ("something_new", "insufficient_quota", Policy.END),
        ("session_expired", "invalid_request_error", Policy.END),
        ("invalid_api_key", "invalid_request_error", Policy.END),
        ("invalid_value", "invalid_request_error", Policy.NOTE),
        ("something_new", "", Policy.NOTE),
        ("", "", Policy.NOTE),
    ],
)
def test_each_error_asks_something_of_the_call(code: str, kind: str, policy: Policy) -> None:
    assert policy_of(code, kind, "") is policy


def test_a_truncation_past_the_end_is_harmless_whatever_its_code() -> None:
    said = "Audio content of 9250ms is already shorter than 57340ms"
    assert policy_of("invalid_value", "invalid_request_error", said) is Policy.IGNORE
