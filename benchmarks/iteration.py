"""Seconds an iteration takes: by phase, against the textbook, and against the floor of operations and bytes.

    python benchmarks/iteration.py [--baseline network exact] [--json]

All figures are seconds of one core (CPU time of this process), medians over iterations; the ratios are of one run. The
policy has been trained for a while first, so that its paths survive to the horizon and no step is saved.
"""

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from machine import describe_machine
from textbook import Textbook

from ghm.policies.distribution import RAW_OUTPUTS
from ghm.policies.networks import FEATURES
from ghm.simulation.kernel import Simulator
from ghm.training.learners.estimator import GradientEstimator
from ghm.training.learners.learner import VALUE_STEPS, Learner
from ghm.training.problem import GriddedProblem
from ghm.training.settings import BASELINES, Baseline, TrainConfig

WARM_UP = 200
"""Iterations of training before timing: by then the policy keeps firms alive."""

REPEATS = 30

# Counted from the source of simulation/kernel.py and simulation/draws.py, a path-step; a multiply-add is two operations.
# Philox 4x32-10: 10 rounds of 2 multiplications, 4 exclusive ors and 2 key additions; one call serves two steps of a path.
PHILOX = 10 * 8 / 2
# Two normals of a point in the plane: a logarithm (9 multiply-adds, and 14), a square root and its argument, an angle from
# bits 8, sine and cosine 20, their signs and order 6, two products.
NORMALS = (18 + 14) + 2 + 8 + 20 + 6 + 2
# Uniform from bits 4, bits of the point 5; one exponential (6 multiply-adds and 15).
DRAWS = PHILOX + 4 + 5 + NORMALS + (2 * 6 + 15)
# Locating 9, acting 18, moving 31, the discounted sum 2, counting visits 5.
OPERATIONS_PER_STEP = DRAWS + 9 + 18 + 31 + 2 + 5

# Written and read once where paths are recorded: cash, cell, weight, noise, after, flow (4 bytes each) and mode (1).
# Unrecorded, the 57 bytes that a path-step works on are used again at the next step and stay in the first-level cache.
RECORDED_BYTES_PER_STEP = 2 * 25

# Double precision of the sweep, at a node, beside 2 a coefficient of the banded product: slopes 8, two running integrals by
# Simpson's rule 2 * 16, their sums 4, the mean over modes 12.
SWEEP_DOUBLE = 8 + 2 * 16 + 4 + 12
# Single precision: two distribution functions at the node and at the next midpoint, 51 each.
SWEEP_SINGLE = 2 * 2 * 51


