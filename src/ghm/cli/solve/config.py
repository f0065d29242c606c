"""The settings of ``ghm solve``."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ghm.cli.grids import numbers
from ghm.economics.evaluation_grid import require_file
from ghm.economics.model import GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.solvers.answers import Sweep

SHARES = (0.0, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Values of cash, as shares of c̄, at which the value function is shown unless others are asked for."""

MAX_SWEEPS = 2

GROUPS = {
    "problem": ("dt", "T", "terminal"),
    "what to print": ("at", "json", "check"),
    "files": ("plot", "output", "cash", "times"),
    "comparative statics": ("sweep",),
}
"""How help groups the options."""


@dataclass(frozen=True)
class SolveConfig:
    """Solve the infinite-horizon model in continuous time, and the finite-horizon problem on which policies are trained."""

    dt: float = 0.01
    """Time step (years)."""
    T: float = 10.0
    """Horizon (years), a multiple of dt."""
    terminal: Terminal = "liquidation"
    """Firm value at the horizon (going_concern: that of a firm that lives on)."""
    at: Annotated[tuple[float, ...], tyro.conf.arg(help_behavior_hint="seven values from 0 to c_max")] = ()
    """Cash at which to show the value."""
    json: bool = False
    """Print JSON instead of tables."""
    plot: Path | None = None
    """Draw the value and the boundaries, or the sweep, into this .png, .pdf or .svg."""
    output: Path | None = None
    """Write value and boundaries, or the sweep's table, into this .npz or .csv.
    The sweep's table only as .csv."""
    cash: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="the solver's grid")] = ()
    """Cash of --output, as 0:0.5:101 (first:last:count)."""
    times: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="65, dense near 0")] = ()
    """Years to the horizon of --output, likewise."""
    check: bool = False
    """Check every claim about the solution; exit status 1 if one fails."""
    sweep: Annotated[
        tuple[tuple[str, float, float, int], ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(metavar="PARAMETER FIRST LAST COUNT"),
    ] = ()
    """Solve at COUNT values of a parameter; give it twice for a pair.
    Given twice: for each pair of values of two parameters."""
    model: GHMModel = dataclasses.field(default_factory=GHMModel)
    """Parameters of the model."""

    def __post_init__(self) -> None:
        self.problem  # noqa: B018 - refuses what is no problem
        for cash in self.at:
            if not 0 <= cash <= self.model.c_max:
                raise UserError(f"--at must be from 0 to c_max = {self.model.c_max:g}; received {cash!r}")
        if self.output is not None:
            require_file(self.output)
        if self.output is None and (self.cash or self.times):
            raise UserError("--cash and --times say where --output is wanted; give --output FILE.npz too")
        if self.check and (self.sweep or self.output or self.plot):
            raise UserError("--check prints the validation card alone; leave out --sweep, --output and --plot")
        if len(self.sweep) > MAX_SWEEPS:
            raise UserError(f"--sweep may be given twice; received {len(self.sweep)}")
        if self.sweep and (self.cash or self.times or self.at):
            raise UserError("--sweep shows levels at the whole horizon; leave out --cash, --times and --at")

    @property
    def problem(self) -> Problem:
        """What is solved."""
        return Problem(self.model, self.dt, self.T, self.terminal)

    @property
    def points(self) -> tuple[float, ...]:
        """Values of cash at which the value function is shown."""
        return self.at or tuple(share * self.model.c_max for share in SHARES)

    @property
    def cash_grid(self) -> list[float] | None:
        """Cash of the grid that is written; None: the solver's own."""
        return numbers("--cash", self.cash)

    @property
    def time_grid(self) -> list[float] | None:
        """Times to horizon of the grid that is written; None: the solver's own."""
        return numbers("--times", self.times)

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """The parameters that are varied."""
        return tuple(Sweep.even(*sweep) for sweep in self.sweep)
