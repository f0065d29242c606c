"""Each learner trained many times, one after another in one process: what each reaches, and what its hyperparameters do.

    python benchmarks/learners.py curves|ppo|table|seeds|calibrations|transfer [...] [--learner gae] [--directory DIRECTORY]

``curves``        five seeds of each learner, default flags
``ppo``           five seeds of PPO of Stable-Baselines3, 90 CPU seconds each
``table``         random configurations of the default space, one seed each
``seeds``         a few of them on more seeds
``calibrations``  the best of them on three more calibrations
``transfer``      the best, the best by worst, and the default flags on eight other calibrations, three seeds each

Every training is a line of JSON in ``benchmarks/recorded/``; what is recorded is not run again, so it can be stopped anywhere.
`python benchmarks/learner_tables.py` prints the tables and draws the figure. CPU seconds are those of training alone.
"""

import argparse
import json
import time
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ghm.economics.action_rule import Returns
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.policies.tabulated import TabulatedPolicy
from ghm.search.settings.configurations import NAMES
from ghm.search.settings.space import SearchSpace
from ghm.simulation.kernel import Simulator
from ghm.solvers.answers.evaluation import FIRMS
from ghm.solvers.dynamic_program import solve
from ghm.solvers.solution import Solution
from ghm.solvers.validation.simulation import simulate
from ghm.training.exact import ExactReturns
from ghm.training.learners.choice import gradient_estimator
from ghm.training.learners.learner import Learner
from ghm.training.problem import GriddedProblem
from ghm.training.settings import TrainConfig

DIRECTORY = Path(__file__).with_name("recorded")

LEARNERS: dict[str, dict[str, Any]] = {
    "model_based": {},
    "after_state": {"learner": "model_free"},
    "gae": {"learner": "model_free", "estimator": "gae"},
    "monte_carlo": {"learner": "model_free", "estimator": "monte_carlo"},
}

CURVE_ITERATIONS, CURVE_SEEDS = 2000, (1, 2, 3, 4, 5)

DRAWS, TABLE_ITERATIONS, TABLE_SEED = 204, 150, 1
"""Of the table: configurations drawn, a few of them twice; how long each is trained, and the seed of all."""

REPEATED, OTHER_SEEDS = 6, (2, 3, 4, 5)
"""Configurations of the table that are trained again, and on which seeds."""

SEARCHED, SHORT_LIST = 100, 10
"""Configurations of the table, the first, among which the best is looked for; and of these the best, of which the best by worst
over four calibrations is chosen."""

TUNED_ON: dict[str, dict[str, float]] = {
    "calm": {"sigma_x": 0.05, "sigma_a": 0.1},
    "wild": {"sigma_x": 0.3, "sigma_a": 0.35, "c_max": 4.0},
    "dear equity": {"proportional_cost": 1.3, "fixed_cost": 0.05},
}
"""Calibrations beside the default one, for ranking by worst."""

OTHERS: dict[str, dict[str, float]] = {
    "little transitory risk": {"sigma_x": 0.08},
    "much transitory risk": {"sigma_x": 0.2},
    "much permanent risk": {"sigma_a": 0.35},
    "profitable": {"alpha": 0.25},
    "poor": {"alpha": 0.12},
    "cheap equity": {"proportional_cost": 1.02, "fixed_cost": 0.005},
    "costly cash": {"r": 0.08, "mu": 0.0, "carry_cost": 0.03},
    "poor recovery": {"recovery": 0.3},
}

TRANSFER_SEEDS = (11, 12, 13)

PPO_SECONDS = [2, 5, 9, 14, 20, 30, 45, 60, 75, 90]


@cache
def reference(problem: Problem) -> Solution:
    """The optimum."""
    return solve(problem)


@cache
def prepared(problem: Problem) -> tuple[GriddedProblem, ExactReturns]:
    """What no training on it changes."""
    gridded = GriddedProblem.build(problem)
    return gridded, ExactReturns.build(problem, gridded.grid)


