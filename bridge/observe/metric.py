"""What a metric is."""

from attrs import frozen


@frozen
class Metric:
    """One metric; counters are shown with `_total` behind the name."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
