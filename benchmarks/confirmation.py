"""How good a confirmation is, fixed and as a race, on recorded trainings: the table in docs/design/search.md.

    python benchmarks/confirmation.py [--repeats 2000]

The best configurations of the recorded table on 20 fresh seeds each (``ghm.benchmark.load_seeds``) are the truth; a repeat draws
K of them, and seeds with replacement, the same for all K. The truth of a configuration is the interquartile mean of its 20
values. Regret is the truth of the best less that of the chosen one. What is reported of the chosen one, less what would be on
average if these seeds had not chosen it, is the winner's curse.
"""

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ghm.benchmark import load_seeds
from ghm.search.decisions.racing import Standing, judge
from ghm.search.decisions.statistics import interquartile_interval, interquartile_mean
from ghm.search.settings.methods import first_look

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What one repeat of a confirmation found."""

    chosen: int
    reported: float
    interval: tuple[float, float] | None
    trainings: int
    beaten: frozenset[int] = frozenset()


def unconfirmed(values: Array, _seeds: int) -> Found:
    """The best by one training each, each on a seed of its own, and that training."""
    once = values.diagonal()
    return Found(int(once.argmax()), float(once.max()), None, len(values))


def fixed(values: Array, seeds: int) -> Found:
    """Each on the same seeds, of which all decide and tell."""
    middles = [interquartile_mean(row) for row in values[:, :seeds].tolist()]
    chosen = int(np.argmax(middles))
    interval = interquartile_interval(values[chosen, :seeds, None].tolist())
    return Found(chosen, middles[chosen], interval, len(values) * seeds)


def fixed_and_own(values: Array, seeds: int) -> Found:
    """Each on as many of the same seeds as leave the chosen one ``seeds`` of its own."""
    few = (len(values) - 1) * seeds // len(values)
    chosen = fixed(values, few).chosen
    own = values[chosen, few : few + seeds]
    interval = interquartile_interval(own[:, None].tolist())
    return Found(chosen, interquartile_mean(own.tolist()), interval, len(values) * few + seeds)


def raced(values: Array, seeds: int) -> Found:
    """A race, and its winner on seeds that decided nothing."""
    count = len(values)
    going, done = tuple(range(count)), first_look(count, seeds)
    used, beaten = count * done, frozenset[int]()
    for look in itertools.count(1):
        told = {one: Standing(dict(enumerate(values[one, :done].tolist()))) for one in going}
        found = judge(told, look, used, count, seeds, range(done))
        used, beaten = used + len(found.go_on) * len(found.next), beaten.union(found.beaten)
        if found.final:
            break
        going, done = found.go_on, done + len(found.next)
    own = values[found.leader, list(found.next)]
    interval = interquartile_interval(own[:, None].tolist())
    return Found(found.leader, interquartile_mean(own.tolist()), interval, used, beaten)


WAYS = (unconfirmed, fixed, fixed_and_own, raced)


def rows(table: Array, repeats: int) -> Iterator[str]:
    """A row of the table for each number of configurations, seeds and way."""
    truth = np.array([interquartile_mean(row) for row in table.tolist()])
    for count, seeds in ((4, 10), (4, 20), (12, 10), (12, 20)):
        expected = {way: unselected(table, 1 if way is unconfirmed else seeds) for way in WAYS}
        for way in WAYS:
            generator = np.random.default_rng(20261130)
            found, best, of, usual = [], [], [], []
            for _ in range(repeats):
                picked = generator.permutation(len(table))[:count]
                drawn = table[picked][:, generator.integers(table.shape[1], size=count * seeds)]
                found.append(way(drawn, seeds))
                best.append(int(truth[picked].argmax()))
                of.append(truth[picked])
                usual.append(expected[way][picked][found[-1].chosen])
            yield row(f"{count} | {seeds} | {way.__name__}", found, best, of, usual)


def unselected(table: Array, seeds: int, repeats: int = 4000) -> Array:
    """Mean of the interquartile mean of so many seeds, of each configuration: a skewed sample's differs from the truth."""
    drawn = table[:, np.random.default_rng(1).integers(table.shape[1], size=(repeats, seeds))]
    cut = seeds // 4
    return np.asarray(np.sort(drawn, axis=2)[:, :, cut : seeds - cut].mean(axis=(1, 2)))


def row(name: str, found: list[Found], best: list[int], truths: list[Array], usual: list[float]) -> str:
    """The figures of one way, with standard errors where they are means."""
    regret = np.array([of[b] - of[one.chosen] for one, b, of in zip(found, best, truths, strict=True)])
    curse = np.array([one.reported for one in found]) - np.array(usual)
    held = [
        one.interval[0] <= of[one.chosen] <= one.interval[1]
        for one, of in zip(found, truths, strict=True)
        if one.interval is not None
    ]
    figures = [
        f"{np.mean([one.trainings for one in found]):.0f}",
        f"{np.mean(regret == 0):.3f}",
        f"{1e5 * regret.mean():.1f} ({1e5 * regret.std() / np.sqrt(len(found)):.1f})",
        f"{1e5 * curse.mean():+.1f} ({1e5 * curse.std() / np.sqrt(len(found)):.1f})",
        f"{np.mean(held):.3f}" if held else "–",
        f"{np.mean([b in one.beaten for one, b in zip(found, best, strict=True)]):.3f}",
    ]
    return f"| {name} | {' | '.join(figures)} |"


def main() -> None:
    """Print the table: regret and curse in hundred-thousandths of captured value."""
    parser = argparse.ArgumentParser(description="Confirmations on recorded trainings.")
    parser.add_argument("--repeats", type=int, default=2000)
    given = parser.parse_args()
    table = load_seeds().captured_value
    print(
        "| K | S | way | trainings | best found | regret, 1e-5 | curse, 1e-5 | coverage | best beaten |\n"
        + "|---" * 9
        + "|"
    )
    for line in rows(table, given.repeats):
        print(line, flush=True)


if __name__ == "__main__":
    main()