def train(flags: dict[str, Any], at: list[int], simulated: bool = False) -> dict[str, Any]:
    """One training, judged after the iterations ``at``.

    Returns:
        The flags, and points: iteration, CPU seconds of training, captured value as it acts and by its most likely actions;
        with ``simulated`` also the simulated returns of both by which `--select simulated` chooses.
    """
    settings: dict[str, Any] = {**flags, "model": GHMModel(**flags.get("model", {}))}
    config = TrainConfig(**settings)
    problem, exact = prepared(config.problem)
    learner = Learner(problem, config)
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, config.seed)
    estimate = gradient_estimator(config, problem, simulator, learner)
    points: list[list[Any]] = []
    seconds = 0.0

    def judge(iteration: int) -> None:
        tables = learner.tabulate().tables
        points.append([iteration, round(seconds, 2), *captured(reference(config.problem), exact(tables))])
        if simulated:
            points[-1] += simulated_returns(TabulatedPolicy(problem.grid, tables), config)

    for iteration in range(config.n_iterations + 1):
        began = time.process_time()
        if iteration > 0:
            tabulation = learner.tabulate()
            gradient = estimate(tabulation.tables, learner.given_values(), iteration)
            learner.learn(tabulation, gradient, progress=(iteration - 1) / config.n_iterations)
        seconds += time.process_time() - began
        if not learner.is_finite():
            return {"flags": flags, "points": points, "diverged": iteration}
        if iteration in at:
            judge(iteration)
    return {"flags": flags, "points": points}


def captured(optimum: Solution, returns: Returns) -> list[float | None]:
    """Captured value under both action rules."""
    shares = (optimum.captured_value(one) for one in returns)
    return [None if share is None else round(share, 6) for share in shares]


def simulated_returns(policy: TabulatedPolicy, config: TrainConfig) -> list[float]:
    """The returns that :func:`ghm.training.selection.choose` compares."""
    return [round(simulate(policy, config.problem, FIRMS, config.seed + 1, rule).mean, 6) for rule in (True, False)]


def best(record: dict[str, Any]) -> float:
    """Captured value of the policy that is kept: the best, by exact returns, of all that were judged."""
    return float(max(max(point[2:4]) for point in record["points"]))


class Recorded:
    """The records of one kind, a line each.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.records = [json.loads(line) for line in lines]

    def find(self, flags: dict[str, Any]) -> dict[str, Any] | None:
        """The record of a training with these flags."""
        wanted = json.loads(json.dumps(flags))
        return next((record for record in self.records if record["flags"] == wanted), None)

    def add(self, flags: dict[str, Any], at: list[int], simulated: bool = False) -> dict[str, Any]:
        """The record of a training, which is run where there is none."""
        found = self.find(flags)
        return found or self.append(train(flags, at, simulated))

    def append(self, record: dict[str, Any]) -> dict[str, Any]:
        """Keep a record."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        self.records.append(json.loads(json.dumps(record)))
        print(f"{self._path.stem}: {len(self.records)}", json.dumps(record["flags"]), record["points"][-1], flush=True)
        return record


