"""How well a search knows whether its rungs rank well: from those that went on, from a tenth of the others, and in truth.

    python benchmarks/rung_audit.py

Searches of the table of `ghm.benchmark` pass rungs; a tenth of those stopped at each goes on to the end. The agreement of a rung
with the end is Spearman's correlation over all that reached the rung, whose ends the table knows. A search can estimate it from
those that were promoted, at this rung and the next; from the audited alone; or from these, each of which counts for ten, and
those that were promoted at all rungs.
"""

import argparse
import itertools

import numpy as np
from numpy.typing import NDArray
from replayed_search import Method, Replay

from ghm.benchmark import Table, load_table

Array = NDArray[np.float64]

METHOD = Method("random", (20, 60, 160), 0.25)

SHARE = 0.1
"""Of those stopped that go on."""


def ranks(values: Array, weights: Array) -> Array:
    """Of each value: the weight of those below, and half of that of its equals."""
    below = (values < values[:, None]) @ weights
    return np.asarray(below + 0.5 * ((values == values[:, None]) @ weights))


def agreement(values: Array, weights: Array) -> float:
    """Spearman's correlation of the columns (n, 2), each row counted ``weights`` times; not a number of fewer than three rows."""
    if len(values) < 3:
        return np.nan
    centred = [one - np.average(one, weights=weights) for one in (ranks(column, weights) for column in values.T)]
    spread = np.prod([np.sqrt(np.average(one**2, weights=weights)) for one in centred])
    return float(np.average(centred[0] * centred[1], weights=weights) / spread) if spread else np.nan


def audited(table: Table, size: int, number: int) -> tuple[float, Array]:
    """What one audit costs as a share of its search; by rung (r, 4): truth, and estimates by promoted, audited, and both."""
    replay = Replay(table, METHOD, number)
    for _ in range(size):
        replay.ask()
    spent, still, stopped = replay.train(replay.order)
    generator = np.random.default_rng((number, 1))
    chosen = [[row for row in rows if generator.random() < SHARE] for rows in stopped]
    cost = sum(len(rows) * (replay.ends[-1] - rung) for rows, rung in zip(chosen, METHOD.rungs, strict=True))

    def of(rows: list[int], first: int, second: int, weights: list[float] | None = None) -> float:
        return agreement(replay.best[rows][:, [first, second]], np.array(weights or [1.0] * len(rows)))

    found = []
    for rung in range(len(METHOD.rungs)):
        promoted = [*still, *itertools.chain(*stopped[rung + 1 :])]
        extra = [*itertools.chain(*chosen[rung:])]
        weights = [1.0] * len(still) + [1 / SHARE] * len(extra)
        truth, next_rung = of([*promoted, *stopped[rung]], rung, -1), of(promoted, rung, rung + 1)
        found.append([truth, next_rung, of(extra, rung, -1), of([*still, *extra], rung, -1, weights)])
    return cost / spent, np.array(found)


def main() -> None:
    """Print what audits cost and how far estimates are from the truth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=200)
    flags = parser.parse_args()
    table = load_table()
    print("| configurations | cost | rung | truth | promoted | audited | both |\n|---|---|---|---|---|---|---|")
    for size in (40, 160, len(table.configurations)):
        searches = [audited(table, size, number) for number in range(flags.repeats)]
        cost = np.mean([share for share, _ in searches])
        values = np.array([one for _, one in searches])
        for rung, one in zip(METHOD.rungs, np.moveaxis(values, 1, 0), strict=True):
            cells = [f"{np.nanmedian(one[:, 0]):.2f}"]
            for column in one.T[1:]:
                known = ~np.isnan(column)
                error = np.sqrt(np.mean((column - one[:, 0])[known] ** 2)) if known.any() else np.nan
                cells.append(f"{np.nanmedian(column):.2f} ± {error:.2f} in {known.mean():.0%}" if known.any() else "–")
            print(f"| {size} | {cost:.0%} | {rung} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
