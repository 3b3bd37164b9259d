"""Which host of several is to have a call: the same whoever is asked, evenly spread, and in no circle."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bridge.fleet.order import Arrival, next_after, order_of, preferred
from bridge.text.urls import origin_of

HOSTS = [f"https://{name}.example.com" for name in ("one", "two", "three", "four")]
SIDS = [f"CA{number:032x}" for number in range(4000)]


def arrival(sid: str, failed_url: str = "") -> Arrival:
    return Arrival(sid, "desk", failed_url=failed_url)


@given(some.sampled_from(SIDS), some.permutations(HOSTS))
def test_every_host_says_the_same_however_its_list_is_ordered(sid: str, listed: list[str]) -> None:
    assert order_of(sid, listed) == order_of(sid, HOSTS)


def test_calls_are_spread_evenly() -> None:
    counted = Counter(order_of(sid, HOSTS)[0] for sid in SIDS)
    assert all(900 < counted[host] < 1100 for host in HOSTS)


def test_a_host_that_leaves_moves_its_own_calls_alone_to_all_the_others() -> None:
    gone, *stay = HOSTS
    before = {sid: preferred(arrival(sid), HOSTS, ()) for sid in SIDS}
    after = {sid: preferred(arrival(sid), HOSTS, {gone}) for sid in SIDS}
    assert {sid: host for sid, host in after.items() if before[sid] != gone} == {
        sid: host for sid, host in before.items() if host != gone
    }
    taken_over = Counter(after[sid] for sid in SIDS if before[sid] == gone)
    assert all(250 < taken_over[host] < 420 for host in stay)


@given(some.sampled_from(SIDS), some.sets(some.sampled_from(HOSTS), max_size=3))
def test_a_call_that_nobody_has_room_for_comes_to_each_host_once(sid: str, away: set[str]) -> None:
    seen, host = list[str](), preferred(arrival(sid), HOSTS, away)
    while host:
        seen.append(host)
        host = next_after(host, arrival(sid), HOSTS, away)
    assert sorted(seen) == sorted(set(HOSTS) - away)


@given(some.sampled_from(SIDS), some.sampled_from(HOSTS))
def test_a_host_that_twilio_got_no_use_of_is_left_out_for_that_call(sid: str, failed: str) -> None:
    told = arrival(sid, f"{failed}/voice/desk?hop=1#ct=1500")
    assert preferred(told, HOSTS, ()) != failed
    assert failed not in {next_after(host, told, HOSTS, ()) for host in HOSTS}


@pytest.mark.parametrize("url", ["", "nonsense", "https://", "https://[", "//x", "\ud800"])
def test_a_url_that_says_nothing_leaves_out_nobody(url: str) -> None:
    assert preferred(arrival(SIDS[0], url), HOSTS, ()) == order_of(SIDS[0], HOSTS)[0]


def test_a_balancer_that_failed_is_no_host() -> None:
    failed = "https://bridge.example.com/voice/desk"
    assert origin_of(failed) == origin_of("https://bridge.example.com:443")
    assert preferred(arrival(SIDS[0], failed), HOSTS, ()) == order_of(SIDS[0], HOSTS)[0]
