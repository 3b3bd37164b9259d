"""Every test here waits on a clock that waits for work: a call of a minute takes a second, on a busy machine two."""

import inspect

import pytest

from bench import patient_clock


def pytest_itemcollected(item: pytest.Item) -> None:
    """Run a test on the patient clock."""
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
        item.add_marker(pytest.mark.trio(run=patient_clock.run), append=False)
