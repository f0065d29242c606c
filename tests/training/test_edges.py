"""Every parameter of the model at both ends of its range, and every terminal: exact returns against simulation, and a training.

Four standard errors: α = 6e-5 for each comparison, seeds fixed.
"""

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
import torch
from small_problems import random_tables

from ghm.economics.actions import Policy
from ghm.economics.model import GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.policies.tables import PolicyTables
from ghm.policies.tabulated import TabulatedPolicy
from ghm.simulation.kernel import Simulator
from ghm.solvers.answers.evaluation import ExactEvaluation, PolicyEvaluation
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.validation.simulation import SimulatedReturn, simulate
from ghm.training.exact import ExactReturns
from ghm.training.learners.estimator import GradientEstimator
from ghm.training.learners.learner import Learner
from ghm.training.main import is_out_of_memory
from ghm.training.problem import GriddedProblem
from ghm.training.settings import TrainConfig

DT, T, N_STEPS = 0.05, 1.0, 20
PATHS, ERRORS = 8_000, 4.0
GRID_ERROR = 2e-4
"""What the tabulated policies' kinks between nodes leave of the exact return, as a share of the largest value."""

MODELS: dict[str, dict[str, float]] = {
    "defaults": {},
    "alpha negative": {"alpha": -0.2},
    "alpha 0": {"alpha": 0.0},
    "alpha 0, sigma_x 0": {"alpha": 0.0, "sigma_x": 0.0},
    "alpha high": {"alpha": 2.0},
    "mu low": {"mu": -0.3},
    "mu next to r": {"mu": 0.0299},
    "r high": {"r": 0.6},
    "r next to mu": {"r": 0.0101},
    "carry_cost 0": {"carry_cost": 0.0},
    "carry_cost high": {"carry_cost": 1.0},
    "sigma_a 0": {"sigma_a": 0.0},
    "sigma_a high": {"sigma_a": 1.0},
    "sigma_x 0": {"sigma_x": 0.0},
    "sigma_x high": {"sigma_x": 1.0},
    "rho -1": {"rho": -1.0},
    "rho 1": {"rho": 1.0},
    "proportional_cost 1": {"proportional_cost": 1.0},
    "proportional_cost high": {"proportional_cost": 3.0},
    "fixed_cost 0": {"fixed_cost": 0.0},
    "fixed_cost high": {"fixed_cost": 6.0},
    "recovery 0": {"recovery": 0.0},
    "recovery 1.5": {"recovery": 1.5},
    "c_max short": {"c_max": 0.05},
    "c_max 50": {"c_max": 50.0},
}
TERMINALS: tuple[Terminal, ...] = ("liquidation", "zero", "going_concern")

UNSOLVABLE = {"alpha negative", "alpha 0", "alpha 0, sigma_x 0", "carry_cost 0", "recovery 1.5"}
"""Where there is no going concern: immediate liquidation is optimal, or never paying anything out."""


def agrees(exact: float, found: SimulatedReturn, model: GHMModel) -> bool:
    allowed = GRID_ERROR * max(abs(model.liquidation_value), model.c_max, 1.0)
    return abs(exact - found.mean) < ERRORS * found.standard_error + allowed


def build(model: GHMModel, terminal: Terminal) -> GriddedProblem | None:
    """The discrete-time problem; None where a going concern has no value."""
    try:
        return GriddedProblem.build(Problem(model, DT, N_STEPS * DT, terminal))
    except UserError:
        assert terminal == "going_concern"
        return None


def some_policy(problem: GriddedProblem) -> PolicyTables:
    """Random, with levels in proportion to the scale on which the firm lives."""
    tables = random_tables(problem.grid, 7)
    grid = problem.grid
    medians = np.exp(tables.levels[0::2]) - grid.level_shift
    tables.levels[0::2] = np.log(np.minimum(medians, 0.4 * grid.cash[-1]) + grid.level_shift)
    return tables


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("name", MODELS)
def test_exact_and_simulated_returns_agree(name: str, terminal: Terminal) -> None:
    """A policy that draws its actions; and of the optimum, which does not."""
    model = GHMModel(**MODELS[name])
    problem = build(model, terminal)
    assert (problem is None) == (terminal == "going_concern" and name in UNSOLVABLE)
    if problem is None:
        return
    tables = some_policy(problem)
    exact = ExactReturns.build(Problem(model, DT, N_STEPS * DT, terminal), problem.grid)(tables).randomised
    drawn = TabulatedPolicy(problem.grid, tables)
    found = simulate(drawn, Problem(model, DT, T, terminal), PATHS, seed=2, randomised=True)
    assert agrees(exact, found, model), (exact, found)
    optimum = dynamic_program(Problem(model, DT, T, terminal))
    best: Policy = optimum.policy
    assert agrees(optimum.optimal_return, simulate(best, Problem(model, DT, T, terminal), PATHS, seed=2), model)
    assert exact < optimum.optimal_return + 1e-6
    # The wrong variants: a firm that earns otherwise, or is worth otherwise when it is closed; one of them is always told apart.
    varied = ({"alpha": model.alpha + 3.0}, {"recovery": model.recovery + 0.3})
    others = (dataclasses.replace(model, **one) for one in varied)
    found_of = (simulate(drawn, Problem(other, DT, T, terminal), PATHS, seed=2, randomised=True) for other in others)
    assert not all(agrees(exact, other, model) for other in found_of)


