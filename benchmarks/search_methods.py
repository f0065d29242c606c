"""Search methods on the table of `ghm.benchmark`: what each finds for the iterations that it spends.

Every method searches in the table many times, on its training seeds in turn. Random search takes the table's configurations in
random order; `gp` chooses among those that it has not had yet; `tpe` proposes in the whole space and gets the nearest of these.

Regret is the captured value that the best of the table has, less that of the best that a method has trained to the end.
"""

import argparse
import functools
import math
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ghm.benchmark import Table, load_table
from ghm.search.decisions.selection import places
from ghm.search.methods.gaussian_process import propose
from ghm.search.methods.learned import LearnedProposal
from ghm.search.methods.proposals import Known
from ghm.search.settings.configurations import make_hyperparameters
from ghm.search.settings.inactive import distinct

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "search_methods.png"

CLOSE = (1e-2, 1e-3)
"""Regrets in captured value until which iterations are counted."""

BUDGETS = (2, 4, 8)
"""Whole trainings after whose iterations regret is told."""

MOST = 8
"""Whole trainings that a search with rungs may cost; one without may cost four times that, and random search all of the table."""

LAG = 4
"""Proposals see all but the last four configurations, as in a search by default."""


@dataclass(frozen=True)
class Method:
    """A way to search."""

    search_type: Literal["random", "tpe", "gp"]
    rungs: tuple[int, ...] = ()
    keep: float = 0.34

    @property
    def name(self) -> str:
        """As tables call it."""
        how = f", rungs {' '.join(map(str, self.rungs))}, keep {self.keep:g}" if self.rungs else ""
        return f"{self.search_type}{how}"


@dataclass(frozen=True)
class Course:
    """A search that may be stopped here and there."""

    iterations: NDArray[np.int64]
    """Iterations that it has then spent, (m,)."""
    regret: NDArray[np.float64]
    """Regret of the best that it has trained to the end, (m,)."""
    until: float
    """Iterations up to which it was followed."""


def methods(iterations: int) -> list[Method]:
    """What is compared where a whole training has so many iterations."""
    few, many = ((tuple(round(share * iterations) for share in shares)) for shares in ((0.1, 0.3), (0.05, 0.15, 0.4)))
    return [
        Method("random"),
        Method("random", few),
        Method("random", many),
        Method("random", many, keep=0.25),
        Method("tpe"),
        Method("tpe", many, keep=0.25),
        Method("gp"),
        Method("gp", many, keep=0.25),
    ]


class TableProposal(LearnedProposal):
    """Proposals among the rows of a table."""

    def __init__(self, table: Table, method: Method, number: int) -> None:
        assert method.search_type != "random"
        super().__init__(method.search_type, table.space, number)
        self.rows = [distinct(make_hyperparameters(values), table.space) for values in table.configurations]
        self._table = table
        self.at = np.array([self._places(row) for row in self.rows])
        self._free = self.at

    def row(self, history: Sequence[Known], taken: Sequence[int]) -> int:
        """The row to train next, given what is known of the rows ``taken``."""
        self._free = np.delete(self.at, list(taken), axis=0)
        return self._table.nearest(vars(self(len(taken) + 1, history)), excluded=taken)

    def ask(
        self, known: np.ndarray, objective: np.ndarray, pending: np.ndarray, seed: np.random.SeedSequence
    ) -> Sequence[float]:
        """A place on each axis: for ``gp`` that of a row."""
        if self._method == "gp":
            return propose(self.axes, known, objective, pending, seed, self._free)
        return super().ask(known, objective, pending, seed)


class Replay:
    """One search in the table.

    Args:
        table: the table.
        method: how it searches.
        number: of the search.
    """

    def __init__(self, table: Table, method: Method, number: int) -> None:
        self.method, self.ends = method, (*method.rungs, table.iterations[-1])
        columns = [table.iterations.index(end) for end in self.ends]
        self.best = table.best_so_far[:, number % len(table.seeds)][:, columns]
        self.order: list[int] = []
        self._shuffled = np.random.default_rng(number).permutation(len(self.best)).tolist()
        self._proposal = None if method.search_type == "random" else TableProposal(table, method, number)

    def ask(self, known: Collection[int]) -> None:
        """Take the next configuration, when of those before it it is known what the rows ``known`` had at the first rung."""
        proposal = self._proposal
        if proposal is None:
            self.order.append(self._shuffled[len(self.order)])
            return
        values = {row: float(self.best[row, 0]) for row in known if np.isfinite(self.best[row, 0])}
        history = [Known(proposal.rows[row], values.get(row), pending=row not in known) for row in self.order]
        self.order.append(proposal.row(history, self.order))

    def train(self, rows: Sequence[int]) -> tuple[int, list[int]]:
        """Iterations that rows cost together, and those of them that are trained to the end."""
        spent, before, still = 0, 0, list(rows)
        for end, values in zip(self.ends, self.best.T, strict=True):
            spent, before = spent + len(still) * (end - before), end
            if end != self.ends[-1]:
                ranking = [still[k] for k in np.lexsort((np.arange(len(still)), -values[still]))]
                still = ranking[: places(self.method.keep, len(still))]
        return spent, still

    def regret(self, rows: Sequence[int]) -> float:
        """Of rows that were trained to the end."""
        return float(self.best[:, -1].max() - self.best[list(rows), -1].max())


def search(table: Table, method: Method, number: int) -> Course:
    """One search."""
    replay = Replay(table, method, number)
    times = math.inf if method == Method("random") else 1 if method.rungs else 4
    most = MOST * table.iterations[-1] * times
    return _at_once(replay, most) if method.rungs else _in_turn(replay, most)


