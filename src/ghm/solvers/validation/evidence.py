"""What a validation card is made of: the solutions, and the same answers come by in other ways."""

from dataclasses import dataclass
from typing import Self

from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.free_boundary import FreeBoundary, free_boundary
from ghm.solvers.policy_value import policy_value
from ghm.solvers.solution import Solution
from ghm.solvers.validation.simulation import SimulatedReturn, simulate
from ghm.solvers.validation.stopping import StoppingSolution, optimal_stopping

REFINED = 2.0
"""How many times finer the grid is that the value is held against."""

FINER = (4, 16)
"""How many times shorter the two steps are that the limit dt → 0 is taken with; errors of order √dt halve between them."""

YEARS = 1.0
"""Time to horizon at which that limit is taken, if the horizon is longer: sixteen times as many steps must stay affordable."""


@dataclass(frozen=True)
class Evidence:
    """The solutions of one problem, and independent answers to the same questions."""

    problem: Problem
    boundary: FreeBoundary | None
    """The infinite-horizon solution; None where there is none."""
    no_boundary: str
    """Why there is none."""
    optimum: Solution
    refined: Solution
    """The same on a grid `REFINED` times as fine."""
    finer_steps: tuple[Solution, ...]
    """The same up to `YEARS` from the horizon, with steps `FINER` times as short; empty where there is no such problem."""
    stopping: StoppingSolution | None
    """The stopping problem whose value V_c tends to, up to `YEARS`; None where there is none, or the end is ``zero``."""
    achieved: float
    """The optimal policy's exact return."""
    simulated: SimulatedReturn
    """The optimal policy's simulated return."""

    @classmethod
    def gather(cls, problem: Problem) -> Self:
        """Solve the problem in every way.

        Raises:
            UserError: when the problem cannot be solved at these settings.
        """
        model, dt, terminal = problem.model, problem.dt, problem.terminal
        optimum = dynamic_program(problem)
        boundary, why = None, ""
        try:
            boundary = free_boundary(model)
        except UserError as error:
            why = str(error)
        # With nothing paid at the horizon the limit dt → 0 is the same, but it is come by too slowly to be seen.
        singular = model.fixed_cost == 0 and terminal != "zero"
        years = dt * max(int(min(problem.T, YEARS) / dt + 0.5), 1)
        finer = [Problem(model, dt / times, years, terminal) for times in FINER if singular]
        return cls(
            problem=problem,
            boundary=boundary,
            no_boundary=why,
            optimum=optimum,
            refined=dynamic_program(problem, REFINED),
            finer_steps=tuple(dynamic_program(one) for one in finer),
            stopping=optimal_stopping(model, years, terminal) if singular else None,
            achieved=policy_value(optimum.policy, problem),
            simulated=simulate(optimum.policy, problem),
        )
