"""How full the disk is: told of before it matters, and when it does, sound is given up so that records are not."""

import shutil
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

import structlog
import trio
from attrs import define, field, frozen

from bridge.config import Recording

EVERY_SECONDS: Final = 60
GB: Final = 10**9
MB: Final = 10**6
log = structlog.get_logger(__name__)


@frozen
class Usage:
    """Bytes that the data folder holds (0 unless there is a quota), and bytes free on its file system."""

    used: int
    free: int


def usage_of(folder: Path, *, counts_files: bool = True) -> Usage:
    """Look at the disk. Raises `OSError`."""
    used = sum(_size(path) for path in folder.rglob("*")) if counts_files else 0
    return Usage(used, shutil.disk_usage(folder).free)


def _size(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:
        return 0  # a tape that was just compressed, or deleted
    return status.st_size


class Level(Enum):
    """How full it is: at OVER no sound is kept, until it is FINE again."""

    FINE = "fine"
    NEAR = "near"
    OVER = "over"


def fullness(usage: Usage, recording: Recording) -> tuple[float, str]:
    """Return the share of what may be used that is used, 1 at the limit, and that limit in words."""
    quota, floor = recording.quota_gb * GB, recording.min_free_mb * MB
    of_quota = usage.used / quota if quota else 0.0
    of_floor = floor / max(usage.free, 1)
    if of_floor > of_quota:
        return of_floor, f"{usage.free / MB:.0f} MB are free, min_free_mb is {recording.min_free_mb}"
    return of_quota, f"{usage.used / GB:.3f} GB are used, quota_gb is {recording.quota_gb:g}"


def level_of(share: float, was: Level, warn_percent: int) -> Level:
    """Return the level at this share; what was given up comes back only below the warning."""
    if share >= 1:
        return Level.OVER
    if share < warn_percent / 100:
        return Level.FINE
    return Level.OVER if was is Level.OVER else Level.NEAR


class KeepsSound(Protocol):
    """Whoever can keep silence in place of sound."""

    def hush(self, why: str) -> None:
        """Keep no sound from now on."""

    def unhush(self) -> None:
        """Keep sound again."""


@define(eq=False)
class DiskWatch:
    """The daemon's task: looks once a minute, says once what has changed, and tells the recorder."""

    folder: Path
    recording: Recording
    recorder: KeepsSound
    look: Callable[[], Usage] = field()
    level: Level = Level.FINE
    _limiter: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1))

    @look.default
    def _real(self) -> Callable[[], Usage]:
        return lambda: usage_of(self.folder, counts_files=bool(self.recording.quota_gb))

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await self.once()
            await trio.sleep(EVERY_SECONDS)

    async def once(self) -> None:
        """Look once; a disk that can't be looked at is left to whoever writes to it."""
        try:
            usage = await trio.to_thread.run_sync(self.look, limiter=self._limiter, abandon_on_cancel=True)
        except OSError as error:
            log.warning("can't tell how full the disk is", error=str(error))
            return
        self._tell(*fullness(usage, self.recording))

    def _tell(self, share: float, limit: str) -> None:
        was, self.level = self.level, level_of(share, self.level, self.recording.warn_percent)
        if self.level is Level.OVER:
            self.recorder.hush(limit)
        else:
            self.recorder.unhush()
        if self.level is Level.NEAR and was is not Level.NEAR:
            log.warning(
                "the disk is nearly full: at 100 % no sound is kept", limit=limit, percent=int(share * 100)
            )
        if self.level is Level.FINE and was is not Level.FINE:
            log.info("there is room on the disk again", limit=limit, percent=int(share * 100))
