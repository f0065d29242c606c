"""Search methods on a table of real trainings: what each finds for the iterations that it spends.

`make search-table` records the table: random configurations of the default space, each trained once, with the captured value of
every evaluation. `python benchmarks/search_methods.py` then lets every method search in it, many times, and draws regret against
iterations. A method proposes in the whole space and gets the nearest configuration of the table that it has not had yet, all
methods alike; random search's own proposals are treated the same.

Regret is the captured value that the best of the table has over the best that a method has trained to the end.
"""

import argparse
import functools
import json
import math
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghm.search.methods.learned import LearnedProposal, ask_optuna
from ghm.search.methods.proposals import Known, Proposal
from ghm.search.methods.registry import make_proposal
from ghm.search.settings.configurations import NAMES, parse_hyperparameters, plain_hyperparameters
from ghm.search.settings.inactive import effective_choices, inactive_hyperparameters
from ghm.search.settings.methods import SearchType
from ghm.search.settings.space import Choices, SearchSpace
from ghm.training.settings import Hyperparameters

TABLE = Path(__file__).with_name("search_table.json")
FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "search_methods.png"

CLOSE = 1e-3
"""Regret in captured value that counts as having found the best."""

MOST = {"random": 150, "tpe": 60, "gp": 60}
"""Configurations of a search at most: random ones cost nothing to propose, so that random search is followed until it has found
the best; with rungs, 60 configurations cost less than 16 whole trainings."""

LAG = 4
"""Proposals see all but the last four configurations, as in a search by default."""

DIGITS = 7
"""Decimals of captured value kept: a hundred times finer than the reference solution is good to."""


@dataclass(frozen=True)
class Table:
    """Recorded trainings: n configurations, e evaluations each."""

    choices: Choices
    """The space that they were drawn from."""
    settings: dict[str, Any]
    """What they were trained with."""
    iterations: NDArray[np.int64]
    """Of the evaluations, (e,)."""
    configurations: tuple[Hyperparameters, ...]
    """What was trained, n of them, each different in what has an effect."""
    best: NDArray[np.float64]
    """Captured value of the best policy so far, (n, e); minus infinity where a training failed."""

    @property
    def final(self) -> NDArray[np.float64]:
        """What each reached at its end, (n,)."""
        return self.best[:, -1]

    @property
    def effective(self) -> Choices:
        """The space without what has no effect."""
        return effective_choices(self.choices, inactive_hyperparameters(self.settings))

    def reading(self, rung: int) -> NDArray[np.float64]:
        """What each had reached at a rung, (n,).

        Raises:
            ValueError: when nothing was evaluated there.
        """
        if rung not in self.iterations:
            raise ValueError(f"rung {rung}: the table has evaluations at {', '.join(map(str, self.iterations))}")
        return self.best[:, int(np.searchsorted(self.iterations, rung))]


@dataclass(frozen=True)
class Method:
    """A way to search: how configurations are proposed, and at which rungs they are cut."""

    name: str
    search_type: SearchType
    rungs: tuple[int, ...] = ()
    keep: float = 0.34
    peer: bool = False
    """Optuna's Gaussian process in place of ours."""

    @property
    def most(self) -> int:
        """Configurations at most."""
        return MOST[self.search_type]


@dataclass(frozen=True)
class StepQueue:
    """Regret of one search that stops after 1, 2, 3 … configurations."""

    iterations: NDArray[np.int64]
    """Iterations that it has then spent, (m,)."""
    regret: NDArray[np.float64]
    """Regret of the best that it has trained to the end, (m,)."""


def record(results_dir: Path, path: Path) -> Table:
    """Make the table of a search's trials and write it.

    Raises:
        UserError: when there is no search in ``results_dir``.
        ValueError: when its trials have no evaluations in common.
    """
    from ghm.search.records.reader import read_search

    search = read_search(results_dir)
    inactive = search.record.inactive
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    grid: list[int] = []
    for trial in search.trials:
        if not trial.final:
            continue
        values = [
            (line.iteration, line.captured_value) for line in search.history(trial) if line.captured_value is not None
        ]
        if trial.success and not grid:
            grid = [iteration for iteration, _ in values]
        key = tuple(str(getattr(trial.hyperparameters, name)) for name in NAMES if name not in inactive)
        captured = [round(value, DIGITS) for _, value in values] if trial.success else None
        rows.setdefault(
            key, {"hyperparameters": plain_hyperparameters(trial.hyperparameters), "captured_value": captured}
        )
    if not grid or any(row["captured_value"] and len(row["captured_value"]) != len(grid) for row in rows.values()):
        raise ValueError(f"{results_dir}: the trials' evaluations differ in number")
    content = {
        "settings": {
            key: value
            for key, value in sorted(search.config.to_dict().items())
            if key not in ("results_dir", "resume", "space")
        },
        "space": {name: values.to_json() for name, values in search.record.choices.items()},
        "iterations": grid,
    }
    head = json.dumps(content)[:-1]
    body = ",\n".join(json.dumps(row) for row in rows.values())
    path.write_text(f'{head}, "trainings": [\n{body}\n]}}\n')
    return load(path)


