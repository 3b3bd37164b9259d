from pathlib import Path

from replay.conformance.machine import Hurry, Load


def test_what_others_use_of_the_machine_is_seen_where_it_can_be(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    load = Load(stat)
    for now, busy, idle in ((10.0, 100, 1000), (11.0, 190, 1010)):
        stat.write_text(f"cpu  {busy} 0 0 {idle} 0 0 0\ncpu0 1 2 3\n")
        load.look(now, 0.001)
    assert load.since(9.0) == Hurry(0, 10.0)
    assert load.since(10.5) == Hurry(0, 100.0)  # one look tells nothing


def test_where_nobody_counts_the_machine_is_not_full(tmp_path: Path) -> None:
    load = Load(tmp_path / "none")
    load.look(1.0, 0.3)
    load.look(2.0, 0.01)
    assert load.since(0.0) == Hurry(300, 100.0)
    assert load.since(1.5) == Hurry()


def test_times_prove_nothing_when_we_were_late_or_nothing_was_left() -> None:
    assert [Hurry(151).spoils_times, Hurry(0, 7.9).spoils_times, Hurry(150, 8.0).spoils_times] == [
        True, True, False,
    ]  # fmt: skip
