"""Objects in storage: what is put can be read, listed in pages and deleted, and faults say what to do and no secret."""

from hashlib import md5

import pytest
from storage import Storage, storage

from bridge.errors import ObjectError
from bridge.objects.bucket import PAGE, delete, look_at, objects_under, put, read
from bridge.objects.names import as_path, name_of

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
