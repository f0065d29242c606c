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
    return tyro.conf.arg(help_behavior_hint=f"the file's, else {otherwise}")


GROUPS = {
    "policy": ("policy",),
    "what to print": ("json",),
    "files": ("output", "cash", "times", "figures"),
    "problem": ("dt", "T", "terminal"),
}
"""How help groups the options."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluate a policy: firm value, captured value, boundaries beside the optimal ones, a verdict.

    The problem and the model's parameters are those that FILE records; the defaults below hold where it records none.

    A table (.npz) has arrays for M values of cash and S times to the horizon: cash (M,), time_to_horizon (S,),
    mode_probabilities (S, M, 3) of hold, pay and issue, and the cash that a payout leaves, payout_level, and that an issue
    leads to, issue_target, (S,) or (S, M). Where the policy draws these two amounts at random, they are medians, and the
    standard deviations of their logarithms are payout_log_std and issue_log_std. Or it has what `ghm solve --output` writes:
    time_to_horizon, payout_level (payout boundary), issue_below (issuance boundary) and issue_target (post-issuance cash),
    (S,) each.
    """

    source: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")] = None
    """Checkpoint, such as checkpoints/best_model.pt, or a table (.npz)."""
    policy: str | None = None
    """Instead of FILE: module:function or file.py:function.
    A function of (cash, time_to_horizon) that returns ghm.Actions, or the pair (payout, issue) in amounts of cash."""
    json: bool = False
    """Print JSON instead of a table."""
    output: Path | None = None
    """Write the policy, the optimum and their differences into this .npz or .csv.
    Value and cash after the transaction are those of the action rule that is judged."""
    cash: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="the solver's grid")] = ()
    """Cash of --output, as 0:0.5:101 (first:last:count)."""
    times: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="64, dense near 0, without 0")] = ()
    """Years to the horizon of --output, likewise."""
    figures: Path | None = None
    """Draw the policy, its value and simulated firms into this directory (PDF, PNG)."""
    dt: Annotated[float, _own("0.01")] = 0.01
    """Time step (years)."""
    T: Annotated[float, _own("10")] = 10.0
    """Horizon (years), a multiple of dt."""
    terminal: Annotated[Terminal, _own("liquidation")] = "liquidation"
    """Firm value at the horizon (going_concern: that of a firm that lives on)."""
    model: GHMModel = dataclasses.field(default_factory=GHMModel)
    """Parameters that the policy is judged on.
    Those of a checkpoint or table take the place of the defaults. A checkpoint is refused where they differ from those that it
    was trained with."""

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
