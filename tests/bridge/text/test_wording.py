"""Times as people read them: rounded to the nearest, the same way wherever they stand."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.page.drawing import clock
from bridge.text.wording import nearest, seconds


@given(st.integers(0, 4_000_000), st.sampled_from([10, 100, 1000]))
def test_a_time_is_never_further_off_than_half_of_its_last_digit(ms: int, unit_ms: int) -> None:
    assert abs(nearest(ms, unit_ms) * unit_ms - ms) <= unit_ms // 2


def test_what_a_page_has_in_tenths_is_the_nearest_one() -> None:
    told = [clock(ms) for ms in (-5, 0, 49, 50, 285, 290, 59_949, 59_950, 61_234)]
    assert told == [
        "0:00.0",
        "0:00.0",
        "0:00.0",
        "0:00.1",
        "0:00.3",
        "0:00.3",
        "0:59.9",
        "1:00.0",
        "1:01.2",
    ]
    assert [clock(ms, 0) for ms in (499, 500, 59_500)] == ["0:00", "0:01", "1:00"]


def test_a_length_of_time_is_rounded_as_well_and_never_sixty_seconds() -> None:
    told = [seconds(ms) for ms in (50, 59_949, 59_950, 119_400, 119_500)]
    assert told == ["0.1 s", "59.9 s", "1 min 00 s", "1 min 59 s", "2 min 00 s"]
