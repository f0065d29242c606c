"""The best trial's policy, worked out: what it does over (c, τ), what that is worth, and where it leads a firm.

======  ======================  =========  ==============================================================
symbol  name                    shape      meaning
======  ======================  =========  ==============================================================
c       ``cash``                (N,)       cash shown, from 0 to some way above the payout levels
τ       ``time_to_horizon``     (S,)       times to horizon, increasing, the last one T (years)
        ``modes``               (S, N)     what the policy does: hold, pay or issue (`ghm.economics.actions`)
V*      ``optimal_value``       (S, N)     value of the optimum
V^π     ``value``               (S, N)     exact value of the policy
======  ======================  =========  ==============================================================
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ghm.economics.action_rule import greedy
from ghm.economics.actions import Policy
from ghm.economics.model import Array, GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.guard import survive
from ghm.io.text import LEVELS
from ghm.search.records.state import SearchState
from ghm.search.trials.trial import reference_name
from ghm.solvers.levels import policy_levels
from ghm.solvers.policy_value import deterministic_cash, policy_values
from ghm.solvers.solution import Solution
from ghm.solvers.store import load
from ghm.solvers.validation.simulation import draw_cash_after
from ghm.training.checkpoints.stored import load_stored

CASH_NODES = 120
"""Values of cash shown: finer than a screen's pixels in a figure of half a page."""

CASH_SHOWN = 2.0
"""Cash is shown up to this multiple of the highest payout boundary: beyond, every sensible policy pays."""

FIRMS = 2000
"""Simulated firms behind the percentages: a standard error of one percentage point."""

SHOWN_FIRMS = 24
"""Paths drawn: enough to see the spread, few enough to follow one."""

LEVEL_TIMES = 12
"""Times to horizon at which any trial's levels are shown."""

SHOWN_TIMES = 250
"""Points of a drawn path."""


@dataclass(frozen=True)
class Levels:
    """Levels of cash at each time to horizon, (S,); NaN where the policy never does the thing."""

    payout_level: Array
    issue_below: Array
    issue_target: Array


@dataclass(frozen=True)
class Firms:
    """Simulated firms under a policy and the firm's own law, from cash uniform on [0, c̄] and the whole horizon ahead."""

    time: Array
    """Years since the start, (n,)."""
    cash: NDArray[np.float32]
    """Cash after the transaction at each time, (firms, n), in single precision; NaN from liquidation on."""
    dividends: Array
    """Dividends paid after the first action, undiscounted, (firms,)."""
    issues: NDArray[np.int64]
    """Equity issues after the first action, (firms,)."""
    liquidated: float
    """Share of the firms that are liquidated by the horizon."""
    early: "EarlyLife"


@dataclass(frozen=True)
class EarlyLife:
    """What all firms together do in the first half of the horizon: near its end the optimum pays everything out."""

    years: float
    """Years that they existed."""
    payouts: float
    paid: float
    issues: float
    raised: float
    liquidations: float


@dataclass(frozen=True)
class PolicyStudy:
    """A policy beside the optimum; see the module's table."""

    cash: Array
    time_to_horizon: Array
    modes: NDArray[np.int64]
    levels: Levels
    optimal_levels: Levels
    value: Array
    optimal_value: Array
    wind_up_value: Array
    """Value of immediate liquidation, c + ℓ, (N,)."""
    firms: Firms
    optimal_firms: Firms
    """The same firms under the optimum."""
    model: GHMModel


@dataclass(frozen=True)
class Moment:
    """A figure of a firm's life, learned beside optimal."""

    name: str
    learned: float
    optimal: float


def moments(study: PolicyStudy) -> list[Moment]:
    """What firms do and become in the first half of the horizon, learned and optimal; NaN where nothing of the kind happened."""
    learned, optimal = (_figures(firms) for firms in (study.firms, study.optimal_firms))
    return [Moment(name, learned[name], optimal[name]) for name in learned]


def _figures(firms: Firms) -> dict[str, float]:
    early = firms.early
    return {
        "Payouts per year": early.payouts / early.years,
        "Size of a payout (cash)": early.paid / early.payouts if early.payouts else math.nan,
        "Dividends per year (cash)": early.paid / early.years,
        "Equity issues per year": early.issues / early.years,
        "Size of an issue (cash)": early.raised / early.issues if early.issues else math.nan,
        "Liquidations per year (hazard)": early.liquidations / early.years,
        "Mean cash": float(np.nanmean(early_cash(firms))),
    }


