"""Work that is handed out comes back in its order, and no more of it is under way than the bound says."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from replay.cluster.pool import MOST_UNDER_WAY, Pool, PoolError, open_pool


def doubled(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(3)])
def test_results_come_in_the_order_of_the_pieces(executor: ThreadPoolExecutor | None) -> None:
    assert list(Pool(executor).ordered(doubled, range(1000))) == [2 * number for number in range(1000)]


def test_any_number_of_pieces_is_taken_bit_by_bit() -> None:
    taken = list[int]()

    def pieces() -> Iterator[int]:
        for number in range(10 * MOST_UNDER_WAY):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as executor:
        coming = Pool(executor).ordered(doubled, pieces())
        assert next(coming) == 0
        assert len(taken) == MOST_UNDER_WAY
        coming.close()  # type: ignore[attr-defined]  # a generator


def test_what_is_wrong_with_a_piece_reaches_whoever_wants_it() -> None:
    with ThreadPoolExecutor(2) as executor, pytest.raises(TypeError):
        list(Pool(executor).ordered(doubled, [1, None]))  # type: ignore[list-item]


@pytest.mark.parametrize("bundle", [1, 3, 1000])
def test_bundles_make_no_difference(bundle: int) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert list(Pool(executor).each(doubled, range(100), bundle)) == list(map(doubled, range(100)))
    assert list(Pool().each(doubled, range(100), bundle)) == list(map(doubled, range(100)))


def test_a_scheduler_that_is_not_there_is_said_to_be() -> None:
    pytest.importorskip("distributed")
    with (
        pytest.raises(PoolError, match="no Dask scheduler answers"),
        open_pool(scheduler="tcp://127.0.0.1:9"),
    ):
        pass