def _at_once(replay: Replay, most: float) -> Course:
    """All configurations pass the rungs together, so it is another search for each number of them."""
    spent: list[int] = []
    regret: list[float] = []
    for count in range(1, len(replay.best) + 1):
        replay.ask(replay.order[: max(count - LAG, 0)])
        cost, still = replay.train(replay.order)
        if cost > most:
            break
        spent.append(cost)
        regret.append(replay.regret(still))
    return Course(np.array(spent), np.array(regret), most)


def _in_turn(replay: Replay, most: float) -> Course:
    """Without rungs: one configuration after another."""
    spent: list[int] = []
    regret: list[float] = []
    while len(replay.order) < len(replay.best) and sum(spent[-1:]) < most:
        replay.ask(replay.order[: max(len(replay.order) + 1 - LAG, 0)])
        spent.append(sum(spent[-1:]) + replay.train(replay.order[-1:])[0])
        regret.append(replay.regret(replay.order))
    return Course(np.array(spent), np.array(regret), spent[-1])


def run(table: Table, compared: Sequence[Method], repeats: int, processes: int = 1) -> dict[str, list[Course]]:
    """``repeats`` searches of each method, numbered from 0."""
    found = {}
    for method in compared:
        one = functools.partial(search, table, method)
        if processes == 1:
            found[method.name] = [one(number) for number in range(repeats)]
        else:
            with ProcessPoolExecutor(processes) as pool:
                found[method.name] = list(pool.map(one, range(repeats), chunksize=4))
    return found


def regrets(courses: Sequence[Course], budgets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Regret of each search when ``budgets`` iterations are spent, (n, b).

    Infinite before anything is trained to the end; not a number past the end of a search.
    """
    found = np.full((len(courses), len(budgets)), np.inf)
    for row, course in zip(found, courses, strict=True):
        last = np.searchsorted(course.iterations, budgets, side="right") - 1
        row[last >= 0] = course.regret[last[last >= 0]]
        row[budgets > course.until] = 0.0 if course.regret[-1] == 0 else np.nan
    return found


def iterations_needed(found: NDArray[np.float64], budgets: NDArray[np.int64], regret: float) -> float:
    """Least budget from which on the median of ``found`` (n, b) stays at or below ``regret``; infinite where it never does."""
    median = np.median(found, axis=0)
    known = ~np.isnan(median)
    above = np.nonzero(median[known] > regret)[0]
    first = 0 if not len(above) else int(above[-1]) + 1
    return float(budgets[known][first]) if first < known.sum() else math.inf


def interval(found: NDArray[np.float64], budgets: NDArray[np.int64], regret: float) -> tuple[float, float]:
    """95% interval of :func:`iterations_needed`, from 500 resamples of the searches."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(len(found), size=(500, len(found)))
    needed = np.sort([iterations_needed(found[one], budgets, regret) for one in drawn])
    return float(needed[12]), float(needed[487])


def budgets_of(courses: Sequence[Course]) -> NDArray[np.int64]:
    """Every number of iterations at which one of the searches has something new."""
    return np.unique(np.concatenate([course.iterations for course in courses]))


def report(found: Mapping[str, Sequence[Course]], table: Table) -> str:
    """The comparison as a Markdown table."""
    sizes = f"{len(table.configurations)} configurations x {len(table.seeds)} seeds x {table.iterations[-1]} iterations"
    after = " | ".join(f"regret after {count} trainings" for count in BUDGETS)
    lines = [
        f"{sizes}; medians over {len(next(iter(found.values())))} searches of each method, with 95% intervals",
        "",
        "| method | " + " | ".join(f"iterations until regret ≤ {one:g}" for one in CLOSE) + f" | {after} |",
        "|---|---|---|---|---|---|",
    ]
    for name, courses in found.items():
        budgets = budgets_of(courses)
        values = regrets(courses, budgets)
        cells = []
        for one in CLOSE:
            low, high = interval(values, budgets, one)
            cells.append(f"{_shown(iterations_needed(values, budgets, one))} ({_shown(low)} to {_shown(high)})")
        at = np.array(BUDGETS) * table.iterations[-1]
        cells += [f"{one:.5f}" if math.isfinite(one) else "–" for one in np.median(regrets(courses, at), axis=0)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(iterations: float) -> str:
    return f"{iterations:,.0f}" if math.isfinite(iterations) else "not reached"


def draw(found: Mapping[str, Sequence[Course]], path: Path) -> None:
    """Median regret against iterations, a curve a method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8, 4.2), layout="constrained")
    axes = figure.subplots()
    colours = {"random": "#0072B2", "tpe": "#009E73", "gp": "#D55E00"}
    for name, courses in found.items():
        budgets = budgets_of(courses)
        median = np.maximum(np.median(regrets(courses, budgets), axis=0), 1e-5)
        style = "--" if "rungs" in name else "-"
        colour = colours[name.split(",")[0]]
        axes.step(budgets, median, style, where="post", color=colour, linewidth=1.2, label=name)
    for one in CLOSE:
        axes.axhline(one, color="grey", linewidth=0.8)
    axes.set(xlabel="training iterations spent", ylabel="median regret (captured value)", xscale="log", yscale="log")
    axes.legend(fontsize="x-small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Compare the methods."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--table", type=Path, help="another table than that of the package")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--only", nargs="+", help="methods whose names contain one of these")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--figure", type=Path, default=FIGURE)
    flags = parser.parse_args()
    table = load_table() if flags.table is None else load_table(flags.table)
    compared = [
        one for one in methods(table.iterations[-1]) if not flags.only or any(word in one.name for word in flags.only)
    ]
    found = run(table, compared, flags.repeats, flags.processes)
    print(report(found, table))
    draw(found, flags.figure)


if __name__ == "__main__":
    main()
