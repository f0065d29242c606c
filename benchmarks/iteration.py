"""Seconds an iteration takes: by phase, against the textbook, and against the floor of operations and bytes.

    python benchmarks/iteration.py [--json]

All figures are seconds of one core (CPU time of this process), medians over iterations; the ratios are of one run. The
policy has been trained for a while first, so that its paths survive to the horizon and no step is saved.
"""

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from machine import describe_machine
from textbook import Textbook

from ghm.simulation.kernel import Simulator
from ghm.training.config import TrainConfig
from ghm.training.estimator import GradientEstimator
from ghm.training.learner import Learner
from ghm.training.problem import DecisionProblem

WARM_UP = 200
"""Iterations of training before timing: by then the policy keeps firms alive."""

REPEATS = 30

# Counted from the source of simulation/kernel.py and simulation/random.py, a path-step: Philox 4x32-10 (10 rounds of 2
# multiplications, 4 exclusive ors, 2 key additions; one call serves a step of a path), two normals by inverse distribution
# function (a polynomial of 15 multiply-adds each, one logarithm and one square root in the tails' branch), one exponential
# (10), locating (8), acting (14), moving (26), the discounted sum (2).
OPERATIONS_PER_STEP = 10 * 8 + 2 * 20 + 10 + 8 + 14 + 26 + 2
# Written and read once: cash, cell, weight, noise, after, flow (4 bytes each) and mode (1).
BYTES_PER_STEP = 2 * 25


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
    "sweep": (GradientEstimator, "tabulate"),
    "simulate": (Simulator, "run"),
    "estimate": (GradientEstimator, "__call__"),
    "learn policy": (Learner, "_learn_policy"),
    "learn values": (Learner, "_learn_values"),
}
"""Where each figure is taken: class and method."""

PHASES = ("tabulate", "sweep", "simulate", "score", "learn policy", "learn values", "whole iteration")


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
        self.problem = DecisionProblem.build(config.model, config.dt, config.n_steps, config.terminal)
        self.learner = Learner(self.problem, config)
        self.simulator = Simulator(self.problem.model, self.problem.grid, self.problem.terminal_values, config.seed)
        self.estimator = GradientEstimator(
            self.problem, self.simulator, config.estimator, config.baseline, config.n_trajectories
        )
        self.iterations = 0

    def iterate(self) -> None:
        """One iteration, as the trainer does it."""
        self.iterations += 1
        tables = self.learner.tabulate()
        values = self.learner.values() if self.config.baseline == "network" else None
        self.learner.learn(self.estimator(tables, values, self.iterations), progress=0.5)

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
        """Share of the last iteration's paths that reached the horizon."""
        return float((self.estimator._paths.cash[-1] >= 0).mean())


def peak() -> tuple[float, float]:
    """This core's single-precision operations a second (a large matrix product), and bytes a second (a large copy)."""
    size = 1024
    matrix = torch.ones(size, size)
    operations = 2 * size**3 / cpu_seconds(lambda: matrix @ matrix, 10)
    source, target = np.ones(1 << 25, np.float32), np.empty(1 << 25, np.float32)
    moved = 2 * source.nbytes / cpu_seconds(lambda: np.copyto(target, source), 5)
    return operations, moved


def network_operations(config: TrainConfig, nodes: int) -> float:
    """Multiply-adds times two, forward and backward (twice the forward), of both networks at ``nodes`` states."""

    def of(hidden: tuple[int, ...], outputs: int) -> int:
        widths = (4, *hidden, outputs)
        return sum(2 * a * b for a, b in pairwise(widths))

    policy = 3 * nodes * of(config.policy_hidden, 7)
    values = 2 * 3 * (nodes / 4) * of(config.value_hidden, 1)  # two steps on every fourth node
    return policy + values


def floor(training: Training) -> dict[str, float]:
    """Seconds that the counted operations and bytes take at this core's measured peak."""
    operations, moved = peak()
    config, grid = training.config, training.problem.grid
    path_steps = config.n_trajectories * config.n_steps
    networks = network_operations(config, grid.cash.size * grid.steps_to_go.size)
    # The sweep: at each step a banded product (2 a coefficient) and four running sums over the nodes, in double precision.
    band = training.problem.transition.coefficients.shape[1]
    table = config.n_steps * grid.cash.size * (2 * band + 40) * 2
    return {
        "operations a second": operations,
        "bytes a second": moved,
        "simulate": max(path_steps * OPERATIONS_PER_STEP / operations, path_steps * BYTES_PER_STEP / moved),
        "networks": networks / operations,
        "sweep": table / operations,
    }


def measure(textbook_iterations: int) -> dict[str, Any]:
    """All figures."""
    torch.set_num_threads(1)
    config = TrainConfig()
    training = Training(config)
    for _ in range(WARM_UP):
        training.iterate()
    phases = training.phases()
    textbook = cpu_seconds(Textbook(config).iterate, textbook_iterations)
    return {
        "machine": describe_machine(),
        "surviving": training.surviving(),
        "seconds": phases,
        "textbook": textbook,
        "ratio": textbook / phases["whole iteration"],
        "floor": floor(training),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the table."""
    whole = figures["seconds"]["whole iteration"]
    print(figures["machine"])
    print(f"default settings, {figures['surviving']:.1%} of the paths survive to the horizon\n")
    for name, seconds in figures["seconds"].items():
        print(f"  {name:<16} {1000 * seconds:8.2f} ms  {seconds / whole:6.1%}")
    print(f"  {'textbook':<16} {1000 * figures['textbook']:8.0f} ms  {figures['ratio']:.0f} times as long")
    bound = figures["floor"]
    peaks = f"{bound['operations a second'] / 1e9:.0f} Gflop/s, {bound['bytes a second'] / 1e9:.0f} GB/s"
    print(f"\nFloor at this core's measured peak ({peaks}):")
    total = sum(bound[name] for name in ("simulate", "networks", "sweep"))
    for name in ("simulate", "networks", "sweep"):
        print(f"  {name:<16} {1000 * bound[name]:8.2f} ms")
    print(f"  {'together':<16} {1000 * total:8.2f} ms; an iteration takes {whole / total:.1f} times that")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--textbook_iterations", type=int, default=3, help="iterations of the textbook that are timed")
    flags = parser.parse_args()
    figures = measure(flags.textbook_iterations)
    if flags.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
