"""The bad network of the phone stand-in: what is lost, what is late, and that the same seed gives the same."""

from itertools import pairwise

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from phone_peer import Media, a_bridge, to_the_end

from replay.phone.network import MAX_ON_THE_WAY, Delay, Echoes, Loss, Network, OnTheWay
from replay.phone.script import DropSocket, HangUp, StopReading, Wait

NETWORKS = st.builds(
    Network,
    seed=st.integers(0, 2**31),
    loss=st.floats(0, 0.9),
    latency_ms=st.integers(0, 5000),
    jitter_ms=st.integers(0, 2000),
    stall_ms=st.integers(0, 10_000),
    stall_every_ms=st.integers(100, 600_000),
)
FRAMES = range(0, 10_000, 20)


def arrivals(network: Network, direction: str = "out", leaving: range = FRAMES) -> list[int]:
    delay = Delay(network, direction)
    return [delay.arrival_ms(now_ms) for now_ms in leaving]


def losses(network: Network, direction: str = "said", frames: int = 500) -> list[bool]:
    loss = Loss(network, direction)
    return [loss.takes_next() for _ in range(frames)]


def test_a_good_network_changes_nothing() -> None:
    assert arrivals(Network()) == list(FRAMES)
    assert not any(losses(Network()))
    assert not Network(loss=0.5).delays


def test_latency_alone_shifts_every_message_by_the_same() -> None:
    assert arrivals(Network(latency_ms=70)) == [now_ms + 70 for now_ms in FRAMES]


def test_a_stall_holds_everything_back_and_lets_it_go_at_once() -> None:
    came = arrivals(Network(stall_ms=500, stall_every_ms=2000))
    bursts = [came.count(moment) for moment in sorted(set(came))]
    assert max(bursts) in (25, 26)  # half a second of frames
    assert 2 <= sum(burst > 20 for burst in bursts) <= 6
    assert max(came[index] - now_ms for index, now_ms in enumerate(FRAMES)) <= 500


def test_a_stall_stops_both_directions_at_the_same_time() -> None:
    network = Network(stall_ms=300, stall_every_ms=1500)
    assert arrivals(network, "to the bridge") == arrivals(network, "to the caller")


def test_about_as_many_frames_are_lost_as_asked_for_and_not_the_same_each_way() -> None:
    network = Network(loss=0.1)
    said, heard = losses(network, "said", 5000), losses(network, "heard", 5000)
    assert 400 < sum(said) < 600
    assert said != heard


@given(NETWORKS)
@settings(max_examples=60)
def test_the_same_seed_is_the_same_network(network: Network) -> None:
    assert arrivals(network) == arrivals(network)
    assert losses(network) == losses(network)


@given(NETWORKS, st.lists(st.integers(0, 2000), max_size=200))
@settings(max_examples=100)
def test_messages_arrive_late_in_order_and_within_bounds(network: Network, pauses: list[int]) -> None:
    delay, now_ms, came = Delay(network, "out"), 0, []
    longest_ms = network.latency_ms + network.jitter_ms + network.stall_ms
    for pause in pauses:
        now_ms += pause
        came.append(delay.arrival_ms(now_ms))
        assert now_ms + network.latency_ms <= came[-1] <= now_ms + longest_ms
    assert all(earlier <= later for earlier, later in pairwise(came))


def test_what_is_on_the_way_arrives_when_it_is_due() -> None:
    way: OnTheWay[str] = OnTheWay(Delay(Network(latency_ms=100), "out"))
    way.leave("a", 0)
    way.leave("b", 30)
    assert (way.next_ms, way.arrived(99), way.arrived(100), way.arrived(100)) == (100, None, "a", None)
    assert (way.next_ms, way.arrived(200), way.next_ms) == (130, "b", None)


def test_only_so_many_messages_are_on_the_way() -> None:
    way: OnTheWay[int] = OnTheWay(Delay(Network(latency_ms=100), "out"))
    for number in range(MAX_ON_THE_WAY):
        assert not way.is_full
        way.leave(number, 0)
    assert way.is_full
    way.lose_all()
    assert way.next_ms is None


# ---------------------------------------------------------------- through a socket