def cpu_seconds(action: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Median CPU seconds of ``action``."""
    action()
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        action()
        taken.append(time.process_time() - started)
    return statistics.median(taken)


TIMED = {
    "tabulate": (Learner, "tabulate"),
    "bootstrap values": (Learner, "given_values"),
    "sweep": (GradientEstimator, "sweep"),
    "simulate": (Simulator, "run"),
    "estimate": (GradientEstimator, "__call__"),
    "learn policy": (Learner, "_learn_policy"),
    "learn values": (Learner, "_learn_values"),
}
"""Where each figure is taken: class and method."""

PHASES = (
    "tabulate",
    "bootstrap values",
    "sweep",
    "simulate",
    "score",
    "learn policy",
    "learn values",
    "whole iteration",
)


@contextlib.contextmanager
def stopwatch() -> Iterator[dict[str, float]]:
    """CPU seconds spent in each of the methods `TIMED` while the context lasts."""
    seconds = dict.fromkeys(TIMED, 0.0)

    def timed(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.process_time()
            try:
                return method(*args, **kwargs)
            finally:
                seconds[name] += time.process_time() - started

        return call

    with contextlib.ExitStack() as stack:
        for name, (owner, method) in TIMED.items():
            stack.enter_context(patch.object(owner, method, timed(name, getattr(owner, method))))
        yield seconds


class Training:
    """The trainer's parts, each of which can be run alone.

    Args:
        config: settings.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.problem = GriddedProblem.build(config.problem)
        self.learner = Learner(self.problem, config)
        self.simulator = Simulator(self.problem.model, self.problem.grid, self.problem.terminal_values, config.seed)
        self.estimator = GradientEstimator(
            self.problem, self.simulator, config.estimator or "bootstrap", config.n_trajectories
        )
        self.iterations = 0

    def iterate(self) -> None:
        """One iteration, as the trainer does it."""
        self.iterations += 1
        tabulation = self.learner.tabulate()
        values = self.learner.given_values()
        self.learner.learn(tabulation, self.estimator(tabulation.tables, values, self.iterations), progress=0.5)

    def phases(self, repeats: int = REPEATS) -> dict[str, float]:
        """Median CPU seconds of each phase and of the whole, all taken in the same iterations."""
        laps = []
        for _ in range(repeats):
            with stopwatch() as lap:
                started = time.process_time()
                self.iterate()
                lap["whole iteration"] = time.process_time() - started
            # Estimating is sweeping, simulating, and scoring what was simulated.
            lap["score"] = lap.pop("estimate") - lap["sweep"] - lap["simulate"]
            laps.append(lap)
        return {name: statistics.median(lap[name] for lap in laps) for name in PHASES}

    def surviving(self) -> float:
        """Share of the last batch's paths that reached the horizon."""
        cash = self.estimator._paths.cash
        # Unrecorded, there is room for two steps, used in turn.
        return float((cash[self.config.n_steps % len(cash) if len(cash) == 2 else -1] >= 0).mean())


def peak() -> tuple[float, float]:
    """This core's single-precision operations a second (a large matrix product), and bytes a second (a large copy)."""
    size = 1024
    matrix = torch.ones(size, size)
    operations = 2 * size**3 / cpu_seconds(lambda: matrix @ matrix, 10)
    source, target = np.ones(1 << 25, np.float32), np.empty(1 << 25, np.float32)
    moved = 2 * source.nbytes / cpu_seconds(lambda: np.copyto(target, source), 5)
    return operations, moved


def network_operations(training: Training) -> float:
    """Multiply-adds times two of both networks, forward and backward (twice the forward)."""

    def of(hidden: tuple[int, ...], outputs: int) -> int:
        widths = (FEATURES, *hidden, outputs)
        return sum(2 * a * b for a, b in pairwise(widths))

    config, problem = training.config, training.problem
    policy = 3 * problem.grid.steps_to_go.size * problem.policy_nodes.size * of(config.policy_hidden, RAW_OUTPUTS)
    if config.baseline == "exact":
        return policy
    states = problem.bootstrap_nodes.size * problem.value_nodes.size
    # Called once more than it learns: for the function that returns are bootstrapped from.
    return policy + (1 + 3 * VALUE_STEPS) * states * of(config.value_hidden, 1)


def floor(training: Training) -> dict[str, float]:
    """Seconds that the counted operations and bytes take at this core's measured peak."""
    operations, moved = peak()
    config, grid = training.config, training.problem.grid
    path_steps = config.n_trajectories * config.n_steps
    recorded = 0 if config.estimator == "bootstrap" else RECORDED_BYTES_PER_STEP
    # Double precision runs at half the speed of single.
    band = training.problem.transition.coefficients.shape[1]
    table = config.n_steps * grid.cash.size * (2 * (2 * band + SWEEP_DOUBLE) + SWEEP_SINGLE)
    return {
        "operations a second": operations,
        "bytes a second": moved,
        "simulate": max(path_steps * OPERATIONS_PER_STEP / operations, path_steps * recorded / moved),
        "networks": network_operations(training) / operations,
        "sweep": table / operations,
    }


def measure(baseline: Baseline) -> dict[str, Any]:
    """Figures of default settings with one baseline."""
    training = Training(TrainConfig(baseline=baseline))
    for _ in range(WARM_UP):
        training.iterate()
    phases = training.phases()
    return {"surviving": training.surviving(), "seconds": phases, "floor": floor(training)}


def run(baselines: Sequence[Baseline], textbook_iterations: int) -> dict[str, Any]:
    """All figures."""
    torch.set_num_threads(1)
    columns = {baseline: measure(baseline) for baseline in baselines}
    textbook = cpu_seconds(Textbook(TrainConfig()).iterate, textbook_iterations)
    for column in columns.values():
        column["ratio"] = textbook / column["seconds"]["whole iteration"]
    return {"machine": describe_machine(), "textbook": textbook, "baselines": columns}


FLOORS = ("simulate", "networks", "sweep")


def show(figures: dict[str, Any]) -> None:
    """Print the table: a column a baseline."""
    columns = figures["baselines"]
    print(f"{figures['machine']}\n\nDefault settings, milliseconds of one core")
    print(f"  {'baseline':<18}" + "".join(f"{name:>18}" for name in columns))
    for phase in PHASES:
        cells = [(c["seconds"][phase], c["seconds"]["whole iteration"]) for c in columns.values()]
        print(
            f"  {phase:<18}" + "".join(f"{1000 * seconds:>10.2f} {seconds / whole:>7.1%}" for seconds, whole in cells)
        )
    print(f"  {'paths surviving':<18}" + "".join(f"{column['surviving']:>18.1%}" for column in columns.values()))
    print(f"  {'textbook, times':<18}" + "".join(f"{column['ratio']:>18.0f}" for column in columns.values()), end="")
    print(f"   ({1000 * figures['textbook']:.0f} ms an iteration)")
    bounds = [column["floor"] for column in columns.values()]
    peaks = f"{bounds[0]['operations a second'] / 1e9:.0f} Gflop/s, {bounds[0]['bytes a second'] / 1e9:.0f} GB/s"
    print(f"\nFloor at this core's measured peak ({peaks})")
    for name in FLOORS:
        print(f"  {name:<18}" + "".join(f"{1000 * bound[name]:>18.2f}" for bound in bounds))
    totals = [sum(bound[name] for name in FLOORS) for bound in bounds]
    print(f"  {'together':<18}" + "".join(f"{1000 * total:>18.2f}" for total in totals))
    wholes = [column["seconds"]["whole iteration"] for column in columns.values()]
    times = "".join(f"{whole / total:>18.1f}" for whole, total in zip(wholes, totals, strict=True))
    print(f"  {'iteration, times':<18}{times}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    choices = BASELINES["model_based"]
    parser.add_argument("--baseline", nargs="+", choices=choices, default=choices[::-1], help="a column each")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--textbook_iterations", type=int, default=3, help="iterations of the textbook that are timed")
    flags = parser.parse_args()
    figures = run(flags.baseline, flags.textbook_iterations)
    if flags.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
