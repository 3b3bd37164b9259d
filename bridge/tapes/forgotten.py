"""Which calls were erased, by salted hash: their webhooks start no new call, and their tapes are not indexed again.

The file says nothing about anybody: a CallSid has 128 random bits, so no hash in it can be guessed back.
"""

import secrets
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Final

from attrs import frozen

from bridge.errors import StoreError

SALT_BYTES: Final = 16
HASH_BYTES: Final = 16
LINE_BYTES: Final = 2 * HASH_BYTES + 1


@frozen
class Forgotten:
    """The file `forgotten` in a data folder: its salt, then 33 bytes a call. Every method blocks."""

    path: Path

    @classmethod
    def in_folder(cls, data: Path) -> "Forgotten":
        """Return the one of a data folder; the file need not be there."""
        return cls(data / "forgotten")

    def has(self, call_id: str) -> bool:
        """Say whether this call was erased; a damaged file knows of none."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return False
        return data.find(b"\n" + _line(data[: LINE_BYTES - 1], call_id)) >= 0

    def add(self, call_ids: Iterable[str]) -> None:
        """Remember that these calls were erased. Raises `StoreError` for a damaged file, `OSError`."""
        call_ids = list(call_ids)
        if not call_ids:
            return
        salt = self._salt()
        known = set(self.path.read_bytes().splitlines(keepends=True))
        new = b"".join(line for line in (_line(salt, call_id) for call_id in call_ids) if line not in known)
        with self.path.open("ab", buffering=0) as file:
            file.write(new)

    def _salt(self) -> bytes:
        """Return the salt, drawn when the file is made."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.path.open("xb", buffering=0) as file:
                file.write(secrets.token_hex(SALT_BYTES).encode() + b"\n")
        except FileExistsError:
            pass
        salt, newline, _ = self.path.read_bytes().partition(b"\n")
        if len(salt) != 2 * SALT_BYTES or not newline:
            raise StoreError(
                f"{self.path}: its first line is no salt; move the file away, and a new one is made"
            )
        return salt


def _line(salt: bytes, call_id: str) -> bytes:
    return blake2b(call_id.encode(), key=salt, digest_size=HASH_BYTES).hexdigest().encode() + b"\n"
