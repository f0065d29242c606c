"""The optimum on grids of the user's own: ``ghm.solve`` and ``ghm solve --output``."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator

from ghm.economics.evaluation_grid import chosen_cash, chosen_steps, require_problem, write_states
from ghm.economics.model import Array, GHMModel, Terminal
from ghm.errors import UserError
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.free_boundary import FreeBoundary, free_boundary


@dataclass(frozen=True)
class Solution:
    """The optimum of one decision problem over cash c and time to horizon τ.

    Example:
        >>> import ghm
        >>> solution = ghm.solve(dt=0.05, T=1.0, cash=[0.0, 0.1, 0.2], times=[0.5, 1.0])
        >>> solution.values.shape
        (2, 3)
    """

    model: GHMModel
    dt: float
    T: float
    terminal: Terminal
    optimal_return: float
    """J*, mean of V(c, T) over cash uniform on [0, c̄]."""
    wind_up_return: float
    """J₀: pay everything out at once and be liquidated."""
    cash: Array
    """Cash, increasing, (M,)."""
    time_to_horizon: Array
    """Times to horizon in years, increasing, multiples of dt, (S,)."""
    values: Array
    """V(c, τ), (S, M)."""
    payout_level: Array
    """The firm pays what exceeds it, (S,); NaN at τ = 0 and where it never pays."""
    issue_below: Array
    """The firm issues below it, (S,); NaN at τ = 0 and where it never issues."""
    issue_target: Array
    """Cash that an issue raises to, (S,); NaN likewise."""
    abandon_below: Array
    """The firm pays everything out below it though it holds or issues above, (S,); NaN: nowhere."""

    @cached_property
    def free_boundary(self) -> FreeBoundary | None:
        """The infinite-horizon solution in continuous time; None where there is none."""
        try:
            return free_boundary(self.model)
        except UserError:
            return None

    @property
    def problem(self) -> dict[str, Any]:
        """What this is the solution of, in JSON types."""
        model = dataclasses.asdict(self.model)
        return {"model": model, "dt": self.dt, "T": self.T, "terminal": self.terminal}

    def save(self, path: str | Path) -> None:
        """Write everything into a .npz or .csv file; ``ghm evaluate`` reads the .npz file as a policy.

        Raises:
            UserError: when the ending is neither, or the file cannot be written.
        """
        levels = ("payout_level", "issue_below", "issue_target", "abandon_below")
        columns = {"value": self.values, **{name: getattr(self, name) for name in levels}}
        write_states(Path(path), self.cash, self.time_to_horizon, columns, self.problem)


def solve(
    model: GHMModel | None = None,
    dt: float = 0.01,
    T: float = 10.0,
    terminal: Terminal = "liquidation",
    cash: ArrayLike | None = None,
    times: ArrayLike | None = None,
) -> Solution:
    """Solve the decision problem.

    Args:
        model: The model; None: the default one.
        dt: Length of a step (years).
        T: Horizon (years), a whole multiple of ``dt``.
        terminal: What shareholders get at the horizon.
        cash: Cash at which V is wanted, from 0 to c̄; None: the solver's own nodes.
        times: Times to horizon at which it is wanted, from 0 to T, taken to the nearest step; None: 65 of them,
            dense near the horizon.

    Raises:
        UserError: when a grid leaves its range, or the problem cannot be solved at these settings.
    """
    model = model or GHMModel()
    require_problem(dt, T, terminal)
    asked = chosen_steps(times, dt, T)
    if cash is not None:
        chosen_cash(cash, np.empty(0), model)  # refuse before solving
    optimum = dynamic_program(model, dt, T, terminal, kept=asked)
    nodes = chosen_cash(cash, optimum.cash, model)
    steps = np.round(optimum.time_to_horizon / dt).astype(np.int64)
    rows = np.arange(steps.size) if asked is None else np.searchsorted(steps, asked)
    values = optimum.values[rows]
    if cash is not None:
        values = PchipInterpolator(optimum.cash, values, axis=1)(nodes)

    def at_rows(levels: Array) -> Array:
        return np.concatenate([[np.nan], levels])[steps[rows]]

    return Solution(
        model, dt, T, terminal,
        optimal_return=optimum.optimal_return,
        wind_up_return=model.c_max / 2 + model.liquidation_value,
        cash=nodes,
        time_to_horizon=optimum.time_to_horizon[rows],
        values=values,
        payout_level=at_rows(optimum.payout_level),
        issue_below=at_rows(optimum.issue_below),
        issue_target=at_rows(optimum.issue_target),
        abandon_below=at_rows(optimum.abandon_below),
    )  # fmt: skip