def every(n_iterations: int, count: int = 20) -> list[int]:
    """Where a training of so many iterations is judged by default: before it, and at ``count`` points."""
    return [0, *range(n_iterations // count, n_iterations + 1, n_iterations // count)]


def configurations() -> Iterator[dict[str, Any]]:
    """The table's configurations: independent draws from the default space."""
    generator, choices = np.random.default_rng(2024), SearchSpace().choices()
    for _ in range(DRAWS):
        yield {name: choices[name].draw(generator) for name in NAMES}


class Series:
    """What is run, for one of the learners.

    Args:
        directory: of the records.
        learner: name in `LEARNERS`.
        n_iterations: of the table, and of all that is compared with it.
    """

    def __init__(self, directory: Path, learner: str, n_iterations: int) -> None:
        self._directory, self._learner, self._n_iterations = directory, learner, n_iterations

    def records(self, name: str) -> Recorded:
        """The records of this learner under a name."""
        return Recorded(self._directory / f"{name}_{self._learner}.jsonl")

    def flags(self, configuration: dict[str, Any], seed: int, model: dict[str, float] | None = None) -> dict[str, Any]:
        """All flags of a training."""
        model_flags = {"model": model} if model else {}
        return (
            LEARNERS[self._learner] | configuration | {"n_iterations": self._n_iterations, "seed": seed} | model_flags
        )

    def curves(self) -> None:
        """Default flags on five seeds."""
        for seed in CURVE_SEEDS:
            flags = LEARNERS[self._learner] | {"n_iterations": CURVE_ITERATIONS, "seed": seed}
            self.records("curves").add(flags, every(CURVE_ITERATIONS), simulated=self._learner == "after_state")

    def table(self) -> None:
        """Every configuration once."""
        table = self.records("table")
        for configuration in configurations():
            table.add(self.flags(configuration, TABLE_SEED), every(self._n_iterations, 10))

    def seeds(self) -> None:
        """The first configurations on other seeds."""
        table = self.records("seeds")
        for seed in OTHER_SEEDS:
            for configuration in [*configurations()][:REPEATED]:
                table.add(self.flags(configuration, seed), every(self._n_iterations, 10))

    def ranked(self) -> list[dict[str, Any]]:
        """The configurations that are searched, the best first."""
        table = self.records("table")
        found = [(table.find(self.flags(one, TABLE_SEED)), one) for one in islice(configurations(), SEARCHED)]
        done = [(best(record), one) for record, one in found if record is not None]
        return [one for _, one in sorted(done, key=lambda pair: -pair[0])]

    def calibrations(self) -> None:
        """The best of the table on the other calibrations that are tuned on."""
        table = self.records("calibrations")
        for configuration in self.ranked()[:SHORT_LIST]:
            for model in TUNED_ON.values():
                table.add(self.flags(configuration, TABLE_SEED, model), every(self._n_iterations, 10))

    def chosen(self) -> dict[str, dict[str, Any]]:
        """Three configurations: the best on the default calibration, the best by worst over four, and the default flags."""
        short, others, table = self.ranked()[:SHORT_LIST], self.records("calibrations"), self.records("table")

        def worst(configuration: dict[str, Any]) -> float:
            found = [others.find(self.flags(configuration, TABLE_SEED, model)) for model in TUNED_ON.values()]
            found.append(table.find(self.flags(configuration, TABLE_SEED)))
            return min(best(record) for record in found if record is not None)

        return {"best": short[0], "best by worst": max(short, key=worst), "default flags": {}}

    def transfer(self) -> None:
        """The three chosen on other calibrations."""
        table = self.records("transfer")
        for seed in TRANSFER_SEEDS:
            for model in OTHERS.values():
                for configuration in self.chosen().values():
                    table.add(self.flags(configuration, seed, model), every(self._n_iterations, 10))

    def ppo(self) -> None:
        """PPO, with the setting that ends best of those of ``peer_ppo.py``."""
        from peer_ppo import SETTINGS, train_peer

        table = Recorded(self._directory / "curves_ppo.jsonl")
        for seed in CURVE_SEEDS:
            flags = {"setting": SETTINGS[1].name, "seed": seed}
            if table.find(flags) is None:
                config = TrainConfig(seed=seed)
                points = train_peer(SETTINGS[1], config, reference(config.problem), list(PPO_SECONDS))
                table.append({"flags": flags, "points": points})


SERIES = ("curves", "ppo", "table", "seeds", "calibrations", "transfer")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("series", nargs="+", choices=SERIES, help="what to run, in this order")
    parser.add_argument("--learner", nargs="+", choices=LEARNERS, default=["gae"], help="learners, one after another")
    parser.add_argument("--n_iterations", type=int, default=TABLE_ITERATIONS, help="of each but curves")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="of the records")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    for learner in flags.learner:
        train(LEARNERS[learner] | {"n_iterations": 2}, [2])  # so that no training that counts compiles
        for name in flags.series:
            getattr(Series(flags.directory, learner, flags.n_iterations), name)()


if __name__ == "__main__":
    main()
