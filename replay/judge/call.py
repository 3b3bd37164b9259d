"""One call of a comparison, as everything that judges it has it."""

from collections.abc import Mapping

from attrs import frozen

from replay.judge.metrics import Measures


@frozen
class Call:
    """One call of a variant: what was measured, or why nothing could be; `tape` is where to look.

    `promised` is which facts that must be said were; `judged` what a model that read the call says of it, if one did.
    """

    variant: str
    caller: str
    repeat: int
    tape: str
    measures: Measures | None
    error: str = ""
    promised: Mapping[str, bool] = {}
    judged: bool | None = None
