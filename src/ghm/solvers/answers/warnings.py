"""What a reader of a solution should be told: what the horizon changes, and that the time step is too coarse."""

import dataclasses

from ghm.economics.problem import COARSE_STEP, Problem
from ghm.io.text import years_text
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.infinite_horizon import greatest_fixed_cost
from ghm.solvers.infinite_horizon.objects import NEVER_ISSUES
from ghm.solvers.solution import Solution


def solution_warnings(solution: Solution) -> tuple[str, ...]:
    """Warnings about a solution, each a sentence or two; none where there is nothing to say."""
    return tuple(text for text in (_coarse_step(solution.problem), _horizon(solution)) if text)


def _coarse_step(problem: Problem) -> str:
    scale = problem.step_scale
    if scale <= COARSE_STEP:
        return ""
    return (
        f"the time step is coarse: productivity moves scaled cash by {scale:.0%} in one step (sigma_a √dt = {scale:.2f}, more "
        f"than {COARSE_STEP:g}), so that levels say little about continuous time; use --dt "
        f"{0.9 * (COARSE_STEP / problem.model.sigma_a) ** 2:.1g} or less"
    )


def _horizon(solution: Solution) -> str:
    """Why a firm that would issue equity if it went on for ever does not with this horizon; empty where that is not so."""
    boundary, problem = solution.free_boundary, solution.problem
    if boundary is None or not boundary.refinances or solution.initial_levels.issue_below is not None:
        return ""
    near, ever = greatest_fixed_cost_at_horizon(problem), greatest_fixed_cost(problem.model)
    return (
        f"with {years_text(problem.T)} to the horizon the firm does not issue equity, though with an infinite one it does: "
        f"issuing pays up to a fixed cost of {near:.2f} with this horizon, of {ever:.2f} without end, and fixed_cost is "
        f"{problem.model.fixed_cost:g}; use --terminal going_concern for a firm that goes on after the horizon"
    )


def greatest_fixed_cost_at_horizon(problem: Problem) -> float:
    """The fixed cost φ up to which a firm without cash issues equity with the whole horizon ahead; 0: at no fixed cost.

    What issuing is worth to a firm that never does later: the nearer the horizon, the less, so that at this cost the first
    moment is the only one.

    Raises:
        UserError: when the problem cannot be solved at these settings.
    """
    model = problem.model
    never = dataclasses.replace(model, fixed_cost=NEVER_ISSUES * (model.c_max + abs(model.alpha) / model.discount_rate))
    solution = dynamic_program(dataclasses.replace(problem, model=never))
    value = solution.values[-1]
    gain = (value - model.proportional_cost * solution.cash).max() - value[0]
    return max(float(gain) / model.proportional_cost, 0.0)