@pytest.mark.parametrize("baseline", ["network", "exact"])
@pytest.mark.parametrize("name", MODELS)
def test_a_few_iterations_stay_finite(name: str, baseline: Any) -> None:
    """At every end; with returns that are bootstrapped."""
    model = GHMModel(**MODELS[name])
    config = TrainConfig(
        model=model, dt=DT, T=2 * T, n_trajectories=50, policy_hidden=(8,), value_hidden=(8,), baseline=baseline
    )
    problem = GriddedProblem.build(Problem(model, DT, 2 * N_STEPS * DT))
    assert problem.bootstrap_nodes.size
    learner = Learner(problem, config)
    simulator = Simulator(model, problem.grid, problem.terminal_values, seed=1)
    estimate = GradientEstimator(problem, simulator, config.estimator, config.n_trajectories)
    before = learner.tabulate().tables
    for iteration in range(1, 6):
        tabulation = learner.tabulate()
        values = learner.given_values()
        found = estimate(tabulation.tables, values, iteration)
        assert found.is_finite()
        learner.learn(tabulation, found, 0.0)
        assert learner.is_finite()
    after = learner.tabulate().tables
    assert np.isfinite(after.modes).all()
    assert np.abs(after.modes - before.modes).max() > 1e-4


def judged(problem: Problem) -> ExactEvaluation:
    """The exact figures of some policy, as a training has them."""
    on_grid = GriddedProblem.build(problem)
    tables = some_policy(on_grid)
    returns = ExactReturns.build(problem, on_grid.grid)(tables)
    return ExactEvaluation(TabulatedPolicy(on_grid.grid, tables), dynamic_program(problem), returns)


def test_at_a_recovery_above_one_captured_value_is_undefined_and_the_check_agrees() -> None:
    model = GHMModel(recovery=1.5)
    metrics = PolicyEvaluation.of(judged(Problem(model, DT, T))).metrics()
    assert metrics["captured_value"] is None
    assert metrics["monte_carlo_agrees"]
    assert re.search(r"\(firm value \d+\.\d{4}\)", metrics["verdict_text"])


def test_the_simulated_check_owes_nothing_to_trainings_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made by another simulator on another generator: neither training's paths nor its draws are asked for."""
    exact = judged(Problem(dt=DT, T=T))
    problem = GriddedProblem.build(exact.problem)
    tables = some_policy(problem)

    def check(seed: int) -> float:
        return PolicyEvaluation.of(exact, seed=seed).simulated.mean

    before = check(1)

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("training's draws were asked for")

    for name in (
        "kernel._simulate",
        "kernel.starting_cash",
        "draws.starting_cash",
        "draws.key_words",
    ):
        monkeypatch.setattr(f"ghm.simulation.{name}", refused)
    assert check(1) == before
    assert check(2) != before
    # The wrong variant: a check that runs training's simulator.
    simulator = Simulator(problem.model, problem.grid, problem.terminal_values, 1)
    room, visits = simulator.workspace(10, recorded=False), np.zeros((2, 2))
    with pytest.raises(AssertionError, match="were asked for"):
        simulator.run(tables, 1, 0, room, visits)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
            True,
        ),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (
            RuntimeError("unsupported operation: some elements of the input tensor refer to a single memory location"),
            False,
        ),
    ],
)
def test_only_a_lack_of_memory_is_out_of_memory(failure: RuntimeError, expected: bool) -> None:
    """Every other error that speaks of memory is a defect, whose traceback must be seen."""
    assert is_out_of_memory(failure) is expected


def test_pytorchs_own_words_for_it_are_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55)
    assert is_out_of_memory(caught.value)
