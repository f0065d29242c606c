"""Variance and cost of each policy-gradient estimator, early and late in training, and what each then reaches.

    python benchmarks/variance.py [--json] [--plot FILE]

Four estimators times two baselines; with the sweep as the baseline, `bootstrap` and `conditional` are one. The variance is the
trace of the covariance of the policy network's parameter gradient over independent draws, at one policy and one value network.
Variance falls as one over the number of paths, so the ratio of two variances is the ratio of the paths that the two need. The
bias is the distance of the mean gradient from that of the policy's own value on the same draws, as a share of its length: under
`bootstrap` with the network that is all bias, elsewhere what is left of the sampled tail's noise. Seconds are CPU seconds of
one core, without the exact evaluations.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from machine import describe_machine

from ghm.economics.model import Array
from ghm.policies.distribution import RAW_OUTPUTS
from ghm.simulation.kernel import Simulator
from ghm.solvers.dynamic_program import solve
from ghm.solvers.solution import Solution
from ghm.training.exact import ExactReturns
from ghm.training.learners.estimator import GradientEstimate, GradientEstimator
from ghm.training.learners.learner import Learner
from ghm.training.problem import GriddedProblem
from ghm.training.settings import Baseline, Estimator, TrainConfig

STAGES = {"early": 20, "late": 1000}
"""Iterations after which variances are measured; `--n_iterations` replaces the second."""

EVAL_FREQ = 50
FRESH = 1_000_000
"""Iteration numbers from here on are draws that training never sees."""

METHODS = tuple((estimator, baseline) for baseline in get_args(Baseline) for estimator in get_args(Estimator))


def build_estimator(problem: GriddedProblem, config: TrainConfig) -> GradientEstimator:
    """The estimator that a training with these settings uses."""
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, config.seed)
    return GradientEstimator(problem, simulator, config.estimator or "bootstrap", config.n_trajectories)


def train(problem: GriddedProblem, config: TrainConfig) -> Iterator[tuple[int, Learner, float]]:
    """Train; after each iteration its number, the learner, and the CPU seconds of all iterations so far."""
    learner, estimator = Learner(problem, config), build_estimator(problem, config)
    seconds = 0.0
    for iteration in range(1, config.n_iterations + 1):
        started = time.process_time()
        tabulation = learner.tabulate()
        values = learner.given_values()
        estimate = estimator(tabulation.tables, values, iteration)
        learner.learn(tabulation, estimate, (iteration - 1) / config.n_iterations)
        seconds += time.process_time() - started
        yield iteration, learner, seconds


def parameter_gradient(problem: GriddedProblem, learner: Learner, estimate: GradientEstimate) -> Array:
    """The estimated gradient of the return with respect to the policy network's parameters, flattened."""
    tabulation = learner.tabulate()
    at_policy_nodes = (estimate.modes @ problem.policy_spread.T).astype(np.float32)
    by_raw = tabulation.distribution.by_raw(at_policy_nodes, estimate.levels.astype(np.float32))
    by_output = torch.from_numpy(by_raw).view(-1, RAW_OUTPUTS)
    gradient: Array = learner.policy.gradient(tabulation.passed, by_output).numpy().astype(np.float64)
    return gradient


def measure(problem: GriddedProblem, learner: Learner, config: TrainConfig, repeats: int) -> dict[str, Any]:
    """Variance and cost of one method at one policy."""
    estimator, tables = build_estimator(problem, config), learner.tabulate().tables
    exact = build_estimator(problem, TrainConfig(estimator="bootstrap", baseline="exact"))
    values = learner.given_values()
    gradients, truths, seconds = [], [], []
    for draw in range(repeats):
        started = time.process_time()
        estimate = estimator(tables, values, FRESH + draw)
        seconds.append(time.process_time() - started)
        gradients.append(parameter_gradient(problem, learner, estimate))
        truths.append(parameter_gradient(problem, learner, exact(tables, None, FRESH + draw)))
    sample, truth = np.stack(gradients), np.mean(truths, axis=0)
    variance = float(sample.var(axis=0, ddof=1).sum())
    squared_mean = float((sample.mean(axis=0) ** 2).sum()) - variance / repeats  # without the mean's own noise
    return {
        "estimator": config.estimator,
        "baseline": config.baseline,
        "variance": variance,
        "squared_mean": squared_mean,
        "bias": float(np.linalg.norm(sample.mean(axis=0) - truth) / np.linalg.norm(truth)),
        "milliseconds": 1e3 * float(np.median(seconds)),
    }