async def test_lost_frames_leave_holes_in_chunk_and_timestamp_but_not_in_the_sequence() -> None:
    async with a_bridge(network=Network(seed=3, loss=0.3)) as (bridge, call):
        report = await call(Wait(600), HangUp())
    media = [message for message in bridge.medias[0].got if message["event"] == "media"]
    chunks = [int(message["media"]["chunk"]) for message in media]
    assert report.frames_missing == 30 - len(media) > 0
    assert [int(m["media"]["timestamp"]) for m in media] == [57 + 20 * (chunk - 1) for chunk in chunks]
    assert [int(m["sequenceNumber"]) for m in media] == list(range(2, 2 + len(media)))


async def test_frames_lost_on_the_way_to_the_caller_are_silence_to_them_alone() -> None:
    async def talk(media: Media) -> None:
        await media.until("media")
        await media.play(20)
        await media.send("mark", name="end")
        await to_the_end(media)

    async with a_bridge(talk, network=Network(seed=3, loss=0.3)) as (_, call):
        report = await call(Wait(600), HangUp())
    heard_ms = report.heard.count(b"\x10") // 8
    assert 0 < heard_ms < 400
    assert report.marks[0].echoed_ms is not None
    assert report.gaps == []


async def test_a_slow_network_delays_both_directions_and_loses_nothing() -> None:
    async def talk(media: Media) -> None:
        await media.until("start")
        await media.play(5)
        await to_the_end(media)

    async with a_bridge(talk, network=Network(latency_ms=150)) as (bridge, call):
        report = await call(Wait(500), HangUp())
    assert report.first_audio_ms is not None
    assert report.first_audio_ms >= 300
    events = [message["event"] for message in bridge.medias[0].got]
    assert events == ["connected", "start", *["media"] * 25, "stop"]
    assert bridge.medias[0].close_code == 1000


async def test_a_goodbye_from_the_bridge_comes_as_late_as_everything_else() -> None:
    async def talk(media: Media) -> None:
        await media.until("media")
        await media.socket.aclose(1000, "bye")

    async with a_bridge(talk, network=Network(latency_ms=100)) as (_, call):
        report = await call()
    assert (report.closed_by, report.close_code) == ("bridge", 1000)
    assert report.closed_ms is not None
    assert report.started_ms is not None
    assert report.closed_ms - report.started_ms >= 200


async def test_a_broken_connection_loses_what_was_on_the_way() -> None:
    async with a_bridge(network=Network(latency_ms=100)) as (bridge, call):
        report = await call(Wait(200), DropSocket())
    assert (report.closed_by, report.frames_sent) == ("caller", 10)
    assert len(bridge.medias[0].got) < 12  # connected, start, and 10 frames
    assert bridge.medias[0].close_code == 1006


async def test_a_caller_that_stops_reading_on_a_slow_network_keeps_sending() -> None:
    async with a_bridge(network=Network(latency_ms=50)) as (bridge, call):
        report = await call(StopReading(), Wait(100), HangUp())
    assert report.frames_sent == 5
    assert bridge.medias[0].got[-1]["event"] == "stop"


async def test_a_bridge_that_vanishes_is_noticed_on_a_slow_network() -> None:
    async def vanish(media: Media) -> None:
        await media.until("media")
        await media.vanish()

    async with a_bridge(vanish, network=Network(latency_ms=50, jitter_ms=10)) as (_, call):
        report = await call(Wait(2000))
    assert (report.closed_by, report.close_code) == ("bridge", 1006)


async def test_a_stalled_network_holds_frames_back_and_then_sends_them_at_once() -> None:
    at: list[float] = []

    async def talk(media: Media) -> None:
        while True:
            await media.until("media")
            at.append(trio.current_time())

    async with a_bridge(talk, network=Network(stall_ms=200, stall_every_ms=300)) as (_, call):
        await call(Wait(1000), HangUp())
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert len(at) == 50
    assert max(pauses) > 0.15


def test_marks_come_back_late_in_order_or_never_and_otherwise_at_once() -> None:
    names = [f"m{number}" for number in range(200)]
    assert Echoes(Network()).come(names, 0) == names
    late = Echoes(Network(mark_loss=0.25, mark_late_ms=400))
    came = [name for at, name in enumerate(names) for name in late.come([name], at * 20)]
    came += late.come([], 100_000)
    assert came == sorted(came, key=names.index)
    assert 120 < len(came) < 180
    assert Echoes(Network(mark_loss=1.0)).come(names, 0) == []


def test_a_late_mark_is_not_there_before_its_time() -> None:
    echoes = Echoes(Network(seed=3, mark_late_ms=1000))
    first = next(at for at in range(1001) if echoes.come(["m1"] if at == 0 else [], at))
    assert 0 < first <= 1000
