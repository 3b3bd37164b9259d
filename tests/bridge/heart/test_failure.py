"""Why a caller can't be served: each error of the model and each refused door has the cause that plans are named by."""

from typing import get_args

import pytest

from bridge.heart.error_policy import POLICIES, Policy
from bridge.heart.failure import OF_CODES, SILENT, Cause, cause_of_door, cause_of_error
from bridge.settings.places import CAUSES, TURNED_AWAY


def test_every_cause_is_one_that_a_plan_can_be_written_for() -> None:
    assert set(CAUSES) - set(TURNED_AWAY) == set(get_args(Cause))


def test_every_error_that_ends_a_call_has_its_cause() -> None:
    fatal = {code for code, policy in POLICIES.items() if policy in (Policy.END, Policy.RETRY)}
    assert fatal == set(OF_CODES)


@pytest.mark.parametrize(
    ("code", "kind", "cause"),
    [
        ("insufficient_quota", "", "quota"),
        ("", "insufficient_quota", "quota"),
        ("rate_limit_exceeded", "", "quota"),
        ("invalid_api_key", "invalid_request_error", "refused"),
        ("session_expired", "", "crashed"),
        ("brand_new", "invalid_request_error", SILENT),
        ("", "", SILENT),
    ],
)
def test_an_error_is_known_by_its_code_or_its_type(code: str, kind: str, cause: str) -> None:
    assert cause_of_error(code, kind, otherwise=SILENT) == cause


@pytest.mark.parametrize(
    ("why", "cause"),
    [
        ("wss://api.openai.com/v1/realtime refused the connection with HTTP 401", "refused"),
        ("wss://api.openai.com/v1/realtime refused the connection with HTTP 404", "refused"),
        ("wss://a refused the connection with HTTP 429, and asks for a pause of 2000 ms", "quota"),
        ("wss://a refused the connection with HTTP 503", "unreachable"),
        ("wss://a can't be reached: no answer", "unreachable"),
        ("wss://http-401.example.com can't be reached over TLS: HTTP 401", "unreachable"),
        ("", "unreachable"),
    ],
)
def test_a_refused_door_is_known_by_its_status(why: str, cause: str) -> None:
    assert cause_of_door(why) == cause
