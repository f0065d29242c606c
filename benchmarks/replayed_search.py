"""A search replayed on the table of `ghm.benchmark`: what it has found after the iterations that it spent.

Random search takes the table's configurations in random order, and so do `gp` and `tpe` until they have seen enough. Then `gp`
chooses among those that it has not had yet; `tpe` proposes in the whole space and gets the nearest of these. Regret is the
captured value that the best configuration of the table has, less that of the best one that a search has trained to the end.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ghm.benchmark import Table
from ghm.search.methods.gaussian_process import Noise, propose
from ghm.search.methods.learned import LearnedProposal
from ghm.search.methods.proposals import Known
from ghm.search.settings.configurations import make_hyperparameters
from ghm.search.settings.inactive import distinct
from ghm.search.settings.methods import N_STARTUP
from ghm.search.settings.trial_numbering import places
from ghm.training.settings import Hyperparameters

Array = NDArray[np.float64]

MOST = 8
"""Whole trainings that a search with rungs may cost, half of it one that learns; those without four times that, and random search
all of the table."""

LAG = 4
"""Proposals see all but the last four configurations, as in a search by default."""


@dataclass(frozen=True)
class Method:
    """A way to search."""

    search_type: Literal["random", "tpe", "gp"]
    rungs: tuple[int, ...] = ()
    keep: float = 0.34
    earlier: int = 0
    """Configurations of an earlier search whose outcomes are known from the start (``--learn_from``)."""

    @property
    def name(self) -> str:
        """As tables call it."""
        how = f", rungs {' '.join(map(str, self.rungs))}, keep {self.keep:g}" if self.rungs else ""
        return self.search_type + how + (f", {self.earlier} earlier" if self.earlier else "")


@dataclass(frozen=True)
class Course:
    """A search that may be stopped here and there."""

    iterations: NDArray[np.int64]
    """Iterations that it has then spent, (m,)."""
    regret: NDArray[np.float64]
    """Regret of the best that it has trained to the end, (m,)."""
    until: float
    """Iterations up to which it was followed."""


class TableProposal(LearnedProposal):
    """Proposals among the rows of a table."""

    def __init__(self, table: Table, method: Method, number: int, shuffled: Sequence[int]) -> None:
        assert method.search_type != "random"
        super().__init__(method.search_type, table.space, number)
        self._shuffled = shuffled
        self.rows = [distinct(make_hyperparameters(values), table.space) for values in table.configurations]
        self._table = table
        self.at = np.array([self._places(row) for row in self.rows])
        self._free = self.at

    def row(self, history: Sequence[Known], taken: Sequence[int]) -> int:
        """The row to train next, given what is known of the rows ``taken``."""
        self._free = np.delete(self.at, list(taken), axis=0)
        return self._table.nearest(vars(self(len(taken) + 1, history)), excluded=taken)

    def _chosen(self, configuration: int, history: Sequence[Known]) -> Hyperparameters:
        if sum(not one.pending for one in history) < N_STARTUP:
            return self.rows[self._shuffled[configuration - 1]]
        return super()._chosen(configuration, history)

    def ask(
        self, known: Array, objective: Array, pending: Array, seed: np.random.SeedSequence, noise: Noise | None = None
    ) -> Sequence[float]:
        """A place on each axis: for ``gp`` that of a row."""
        if self._method == "gp":
            return propose(self.axes, known, objective, pending, seed, self._free, noise)
        return super().ask(known, objective, pending, seed, noise)


class Replay:
    """One search in the table.

    Args:
        table: the table.
        method: how it searches.
        number: of the search; its training seed is the table's seeds in turn.
        other: configurations of an earlier random search, trained on another seed of this table's.
    """

    def __init__(self, table: Table, method: Method, number: int, other: Table | None = None) -> None:
        self.method, self.ends = method, (*method.rungs, table.iterations[-1])
        columns = [table.iterations.index(end) for end in self.ends]
        self.best = table.best_so_far[:, number % len(table.seeds)][:, columns]
        self.order: list[int] = []
        self._shuffled = np.random.default_rng(number).permutation(len(self.best)).tolist()
        self._proposal = (
            None if method.search_type == "random" else TableProposal(table, method, number, self._shuffled)
        )
        self.earlier: list[Known] = []
        if method.earlier:
            assert other is not None
            values = other.best_so_far[:, (number + 1) % len(other.seeds), columns[0]]
            rows = np.random.default_rng((number, 1)).permutation(len(values))[: method.earlier]
            tried = [distinct(make_hyperparameters(other.configurations[row]), table.space) for row in rows]
            self.earlier = [Known(one, _known(values[row])) for one, row in zip(tried, rows, strict=True)]

    def ask(self) -> None:
        """Take the next configuration, when of all but the last few the value at the first end is known."""
        proposal = self._proposal
        if proposal is None:
            self.order.append(self._shuffled[len(self.order)])
            return
        seen = max(len(self.order) + 1 - LAG, 0)
        values = [_known(value) for value in self.best[self.order, 0]]
        history = self.earlier + [
            Known(proposal.rows[row], value if k < seen else None, pending=k >= seen)
            for k, (row, value) in enumerate(zip(self.order, values, strict=True))
        ]
        self.order.append(proposal.row(history, self.order))

    def train(self, rows: Sequence[int]) -> tuple[int, list[int], list[list[int]]]:
        """Iterations that rows cost together, those of them that are trained to the end, and at each rung those stopped."""
        spent, before, still = 0, 0, list(rows)
        stopped = []
        for end, values in zip(self.ends, self.best.T, strict=True):
            spent, before = spent + len(still) * (end - before), end
            if end != self.ends[-1]:
                ranking = [still[k] for k in np.lexsort((np.arange(len(still)), -values[still]))]
                count = places(self.method.keep, len(still))
                still = ranking[:count]
                stopped.append(ranking[count:])
        return spent, still, stopped

    def regret(self, rows: Sequence[int]) -> float:
        """Of rows that were trained to the end."""
        return float(self.best[:, -1].max() - self.best[list(rows), -1].max())


def _known(value: float) -> float | None:
    """What a proposal is told; nothing of a training that failed."""
    return float(value) if np.isfinite(value) else None


def search(table: Table, method: Method, number: int, other: Table | None = None) -> Course:
    """One search. With rungs all configurations pass them together, so it is another search for each number of them."""
    replay = Replay(table, method, number, other)
    learns = method.search_type != "random"
    times = (0.5 if learns else 1.0) if method.rungs else 4.0 if learns else math.inf
    most = MOST * table.iterations[-1] * times
    spent: list[int] = []
    regret: list[float] = []
    while len(replay.order) < len(replay.best):
        replay.ask()
        cost, still, _ = replay.train(replay.order)
        if cost > most:
            break
        spent.append(cost)
        regret.append(replay.regret(still))
    return Course(np.array(spent), np.array(regret), most)


def search_half(table: Table, method: Method, number: int) -> Course:
    """One search of half of the table, in turn of either; what was known earlier is of the other half."""
    halves = [half(table, which) for which in (0, 1)]
    return search(halves[number % 2], method, number // 2, halves[1 - number % 2])


def half(table: Table, which: int) -> Table:
    """Configurations of even numbers (0) or odd ones (1)."""
    part = slice(which, None, 2)
    return dataclasses.replace(
        table, configurations=table.configurations[part], captured_value=table.captured_value[part]
    )


def run(
    table: Table,
    compared: Sequence[Method],
    repeats: int,
    processes: int = 1,
    searched: Callable[[Table, Method, int], Course] = search,
) -> dict[str, list[Course]]:
    """``repeats`` searches of each method, numbered from 0."""
    found = {}
    for method in compared:
        one = functools.partial(searched, table, method)
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


def needed(courses: Sequence[Course], regret: float) -> float:
    """:func:`iterations_needed` of searches."""
    budgets = budgets_of(courses)
    return iterations_needed(regrets(courses, budgets), budgets, regret)


def interval(found: NDArray[np.float64], budgets: NDArray[np.int64], regret: float) -> tuple[float, float]:
    """95% interval of :func:`iterations_needed`, from 500 resamples of the searches."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(len(found), size=(500, len(found)))
    resampled = np.sort([iterations_needed(found[one], budgets, regret) for one in drawn])
    return float(resampled[12]), float(resampled[487])


def budgets_of(courses: Sequence[Course]) -> NDArray[np.int64]:
    """Every number of iterations at which one of the searches has something new."""
    return np.unique(np.concatenate([course.iterations for course in courses]))