def load(path: Path) -> Table:
    """Read a recorded table.

    Raises:
        OSError: when there is none; ``make search-table`` records it.
    """
    content = json.loads(path.read_text())
    rows = content["trainings"]
    failed = [-math.inf] * len(content["iterations"])
    values = np.array([failed if row["captured_value"] is None else row["captured_value"] for row in rows])
    return Table(
        SearchSpace.from_dict(content["space"]).choices(),
        content["settings"],
        np.array(content["iterations"]),
        tuple(parse_hyperparameters(row["hyperparameters"]) for row in rows),
        np.maximum.accumulate(values, axis=1),
    )


def methods(rungs: tuple[int, ...]) -> list[Method]:
    """What is compared."""
    plain = [Method(name, name) for name in ("random", "tpe", "gp")]
    return plain + [Method(f"{one.name} + rungs", one.search_type, rungs) for one in plain]


class OptunaGaussianProcess(LearnedProposal):
    """``gp`` as Optuna's ``GPSampler`` would have it, told the same."""

    def ask(
        self, known: NDArray[Any], objective: NDArray[Any], pending: NDArray[Any], seed: np.random.SeedSequence
    ) -> Sequence[float]:
        """Places of the proposal."""
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is called experimental
            sampler = optuna.samplers.GPSampler(seed=int(seed.generate_state(1)[0]), n_startup_trials=0)
            return ask_optuna(sampler, self.axes, known, objective, pending)


def search(table: Table, method: Method, seed: int) -> StepQueue:
    """One search of up to ``method.most`` configurations."""
    reading = table.reading(method.rungs[0]) if method.rungs else table.final
    order = _propose_all(table, method, seed, method.most, reading)
    spent, regret = [], []
    for count in range(1, len(order) + 1):
        iterations, best = _trained(table, method, np.array(order[:count]))
        spent.append(iterations)
        regret.append(float(table.final.max()) - best)
    # A search that would be stopped later keeps what it has found with fewer configurations only without rungs: with
    # them it is another search, whose cuts may lose the best.
    return StepQueue(np.array(spent), np.array(regret))


def _propose_all(table: Table, method: Method, seed: int, most: int, reading: NDArray[np.float64]) -> list[int]:
    """Rows of the table in the order in which the method asks for them."""
    propose: Proposal = (
        OptunaGaussianProcess("gp", table.effective, seed)
        if method.peer
        else make_proposal(method.search_type, table.effective, seed)
    )
    coordinates = _coordinates(table, table.configurations)
    order: list[int] = []
    for number in range(1, min(most, len(table.configurations)) + 1):
        history = [
            Known(
                _effective(table, table.configurations[row]),
                _value(reading[row]) if position <= number - LAG else None,
                pending=position > number - LAG,
            )
            for position, row in enumerate(order, 1)
        ]
        asked = _coordinates(table, [propose(number, history)])[0]
        distance = np.abs(coordinates - asked).sum(axis=1)
        distance[order] = np.inf
        order.append(int(np.argmin(distance)))
    return order


def _trained(table: Table, method: Method, rows: NDArray[np.int64]) -> tuple[int, float]:
    """Iterations spent on the configurations ``rows``, and the best that was trained to the end."""
    spent, before = 0, 0
    for rung in method.rungs:
        spent += len(rows) * (rung - before)
        before = rung
        ranking = np.lexsort((np.arange(len(rows)), -table.reading(rung)[rows]))
        rows = rows[ranking[: math.ceil(method.keep * len(rows) - 1e-9)]]
    return spent + len(rows) * (int(table.iterations[-1]) - before), float(table.final[rows].max())


def _effective(table: Table, configuration: Hyperparameters) -> Hyperparameters:
    """The configuration with the first value of whatever has no effect."""
    values = plain_hyperparameters(configuration)
    for name, choices in table.effective.items():
        if choices.size == 1:
            values[name] = choices.first
    return parse_hyperparameters(values)


def _coordinates(table: Table, configurations: Sequence[Hyperparameters]) -> NDArray[np.float64]:
    """Positions: 0 to 1 along ordered values, a corner of a simplex for each of the others."""
    columns = []
    for name, distribution in table.effective.items():
        values = distribution.grid()
        if len(values) == 1:
            continue
        mine = [getattr(one, name) for one in configurations]
        if isinstance(values[0], tuple):
            columns += [[0.5 * (value == corner) for value in mine] for corner in values]
        else:
            columns.append([sorted(values).index(value) / (len(values) - 1) for value in mine])
    return np.array(columns, dtype=np.float64).T


def _value(reading: float) -> float | None:
    return float(reading) if math.isfinite(reading) else None


