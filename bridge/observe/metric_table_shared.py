"""The metrics of what several machines share, in the order of the table that they are part of."""

from typing import Final

from bridge.observe.metric import Metric

SHARED_TOTALS: Final = (
    Metric("bridge_uploads", "Tapes that were put into object storage and proved to be there.", ()),
    Metric(
        "bridge_uploads_failed",
        "Tries to put a tape there that failed, each to be made again: storage away, slow, or refusing.",
        (),
    ),
)

SHARED_GAUGES: Final = (
    Metric(
        "bridge_uploads_waiting",
        "Complete tapes that are here and not in object storage as they are; they wait on the disk. 1000 stands for "
        "that many or more.",
        (),
    ),
    Metric("bridge_uploads_failing", "1 while no tape can be put there; the log says why.", ()),
)
