"""What a webhook's fragment asks for."""

import pytest

from replay.phone.instructions.overrides import Overrides, kind_of, overrides_of

URL = "https://bridge.example.com/voice?n=1"


def test_without_one_a_request_is_made_again_only_where_no_connection_came_about() -> None:
    default = overrides_of(URL)
    assert default == Overrides()
    assert [what for what in ("ct", "rt", "4xx", "5xx", "") if default.retry(what)] == ["ct"]


def test_it_says_how_long_and_how_often_and_after_what() -> None:
    found = overrides_of(f"{URL}#rc=2&rp=rt,5xx&ct=200&rt=1000&tt=4000&sni=n")
    assert (found.retries, found.connect_s, found.read_s, found.total_s) == (2, 0.2, 1, 4)
    assert [what for what in ("ct", "rt", "4xx", "5xx") if found.retry(what)] == ["rt", "5xx"]
    assert [kind_of(status) for status in (200, 204, 302, 403, 503)] == ["", "", "", "4xx", "5xx"]


@pytest.mark.parametrize("fragment", ["rp=often", "rp=ct,often", "rc=6", "rc=two", "ct=99", "tt=15001"])
def test_what_twilio_would_not_understand_is_its_error(fragment: str) -> None:
    with pytest.raises(ValueError, match=f"^#{fragment[:2]}=.*: use "):
        overrides_of(f"{URL}#{fragment}")
