"""What a validation card is made of: the solutions, and the same answers come by in other ways."""

from dataclasses import dataclass
from typing import Self

from ghm.economics.model import GHMModel, Terminal
from ghm.errors import UserError
from ghm.solvers.dynamic_program import Optimum, dynamic_program
from ghm.solvers.free_boundary import FreeBoundary, free_boundary
from ghm.solvers.policy_value import policy_value
from ghm.solvers.threshold_policy import ThresholdPolicy
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

    model: GHMModel
    dt: float
    T: float
    terminal: Terminal
    boundary: FreeBoundary | None
    """The infinite-horizon solution; None where there is none."""
    no_boundary: str
    """Why there is none."""
    optimum: Optimum
    """The decision problem's optimum."""
    refined: Optimum
    """The same on a grid `REFINED` times as fine."""
    finer_steps: tuple[Optimum, ...]
    """The same up to `YEARS` from the horizon, with steps `FINER` times as short; empty where there is no such problem."""
    stopping: StoppingSolution | None
    """The stopping problem whose value V_c tends to, up to `YEARS`; None where there is none, or the end is ``zero``."""
    achieved: float
    """The optimal policy's exact return."""
    simulated: SimulatedReturn
    """The optimal policy's simulated return."""

    @classmethod
    def gather(cls, model: GHMModel, dt: float, T: float, terminal: Terminal) -> Self:
        """Solve the problem in every way.

        Raises:
            UserError: when the decision problem cannot be solved at these settings.
        """
        optimum = dynamic_program(model, dt, T, terminal)
        policy = ThresholdPolicy.optimal(optimum, dt)
        boundary, why = None, ""
        try:
            boundary = free_boundary(model)
        except UserError as error:
            why = str(error)
        # With nothing paid at the horizon the limit dt → 0 is the same, but it is come by too slowly to be seen.
        singular = model.fixed_cost == 0 and terminal != "zero"
        years = dt * max(int(min(T, YEARS) / dt + 0.5), 1)
        return cls(
            model=model,
            dt=dt,
            T=T,
            terminal=terminal,
            boundary=boundary,
            no_boundary=why,
            optimum=optimum,
            refined=dynamic_program(model, dt, T, terminal, REFINED),
            finer_steps=tuple(dynamic_program(model, dt / finer, years, terminal) for finer in FINER if singular),
            stopping=optimal_stopping(model, years, terminal) if singular else None,
            achieved=policy_value(policy, model, dt, T, terminal),
            simulated=simulate(policy, model, dt, T, terminal),
        )