def early_cash(firms: Firms) -> NDArray[np.float32]:
    """Cash in the first half of the horizon, (firms, n/2)."""
    return firms.cash[:, : max(firms.cash.shape[1] // 2, 1)]


def trial_levels(checkpoint: Path) -> dict[str, list[float | None]] | None:
    """Levels of a stored policy over time to horizon; None where it cannot be read."""
    try:
        stored = load_stored(checkpoint)
    except (UserError, OSError):
        return None
    times = np.geomspace(stored.problem.dt, stored.problem.T, LEVEL_TIMES)
    found = [policy_levels(stored.policy, stored.problem.model, float(time)) for time in times]
    levels = {
        name: [None if (value := getattr(one, name)) is None else round(float(value), 5) for one in found]
        for name in LEVELS
    }
    return {"x": [round(float(time), 5) for time in times], **levels}


def study_best(search: SearchState) -> PolicyStudy:
    """Study the policy of the search's best trial.

    Raises:
        UserError: when there is no such trial, checkpoint or stored solution, or they are not readable.
    """
    best = search.best_trial
    if best is None:
        raise UserError("no trial has completed, so there is no best policy")
    stored = load_stored(search.checkpoint(best))
    return study(
        stored.policy, load(search.path.parent / reference_name(best.calibration)), stored.action_rule == "randomised"
    )


def best_or_reason(search: SearchState) -> tuple[PolicyStudy | None, str]:
    """The study of the search's best policy; or None, and why there is none: its files, or a fault that is lived on after."""
    try:
        return study_best(search), ""
    except (UserError, OSError) as error:
        return None, str(error)
    except Exception as error:  # a fault of ours: the rest of the page is worth reading without it
        return None, survive("working out the best policy", error)


def study(policy: Policy, reference: Solution, randomised: bool = False) -> PolicyStudy:
    """Work out what a policy does and is worth, beside the optimum: its greedy policy, or with ``randomised`` as it acts.

    Modes and levels are those of the greedy policy in any case.
    """
    problem, model, times = reference.problem, reference.problem.model, reference.time_to_horizon[1:]
    levels = [policy_levels(policy, model, float(time)) for time in times]
    learned = Levels(*(np.array([getattr(level, name) for level in levels], dtype=float) for name in LEVELS))
    optimal = Levels(reference.payout_level[1:], reference.issue_below[1:], reference.issue_target[1:])
    cash = np.linspace(0.0, _cash_shown(model, learned, optimal), CASH_NODES)
    exact = policy_values(policy, problem, randomised)
    return PolicyStudy(
        cash=cash,
        time_to_horizon=times,
        modes=np.stack([effective_modes(policy, cash, float(time)) for time in times]),
        levels=learned,
        optimal_levels=optimal,
        value=_surface(exact.cash, exact.time_to_horizon, exact.values, cash, times),
        optimal_value=_surface(reference.cash, reference.time_to_horizon, reference.values, cash, times),
        wind_up_value=cash + model.liquidation_value,
        firms=simulate_firms(policy, problem, randomised=randomised),
        optimal_firms=simulate_firms(reference.policy, problem),
        model=model,
    )


def effective_modes(policy: Policy, cash: Array, time_to_horizon: float) -> NDArray[np.int64]:
    """What the policy does at ``cash`` (N,); paying or issuing without effect is holding."""
    return greedy(cash, policy(cash, time_to_horizon))[0].astype(np.int64)


def simulate_firms(
    policy: Policy, problem: Problem, count: int = FIRMS, seed: int = 0, randomised: bool = False
) -> Firms:
    """Simulate firms under a policy and the firm's own law, in plain NumPy: act, shock, liquidate at zero, pay out above c̄."""
    model, dt, steps = problem.model, problem.dt, problem.n_steps
    generator = np.random.default_rng(seed)
    # One start from each of `count` equal parts of [0, c̄], in random order: the shown firms are any of them.
    cash = generator.permutation((np.arange(count) + generator.uniform(size=count)) / count * model.c_max)
    paths = np.full((count, steps), np.nan, dtype=np.float32)  # to be drawn, and averaged
    dividends, issues = np.zeros(count), np.zeros(count, dtype=np.int64)
    early = np.zeros(6)  # in the order of EarlyLife's fields
    alive = np.ones(count, dtype=bool)
    for step in range(steps):
        actions = policy(np.where(alive, cash, 0.0), problem.T - step * dt)
        drawn = draw_cash_after(cash, actions, model.c_max, generator) if randomised else None
        after = deterministic_cash(cash, actions, model.c_max) if drawn is None else drawn
        before, after = cash, np.where(alive, after, cash)
        if step:  # the first brings a random start to where the policy wants it: no dividend of a going firm's
            dividends += np.maximum(cash - after, 0.0)
            issues += after > cash
        paths[alive, step] = after[alive]
        shock = generator.standard_normal(count)
        cash = after + model.firm_drift(after) * dt + model.volatility(after) * math.sqrt(dt) * shock
        survives = alive & (cash > 0)
        if step < problem.first_half:
            done = alive if step else np.zeros_like(alive)  # not the first action, as above
            down, up = np.where(done, before - after, 0.0), np.where(done, after - before, 0.0)
            lost = alive.sum() - survives.sum()
            early += [alive.sum() * dt, (down > 0).sum(), down[down > 0].sum(), (up > 0).sum(), up[up > 0].sum(), lost]
        alive = survives
        dividends += np.where(alive, np.maximum(cash - model.c_max, 0.0), 0.0)
        cash = np.minimum(cash, model.c_max)
    time = dt * np.arange(steps, dtype=np.float64)
    return Firms(time, paths, dividends, issues, float(1 - alive.mean()), EarlyLife(*early))


def _cash_shown(model: GHMModel, *levels: Levels) -> float:
    found = np.concatenate([level.payout_level for level in levels])
    highest = float(np.nanmax(found)) if np.isfinite(found).any() else model.c_max
    return min(CASH_SHOWN * highest, model.c_max)


def _surface(nodes: Array, node_times: Array, values: Array, cash: Array, times: Array) -> Array:
    """Values (S', M) at ``nodes`` and ``node_times``, at ``cash`` and ``times``: linear in cash, nearest in time."""
    rows = [int(np.argmin(np.abs(node_times - time))) for time in times]
    return np.stack([np.interp(cash, nodes, values[row]) for row in rows])
