"""Objects in storage: what is put can be read, listed in pages and deleted, and faults say what to do and no secret."""

from hashlib import md5

import pytest
from storage import Storage, forget_ways, storage

from bridge.errors import ObjectError
from bridge.objects.bucket import PAGE, delete, explained, look_at, objects_under, put, read
from bridge.objects.names import as_path, name_of
from bridge.objects.versions import left_of

__all__ = ["storage"]


def test_what_is_put_is_read_looked_at_and_deleted(storage: Storage) -> None:
    path = storage.object("2026-11-23/CA1.jsonl.gz")
    put(path, b"a tape")
    found = look_at(path)
    assert found is not None
    assert (read(path), found.size, found.tag) == (b"a tape", 6, md5(b"a tape").hexdigest())
    delete(path)
    delete(path)
    assert look_at(path) is None
    with pytest.raises(
        ObjectError, match=r"s3://calls-of-tests/tapes/2026-11-23/CA1.jsonl.gz: no such object"
    ):
        read(path)


def test_a_folder_is_listed_page_by_page_and_no_other_folder_with_it(storage: Storage) -> None:
    client = storage.client()
    names = [f"tapes/day/CA{number:04}" for number in range(PAGE + 5)]
    for name in (*names, "tapes/days/CA1", "tapes-of-others/CA1"):
        client.put_object(Bucket="calls-of-tests", Key=name, Body=b"")
    found = [
        name_of(path).removeprefix("s3://calls-of-tests/") for path in objects_under(storage.object("day"))
    ]
    assert found == names


def test_a_storage_that_is_away_is_said_to_be_with_no_address_and_no_key(storage: Storage) -> None:
    with storage.away(), pytest.raises(ObjectError) as caught:
        read(storage.object("CA1.jsonl.gz"))
    assert str(caught.value) == f"{storage.url}/CA1.jsonl.gz: storage can't be reached, or is too slow"


def test_a_bucket_that_is_not_there_is_said_to_be(storage: Storage) -> None:
    path = as_path("s3://nobody-has-this/CA1.jsonl.gz")
    for work in (read, lambda path: put(path, b""), lambda path: list(objects_under(path))):
        with pytest.raises(ObjectError, match=r"no such bucket|NoSuchBucket"):
            work(path)


WORK = (read, lambda path: put(path, b""), lambda path: list(objects_under(path)), left_of)


@pytest.mark.parametrize(
    "endpoint", ["localhost:9000", "127.0.0.1", "https://", "http://host:99999", "http://a b"]
)
def test_an_endpoint_that_is_no_address_is_said_to_be_none_by_whoever_asks_storage(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    forget_ways()
    for work in WORK:
        with pytest.raises(ObjectError, match=r"AWS_ENDPOINT_URL is no address.*http://127.0.0.1:9000"):
            work(storage.object("CA1.jsonl.gz"))


def test_a_panic_of_the_library_is_a_fault_like_any_other(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT", "localhost:9000")  # another name for it, at which nobody of ours looks
    forget_ways()
    for work in WORK[:3]:
        with pytest.raises(ObjectError, match="storage can't be reached"):
            work(storage.object("CA1.jsonl.gz"))


def test_whoever_is_to_end_ends_in_the_middle_of_a_request() -> None:
    with pytest.raises(KeyboardInterrupt), explained(as_path("s3://calls/CA1")):
        raise KeyboardInterrupt


def test_a_bucket_that_is_not_named_is_asked_for(storage: Storage) -> None:
    with pytest.raises(ObjectError, match="write s3://BUCKET/FOLDER"):
        list(objects_under(as_path("s3://")))


def test_who_is_refused_for_keys_is_told_which() -> None:
    named = pytest.raises(ObjectError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    with named, explained(as_path("s3://calls/CA1")):
        raise ValueError("Server returned non-2xx status code: 403 Forbidden")
