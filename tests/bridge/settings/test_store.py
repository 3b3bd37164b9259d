"""What machines share, as the file says it."""

from pathlib import Path

import pytest

from bridge.config import parse, read_secrets
from bridge.errors import ConfigError
from bridge.settings.store import SharedStore, missing_of_store


def read(**store: object) -> SharedStore:
    return parse({"store": store, "agents": {"front-desk": {}}}, Path("config.toml")).store


def test_nothing_is_shared_unless_it_is_asked_for():
    assert read() == SharedStore()
    assert missing_of_store(read()) == []


def test_a_lake_is_a_catalogue_and_a_place_for_its_files():
    store = read(lake="postgres://bridge@db/lake", data="s3://calls/lake/")
    assert (store.is_on_postgres, store.data) == (True, "s3://calls/lake")
    assert not read(lake="lake.ducklake", data="lake").is_on_postgres
    assert "lake without data" in missing_of_store(read(lake="lake.ducklake"))[0]
    assert "data without lake" in missing_of_store(read(data="lake"))[0]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"lake": "mysql://db/lake"}, "postgres://bridge@db"),
        ({"lake": "postgres://db"}, "with its database"),
        ({"lake": "postgres://db:x/lake"}, "with its database"),
        ({"lake": "it's"}, "postgres://bridge@db"),
        ({"lake": 5}, "postgres://bridge@db"),
        ({"lake": "postgres://bridge:hunter22@db/lake"}, "PGPASSWORD"),
        ({"lake": "postgres://db/lake?password=hunter22"}, "PGPASSWORD"),
        ({"lake": "postgres://db/lake?sslpassword=hunter22"}, "PGPASSWORD"),
        ({"lake": "postgres://db/lake?pass%77ord=hunter22"}, "PGPASSWORD"),
        ({"lake": "postgres:host=db password=hunter22 dbname=lake"}, "postgres://bridge@db"),
        ({"lake": "host=db password=hunter22"}, "postgres://bridge@db"),
        ({"lake": "dbname=lake"}, "postgres://bridge@db"),
        ({"lake": "sqlite:lake.db"}, "postgres://bridge@db"),
        ({"lake": "postgres://db/lake?host=db password=hunter22"}, "PGPASSWORD"),
        ({"data": "s3://"}, "s3://BUCKET/FOLDER"),
        ({"data": "gs://bucket"}, "s3://BUCKET/FOLDER"),
        ({"tapes": "it's"}, "where tapes go"),
        ({"tapes": "a-folder"}, "s3://BUCKET/FOLDER"),
        ({"tapes": "s3://calls/a folder"}, "s3://BUCKET/FOLDER"),
        ({"keep_local_days": -1}, "0 to 36500"),
        ({"lake_seconds": 0}, "1 to 3600"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_what_to_write(wrong: dict[str, object], told: str):
    with pytest.raises(ConfigError) as refused:
        read(**wrong)
    assert told in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_who_may_enter_comes_from_the_environment_and_is_a_secret():
    settings = parse({"store": {"tapes": "s3://calls"}, "agents": {"front-desk": {}}}, Path("config.toml"))
    given = {"AWS_SECRET_ACCESS_KEY": "an-s3-key", "PGPASSWORD": "a-password", "AWS_REGION": "eu-west-1"}
    secrets = read_secrets(settings, given)
    assert {"an-s3-key", "a-password"} <= set(secrets.all)
    assert "eu-west-1" not in secrets.all
    assert secrets.storage["AWS_REGION"] == "eu-west-1"


def test_who_shares_nothing_reads_none_of_that():
    settings = parse({"agents": {"front-desk": {}}}, Path("config.toml"))
    assert not read_secrets(settings, {"PGPASSWORD": "a-password"}).catalogue


@pytest.mark.parametrize("endpoint", ["localhost:9000", "http://", "ftp://host", "http://host:port"])
def test_an_endpoint_that_is_no_address_is_refused_where_storage_is_used(endpoint: str):
    settings = parse({"store": {"tapes": "s3://calls"}, "agents": {"front-desk": {}}}, Path("config.toml"))
    with pytest.raises(ConfigError, match="write http:// or https:// and a host"):
        read_secrets(settings, {"AWS_ENDPOINT_URL": endpoint})
    for usable in ("http://localhost:9000", "https://s3.example.com"):
        assert read_secrets(settings, {"AWS_ENDPOINT_URL": usable}).storage
    alone = parse({"agents": {"front-desk": {}}}, Path("config.toml"))
    assert not read_secrets(alone, {"AWS_ENDPOINT_URL": endpoint}).storage


def test_tapes_that_are_to_go_from_here_have_to_go_somewhere():
    (told,) = missing_of_store(read(keep_local_days=7))
    assert "keep_local_days without tapes" in told
    assert missing_of_store(read(keep_local_days=7, tapes="s3://calls")) == []