def median_regret(courses: Sequence[StepQueue], budgets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median over searches of the regret that each has when ``budgets`` iterations are spent, (b,).

    Infinite before anything is trained to the end; not a number past the end of the courses, which are of one length.
    """
    found = np.full((len(courses), len(budgets)), np.inf)
    for row, course in zip(found, courses, strict=True):
        last = np.searchsorted(course.iterations, budgets, side="right") - 1
        row[last >= 0] = course.regret[last[last >= 0]]
        step = course.iterations[-1] - course.iterations[-2] if len(course.iterations) > 1 else 0
        row[budgets >= course.iterations[-1] + max(step, 1)] = np.nan
    return np.asarray(np.median(found, axis=0))


def iterations_needed(courses: Sequence[StepQueue], budgets: NDArray[np.int64], regret: float = CLOSE) -> int | None:
    """Least budget from which on the median regret stays at or below ``regret``; None where it never does."""
    regrets = median_regret(courses, budgets)
    above = np.nonzero(regrets > regret)[0]
    first = 0 if not len(above) else int(above[-1]) + 1
    return int(budgets[first]) if first < np.sum(np.isfinite(regrets) | np.isposinf(regrets)) else None


def run(table: Table, compared: Sequence[Method], repeats: int, processes: int = 1) -> dict[str, list[StepQueue]]:
    """``repeats`` searches of each method, with the seeds from 0 on."""
    found = {}
    for method in compared:
        one = functools.partial(search, table, method)
        if processes == 1:
            found[method.name] = [one(seed) for seed in range(repeats)]
        else:
            with ProcessPoolExecutor(processes) as pool:
                found[method.name] = list(pool.map(one, range(repeats), chunksize=4))
    return found


def budgets_of(table: Table, found: dict[str, list[StepQueue]]) -> NDArray[np.int64]:
    """Budgets at which methods are compared: thirds of whole trainings, as far as any of the searches went."""
    whole = int(table.iterations[-1])
    last = max(int(course.iterations[-1]) for courses in found.values() for course in courses)
    return np.arange(whole // 3, last + 1, whole // 3)


def report(found: dict[str, list[StepQueue]], table: Table) -> str:
    """The comparison as a Markdown table."""
    budgets = budgets_of(table, found)
    lines = [
        f"{len(table.configurations)} configurations x {table.iterations[-1]} iterations; medians over "
        f"{len(next(iter(found.values())))} searches of each method",
        "",
        f"| method | iterations until regret ≤ {CLOSE:g} | regret after the iterations of 5 | 10 | 15 | 30 whole trainings |",
        "|---|---|---|---|---|---|",
    ]
    for name, courses in found.items():
        needed = iterations_needed(courses, budgets)
        regrets = median_regret(courses, budgets)
        at = [np.flatnonzero(budgets == count * int(table.iterations[-1])) for count in (5, 10, 15, 30)]
        shown = [f"{regrets[one[0]]:.5f}" if len(one) and np.isfinite(regrets[one[0]]) else "–" for one in at]
        lines.append(f"| {name} | {'not reached' if needed is None else f'{needed:,}'} | {' | '.join(shown)} |")
    return "\n".join(lines)


def draw(found: dict[str, list[StepQueue]], table: Table, path: Path) -> None:
    """Median regret against iterations, a curve a method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.3, 3.6), layout="constrained")
    axes = figure.subplots()
    budgets = budgets_of(table, found)
    colours = ("#0072B2", "#D55E00", "#009E73")
    for index, (name, courses) in enumerate(found.items()):
        regrets = np.maximum(median_regret(courses, budgets), 10.0**-DIGITS)
        style = "--" if "rungs" in name else "-"
        axes.step(budgets, regrets, style, where="post", color=colours[index % 3], label=name)
    axes.axhline(CLOSE, color="grey", linewidth=0.8)
    axes.set(xlabel="training iterations spent", ylabel="median regret (captured value)", xscale="log", yscale="log")
    axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Record the table, or compare the methods on it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--record", type=Path, help="make the table from this results directory, and stop")
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--peer", action="store_true", help="gp beside Optuna's GPSampler instead, without rungs")
    parser.add_argument("--rungs", type=int, nargs="+", default=[60, 180])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--figure", type=Path, default=FIGURE)
    flags = parser.parse_args()
    if flags.record is not None:
        table = record(flags.record, flags.table)
        print(f"{flags.table}: {len(table.configurations)} configurations x {len(table.iterations)} evaluations")
        return
    table = load(flags.table)
    compared = methods(tuple(flags.rungs))
    if flags.peer:
        compared = [Method("gp", "gp"), Method("Optuna's GPSampler", "gp", peer=True)]
    found = run(table, compared, flags.repeats, flags.processes)
    print(report(found, table))
    if flags.peer:
        return
    draw(found, table, flags.figure)


if __name__ == "__main__":
    main()
