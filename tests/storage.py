"""Object storage for tests: moto's S3 server on a port of its own, in a thread; it can go away and come back."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from bridge.objects import bucket as bucket_module
from bridge.objects import versions
from bridge.objects.names import as_path

pytest.importorskip("obstore", reason="the extra s3 is not installed")
moto_server = pytest.importorskip("moto.server", reason="the group fleet is not installed")

BUCKET: Final = "calls-of-tests"
AWAY: Final = "http://127.0.0.1:9"
NAMES: Final = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")


class Storage:
    """A bucket in a storage of its own. `url` is how objects in it are called."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.url = f"s3://{BUCKET}/tapes"

    def object(self, name: str) -> Path:
        """Return the path of an object under `url`."""
        return as_path(f"{self.url}/{name}")

    def client(self) -> Any:
        """Return a client that is none of ours, to look behind."""
        import botocore.session

        return botocore.session.get_session().create_client("s3", endpoint_url=self.endpoint)

    def keys(self) -> list[str]:
        """Return every key in the bucket."""
        found = self.client().list_objects_v2(Bucket=BUCKET)
        return [one["Key"] for one in found.get("Contents", [])]

    def keep_versions(self) -> None:
        """Let the bucket keep every version of an object."""
        self.client().put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let nobody reach the storage meanwhile."""
        os.environ["AWS_ENDPOINT_URL"] = AWAY
        forget_ways()
        try:
            yield
        finally:
            os.environ["AWS_ENDPOINT_URL"] = self.endpoint
            forget_ways()


def forget_ways() -> None:
    """Let the next request look at the environment anew."""
    bucket_module.way_to.cache_clear()
    versions._client.cache_clear()


@contextmanager
def open_storage() -> Iterator[Storage]:
    """Have a storage with an empty bucket, which the environment names."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    before = {name: os.environ.get(name) for name in NAMES}
    try:
        storage = Storage(server.get_host_and_port()[1])
        told = (storage.endpoint, "a-test-key", "a-test-secret", "us-east-1")
        os.environ.update(zip(NAMES, told, strict=True))
        forget_ways()
        with suppress(Exception):  # moto's backends are one for the process: what another test left goes
            import urllib.request

            urllib.request.urlopen(f"{storage.endpoint}/moto-api/reset", data=b"", timeout=10).close()
        storage.client().create_bucket(Bucket=BUCKET)
        yield storage
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        forget_ways()
        server.stop()


@pytest.fixture
def storage() -> Iterator[Storage]:
    """Have a storage for one test."""
    with open_storage() as made:
        yield made
