"""The metrics of what several machines share, in the order of the table that they are part of."""

from typing import Final

from bridge.observe.metric import Metric

SHARED_TOTALS: Final = (
    Metric(
        "bridge_lake_sent_calls", "Calls whose rows the lake has taken, those it had already included.", ()
    ),
    Metric(
        "bridge_lake_conflicts",
        "Times that a transaction was begun anew because another host had written in between.",
        (),
    ),
    Metric("bridge_lake_deaths", "Times that the process that writes to the lake died.", ()),
    Metric("bridge_uploads", "Tapes that were put into object storage and proved to be there.", ()),
    Metric(
        "bridge_uploads_failed",
        "Tries to put a tape there that failed, each to be made again: storage away, slow, or refusing.",
        (),
    ),
)

SHARED_GAUGES: Final = (
    Metric(
        "bridge_lake_waiting_calls",
        "Ended calls that are here and not in the lake, as of the last try; they wait on the disk.",
        (),
    ),
    Metric(
        "bridge_lake_oldest_seconds",
        "How long the one that waits longest has waited: as a rule no longer than [store] lake_seconds.",
        (),
    ),
    Metric("bridge_lake_failing", "1 while the lake can't be written to; the log says why.", ()),
    Metric(
        "bridge_lake_memory_bytes",
        "Resident memory of the process that writes to the lake; 0 while there is none.",
        (),
    ),
    Metric(
        "bridge_uploads_waiting",
        "Complete tapes that are here and not in object storage as they are; they wait on the disk. 1000 stands for "
        "that many or more.",
        (),
    ),
    Metric("bridge_uploads_failing", "1 while no tape can be put there; the log says why.", ()),
)
