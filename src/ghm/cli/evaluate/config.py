"""The settings of ``ghm evaluate``."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ghm.cli.grids import numbers
from ghm.economics.evaluation_grid import require_file
from ghm.economics.model import GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.errors import UserError


def _own(otherwise: str) -> Any:
    """The help of a setting that the policy's file has, too."""
    return tyro.conf.arg(help_behavior_hint=f"(default: the checkpoint's or table's own, {otherwise} for a function)")


@dataclass(frozen=True)
class EvaluateConfig:
    """Judge a policy: exact and simulated return, captured value, levels beside the optimum's, a verdict.

    A table (.npz) has the arrays cash (M,), time_to_horizon (S,), mode_probabilities (S, M, 3) of hold, pay and issue,
    payout_level and issue_target, (S,) or (S, M), and, where levels are drawn, payout_log_std and issue_log_std; or, as
    `ghm solve --output` writes it, time_to_horizon, payout_level, issue_below and issue_target, (S,) each.
    """

    source: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")] = None
    """Checkpoint of a training run, such as checkpoints/best_model.pt, or a table (.npz)."""
    policy: str | None = None
    """Instead of a file, module:function or file.py:function: a function of (cash, time_to_horizon) that returns
    ghm.Actions, or the pair (payout, issue) in amounts of cash."""
    json: bool = False
    """Print JSON instead of a table."""
    output: Path | None = None
    """Write the policy and its value over a grid, with the optimum's and the differences, into this file (.npz or .csv): value
    and cash after the transaction under the action rule that is judged."""
    cash: tuple[str, ...] = ()
    """Cash of that grid: numbers or first:last:count, such as 0:0.5:101; by default the solver's own nodes."""
    times: tuple[str, ...] = ()
    """Times to horizon of that grid (years), likewise, each taken to the nearest step; by default 64, dense near 0."""
    figures: Path | None = None
    """Draw the policy, its value and simulated firms into this directory (PDF and PNG)."""
    dt: Annotated[float, _own("0.01")] = 0.01
    """Length of a time step (years)."""
    T: Annotated[float, _own("10")] = 10.0
    """Horizon (years), a whole multiple of dt."""
    terminal: Annotated[Terminal, _own("liquidation")] = "liquidation"
    """What shareholders get at the horizon."""
    model: GHMModel = dataclasses.field(default_factory=GHMModel)
    """Parameters that the policy is judged on; those of a checkpoint or table take the place of the defaults. A checkpoint
    is refused where they differ from those that it was trained with."""

    def __post_init__(self) -> None:
        self.problem  # noqa: B018 - refuses what is no problem
        if self.output is not None:
            require_file(self.output)
        elif self.cash or self.times:
            raise UserError("--cash and --times say where --output is wanted; give --output FILE.npz too")
        if self.source is not None and self.policy is not None:
            raise UserError(f"--policy {self.policy} and the file {self.source} are two policies; give one")
        if self.source is not None and self.output is not None and self.source.resolve() == self.output.resolve():
            raise UserError(
                f"--output {self.output} is the policy that is judged, and would be lost; choose another file"
            )

    @property
    def problem(self) -> Problem:
        """What the policy is judged on."""
        return Problem(self.model, self.dt, self.T, self.terminal)

    @property
    def cash_grid(self) -> list[float] | None:
        """Cash of the grid that is written; None: the solver's own."""
        return numbers("--cash", self.cash)

    @property
    def time_grid(self) -> list[float] | None:
        """Times to horizon of the grid that is written; None: the solver's own."""
        return numbers("--times", self.times)
