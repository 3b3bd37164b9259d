"""How long a server asks to be left alone, in the words and headers in which it does."""

import pytest

from bridge.wire.retry_after import retry_after_ms


@pytest.mark.parametrize(("words", "ms"), [
    ("Limit 40000, Used 39950, Requested 620. Please try again in 1.2s.", 1200),
    ("Rate limit reached. Please try again in 620ms. Visit https://example.com to learn more.", 620),
    ("Please try again in 1m2.5s.", 62_500), ("try again in 1h0m0s", 3_600_000),
    ("Try again in 20 seconds.", 20_000), ("please try again in 2 minutes", 120_000),
    ("Please retry after 3 seconds.", 3000), ("try again in 999h", 3_600_000),
    ("20", 20_000), ("0", 0), (" 1.5 ", 1500), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("", None),
    ("try again in a moment", None), ("try again later", None), ("in 5s", None), ("try again in s", None),
    ("1e9", None), ("try again in " + "1s " * 10_000, 3_600_000),
])  # fmt: skip
def test_how_long_a_server_asks_to_be_left_alone(words: str, ms: int | None) -> None:
    assert retry_after_ms(words) == ms
