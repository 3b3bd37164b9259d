"""A data folder with calls in it, made of recorded tapes: other ids, numbers and days."""

import gzip
from hashlib import sha256
from pathlib import Path
from typing import Any

from attrs import frozen

from bridge.retention.erase import given_audio
from bridge.store.database import TABLES, Store
from bridge.tapes.names import finished_path
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode

TAPES = Path(__file__).parent / "tapes"
CALLER = "+15550123456"
ALICE = "+15559876001"
DAY = "2026-11-23"
OURS = "+15550100100"


@frozen
class Folder:
    """A data folder, and what a test asks of it."""

    data: Path

    @property
    def store(self) -> Store:
        return Store(self.data / "calls.duckdb")

    def put(
        self,
        call_id: str,
        *,
        tape: str = "hung_up",
        day: str = "2026-11-23",
        caller: str = CALLER,
        **change: str,
    ) -> Path:
        """Put a call there, as the daemon would have left it; `change` is of texts anywhere on its tape."""
        source = read_tape(TAPES / f"{tape}.jsonl.gz")
        text = gzip.decompress(source.path.read_bytes()).decode()
        changes = {source.header.call_id: call_id, CALLER: caller, "2026-11-23T": f"{day}T", **change}
        for old, new in changes.items():
            text = text.replace(old, new)
        path = finished_path(self.data / "tapes" / day / f"{call_id}.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))
        self.store.add([path])
        return path

    def rows(self, call_id: str = "") -> dict[str, list[dict[str, Any]]]:
        """Return all rows, of one call or of all."""
        where = "where call_id = ?" if call_id else ""
        values = [call_id] if call_id else []
        return {
            table: self.store.query(f"select * from {table} {where} order by all", values) for table in TABLES
        }

    def holding(self, *words: str) -> list[str]:
        """Return the files that hold one of these words in their bytes or their name, unpacked or not."""
        found = []
        for path in sorted(path for path in self.data.rglob("*") if path.is_file()):
            data = path.read_bytes()
            data += str(path).encode() + (gzip.decompress(data) if path.suffix == ".gz" else b"")
            found += [path.name] if any(word.encode() in data for word in words) else []
        return found


def cached(folder: Folder, path: Path) -> Path:
    """Put what the lab would have heard in a tape where it keeps that."""
    audio = given_audio(map(decode, read_tape(path).lines))
    file = folder.data / "vad-cache" / "silero-v5" / "carry" / f"{sha256(audio).hexdigest()}.f32"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\x00" * 8)
    return file
