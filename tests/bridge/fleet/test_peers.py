"""What can be read of the calls that another host tells of."""

import msgspec
from hypothesis import given
from hypothesis import strategies as some

from bridge.fleet.peers import MOST_CALLS, MOST_LETTERS, SHOWN, calls_in

JSON = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**53), 2**53)
    | some.floats(allow_nan=False)
    | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.sampled_from([*SHOWN, "seconds", "x"]), inner),
    max_leaves=20,
)


@given(some.binary() | JSON.map(msgspec.json.encode) | some.lists(JSON).map(msgspec.json.encode))
def test_whatever_a_host_says_it_is_read_as_a_few_short_words(body: bytes) -> None:
    found = calls_in(body)
    assert len(found) <= MOST_CALLS
    for call in found:
        assert call.keys() == {*SHOWN, "seconds"}
        assert all(isinstance(call[name], str) and len(call[name]) <= MOST_LETTERS for name in SHOWN)
        assert 0 <= call["seconds"] <= 7 * 86_400