def at_stages(problem: GriddedProblem, n_iterations: int, repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Every method's variance early and late in one training with default settings."""
    stages = {STAGES["early"]: "early", n_iterations: "late"}
    figures = {}
    for iteration, learner, _ in train(problem, TrainConfig(n_iterations=n_iterations)):
        if iteration in stages:
            configs = [TrainConfig(estimator=e, baseline=b) for e, b in METHODS]
            figures[stages[iteration]] = [measure(problem, learner, config, repeats) for config in configs]
    for rows in figures.values():
        for row in rows:
            same = next(o for o in rows if o["estimator"] == "conditional" and o["baseline"] == row["baseline"])
            row["paths_ratio"] = row["variance"] / same["variance"]
    return figures


def learning_curve(problem: GriddedProblem, config: TrainConfig, reference: Solution) -> list[tuple[float, ...]]:
    """Iterations, CPU seconds and captured value along one training."""
    curve: list[tuple[float, ...]] = []
    returns = ExactReturns.build(config.problem, problem.grid)
    for iteration, learner, seconds in train(problem, config):
        if iteration % EVAL_FREQ == 0:
            captured = reference.captured_value(returns(learner.tabulate().tables).best)
            curve.append((iteration, seconds, float("nan") if captured is None else captured))
    return curve


def run(n_iterations: int, repeats: int) -> dict[str, Any]:
    """All measurements."""
    config = TrainConfig()
    problem = GriddedProblem.build(config.problem)
    reference = solve(config.model, config.dt, config.T, config.terminal)
    curves = [
        {
            "estimator": estimator,
            "baseline": baseline,
            "curve": learning_curve(
                problem, TrainConfig(estimator=estimator, baseline=baseline, n_iterations=n_iterations), reference
            ),
        }
        for estimator, baseline in METHODS
    ]
    return {
        "machine": describe_machine(),
        "n_iterations": n_iterations,
        "repeats": repeats,
        "stages": at_stages(problem, n_iterations, repeats),
        "curves": curves,
    }


def signal(row: dict[str, Any], repeats: int) -> str:
    """The squared length of the mean gradient, where it stands out of the mean's own noise."""
    return f"{row['squared_mean']:.2e}" if row["squared_mean"] > row["variance"] / repeats else "–"


def show(figures: dict[str, Any]) -> None:
    """Print two tables."""
    print(f"{figures['machine']}\n\nGradient of the policy network, {figures['repeats']} draws of 500 paths")
    print(
        f"{'':>7}{'baseline':>10}{'estimator':>13}{'variance':>12}{'|mean|²':>12}{'paths':>12}{'bias':>9}{'CPU ms':>9}"
    )
    for stage, rows in figures["stages"].items():
        for row in rows:
            print(
                f"{stage:>7}{row['baseline']:>10}{row['estimator']:>13}{row['variance']:>12.2e}"
                f"{signal(row, figures['repeats']):>12}{row['paths_ratio']:>11,.1f}x"
                f"{row['bias']:>9.3f}{row['milliseconds']:>9.1f}"
            )
    print("paths: needed for the variance of conditional with the same baseline; |mean|²: – where lost in the noise;")
    print(
        "bias: distance of the mean from the gradient of the policy's own value on the same draws, a share of its length\n"
    )
    print("Captured value after so many iterations, and CPU seconds in all")
    for curve in figures["curves"]:
        points = curve["curve"][:: max(len(curve["curve"]) // 5, 1)]
        along = "".join(f"  {int(i)}: {captured:.4f}" for i, _, captured in points)
        last = curve["curve"][-1]
        print(f"{curve['baseline']:>10}{curve['estimator']:>13}{along}  end: {last[2]:.4f}  {last[1]:.0f} s")


def plot(figures: dict[str, Any], path: Path) -> None:
    """Draw variances early and late, and what is still missing against CPU seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    bars, curves = figure.subplots(1, 2)
    for offset, (stage, rows) in enumerate(figures["stages"].items()):
        places = np.arange(len(rows)) + 0.4 * offset
        bars.barh(places, [row["variance"] for row in rows], height=0.4, label=f"{stage} in training")
        bars.set_yticks(places - 0.2, [f"{row['estimator']}, {row['baseline']}" for row in rows])
    bars.set_xscale("log")
    bars.set_xlabel("variance of the gradient, 500 paths")
    bars.legend(frameon=False)
    for curve in figures["curves"]:
        style = "-" if curve["baseline"] == "exact" else "--"
        colour = f"C{get_args(Estimator).index(curve['estimator'])}"
        label = f"{curve['estimator']}, {curve['baseline']}"
        seconds, captured = (np.array([point[i] for point in curve["curve"]]) for i in (1, 2))
        curves.semilogy(seconds, 1 - captured, style, color=colour, label=label)
    curves.set_xlabel("CPU seconds of training")
    curves.set_ylabel("1 − captured value")
    figure.legend(*curves.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n_iterations", type=int, default=STAGES["late"], help="iterations of each training")
    parser.add_argument("--repeats", type=int, default=60, help="independent draws of each gradient")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--plot", type=Path, help="draw the figures into this file")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    figures = run(flags.n_iterations, flags.repeats)
    if flags.plot:
        plot(figures, flags.plot)
    if flags.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
