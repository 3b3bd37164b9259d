"""Fuzzers for every parser of what others send, and for the heart behind them.

Two ways to make inputs: golden messages mutated at random, so many for each target, seedable; and a coverage-guided
fuzzer (atheris), which keeps what reaches new code. A finding is saved, with the command that shows it again; exit 1.

    uv run python -m bench.fuzz --messages 100000                     each leg, and the rest
    uv run python -m bench.fuzz --target heart --messages 5000
    uv run --with atheris python -m bench.fuzz --coverage --seconds 60 --target model
    uv run python -m bench.fuzz --target model --input finding        show a finding again
"""

import hashlib
import importlib.util
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from attrs import asdict, define, frozen
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.fault_words import Mutator, golden
from bench.fuzz_targets import TARGETS

CORPUS = Path(__file__).parents[1] / "tests" / "fuzz_corpus"
MOST_BYTES = 4096
MOST_LINES = 12
"""Messages of one call for the heart; it takes a thousand times as long as one message alone."""

SHARE = {
    "phone": 1.0,
    "model": 1.0,
    "heart": 0.02,
    "tape": 0.1,
    "form": 0.1,
    "twiml": 0.1,
    "arguments": 0.1,
    "config": 0.1,
}
"""How many of the messages asked for each target gets."""


@define
class Found:
    """What came of fuzzing one target."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    finding: str = ""
    path: str = ""


@frozen
class Maker:
    """Makes inputs for a target, from golden messages."""

    target: str
    dice: random.Random
    phone: Mutator
    model: Mutator

    @classmethod
    def of(cls, target: str, seed: int) -> "Maker":
        """Return a maker with dice of its own."""
        dice = random.Random(f"{target} {seed}")
        legs = (("twilio_ws", "twilio"), ("openai_ws", "openai"))
        return cls(target, dice, *(Mutator(golden(*leg), dice) for leg in legs))

    def make(self) -> bytes:
        """Return one input."""
        match self.target:
            case "phone":
                return _bytes(self.phone.make())
            case "model":
                return _bytes(self.model.make())
            case "heart" | "tape":
                count = self.dice.randrange(1, MOST_LINES)
                return b"\n".join(self._line(number) for number in range(count))
            case _:
                return self._anything()

    def _line(self, number: int) -> bytes:
        mutator = self.phone if number % 2 else self.model
        return _bytes(mutator.make()).replace(b"\n", b" ")

    def _anything(self) -> bytes:
        size = self.dice.randrange(80)
        return self.dice.randbytes(size) if self.dice.random() < 0.5 else _bytes(self.model.make())


def _bytes(message: str | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.encode("utf-8", "surrogatepass")


# ---------------------------------------------------------------- mutations


def fuzz(target: str, inputs: int, seed: int, tell: Callable[[int], None]) -> Found:
    """Feed so many mutated inputs to a target; stop at the first finding."""
    maker, found, began = Maker.of(target, seed), Found(target), time.perf_counter()
    for _ in range(inputs):
        data = maker.make()
        found.inputs += 1
        if problem := problem_of(target, data):
            _save(found, data, problem)
            break
        tell(1)
    found.seconds = round(time.perf_counter() - began, 1)
    return found


def problem_of(target: str, data: bytes) -> str:
    """Return what a target makes of an input that it should not, or nothing."""
    try:
        TARGETS[target](data)
    except Exception as error:  # whatever it is, it is the finding
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def _save(found: Found, data: bytes, problem: str) -> None:
    path = Path(f"finding-{found.target}-{hashlib.blake2b(data, digest_size=6).hexdigest()}")
    path.write_bytes(data)
    found.finding, found.path = problem, str(path)


# ---------------------------------------------------------------- coverage


def cover(target: str, seconds: int, corpus: Path) -> None:
    """Let atheris look for inputs that reach new code, for so long. It ends the process itself."""
    import atheris  # not of this project: uv run --with atheris

    with atheris.instrument_imports(include=["bridge", "bench.fuzz_targets"]):
        for name in [name for name in sys.modules if name.startswith(("bridge", "bench.fuzz_targets"))]:
            del sys.modules[name]
        fuzz_targets = importlib.import_module("bench.fuzz_targets")

    run = fuzz_targets.TARGETS[target]
    (corpus / target).mkdir(parents=True, exist_ok=True)
    arguments = [sys.argv[0], str(corpus / target), f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}"]
    atheris.Setup([*arguments, "-print_final_stats=1"], run)
    atheris.Fuzz()


def seeds(corpus: Path, target: str, seed: int) -> None:
    """Put golden messages where a coverage-guided fuzzer begins."""
    folder, maker = corpus / target, Maker.of(target, seed)
    folder.mkdir(parents=True, exist_ok=True)
    for data in (maker.make() for _ in range(50)):
        (folder / hashlib.blake2b(data, digest_size=8).hexdigest()).write_bytes(data)


def corpus_inputs() -> Iterator[tuple[str, Path]]:
    """Yield every input that once was a finding, or reached code that others did not, and its target."""
    for path in sorted(CORPUS.glob("*/*")):
        yield path.parent.name, path


# ---------------------------------------------------------------- the command


@click.command()
@click.option("--messages", default=100_000, show_default=True, help="Mutated messages on each leg.")
@click.option("--target", default="", type=click.Choice(["", *TARGETS]), help="Only this one.")
@click.option("--seed", default=1, show_default=True, help="What they are made from.")
@click.option("--coverage", is_flag=True, help="Let atheris look for inputs: needs --target.")
@click.option("--seconds", default=60, show_default=True, help="For how long it looks.")
@click.option(
    "--corpus", type=click.Path(path_type=Path), default=Path("corpus"), help="What it found before."
)
@click.option("--input", "given", type=click.Path(path_type=Path), help="Feed this one input.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def main(**options: Any) -> None:
    """Fuzz the parsers and the heart. Exit 1 at a finding, which is saved."""
    if (options["given"] or options["coverage"]) and not options["target"]:
        raise click.UsageError(f"say for which --target: {', '.join(TARGETS)}")
    if options["given"]:
        TARGETS[options["target"]](options["given"].read_bytes())
        return
    if options["coverage"]:
        if importlib.util.find_spec("atheris") is None:
            raise click.UsageError("atheris is not installed: uv run --with atheris python -m bench.fuzz ...")
        seeds(options["corpus"], options["target"], options["seed"])
        return cover(options["target"], options["seconds"], options["corpus"])
    found = _mutate(options["target"], options["messages"], options["seed"])
    show(found, as_json=options["as_json"])
    sys.exit(1 if any(one.finding for one in found) else 0)


def _mutate(only: str, messages: int, seed: int) -> list[Found]:
    found = []
    with Progress(console=Console(stderr=True)) as progress:
        for target in [only] if only else TARGETS:
            inputs = messages if only else round(messages * SHARE[target])
            task = progress.add_task(target, total=inputs)
            found.append(fuzz(target, inputs, seed, lambda n, task=task: progress.advance(task, n)))  # type: ignore[misc]
    return found


def show(found: list[Found], *, as_json: bool) -> None:
    """Print what came of it."""
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
        return
    table = Table("target", "inputs", "seconds", "finding")
    for one in found:
        table.add_row(one.target, str(one.inputs), str(one.seconds), one.finding or "none")
    Console(width=120).print(table)
    for one in found:
        if one.finding:
            print(f"again: uv run python -m bench.fuzz --target {one.target} --input {one.path}")


if __name__ == "__main__":
    main()
