from pathlib import Path

from replay.conformance.machine import TICKS_A_SECOND, Hurry, Load


def test_what_others_use_of_the_machine_is_seen_where_it_can_be(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    load = Load(tmp_path)
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


def process(proc: Path, number: int, session: int, used: int) -> None:
    (proc / str(number)).mkdir(exist_ok=True)
    fields = f"S 1 1 {session} 0 -1 0 0 0 0 0 {used} 0 0 0 20 0"
    (proc / str(number) / "stat").write_text(f"{number} (a (strange) name) {fields}\n")


def test_the_busiest_process_of_a_bridge_is_seen_and_what_it_does_once_is_left_out(tmp_path: Path) -> None:
    load, second = Load(tmp_path, bridge=7), TICKS_A_SECOND
    (tmp_path / "stat").write_text("cpu  1 0 0 1 0 0 0\n")
    for half in range(11):  # two busy seconds, and then a fifth of a core
        used = half * second // 2 if half <= 4 else 2 * second + (half - 4) * second // 10
        process(tmp_path, 7, 7, used)
        process(tmp_path, 8, 7, half)
        process(tmp_path, 9, 1, half * second * 9)  # somebody else's
        load.look(half / 2, 0.0)
    hurry = load.since(0.0)
    assert (round(hurry.bridge_percent), round(hurry.steady_percent)) == (100, 20)
    assert hurry.fills_its_core
    assert not load.since(2.0).fills_its_core


def test_a_bridge_that_was_not_started_here_has_used_nothing_that_is_known(tmp_path: Path) -> None:
    load = Load(tmp_path)
    (tmp_path / "stat").write_text("cpu  1 0 0 1 0 0 0\n")
    for half in range(8):
        process(tmp_path, 7, 7, half * 100)
        load.look(half / 2, 0.0)
    assert load.since(0.0).bridge_percent == 0.0
