"""``ghm solve``: the infinite-horizon solution, and the optimum in discrete time with a finite horizon."""

import dataclasses
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from ghm.cli.output import print_json, print_table
from ghm.cli.solve.config import GROUPS, SolveConfig
from ghm.cli.solve.infinite import print_infinite_horizon
from ghm.command_line import parse
from ghm.economics.evaluation_grid import chosen_cash, chosen_steps
from ghm.errors import UserError
from ghm.io.platforms import fail
from ghm.io.text import WIDTH, level_words
from ghm.solvers.answers.warnings import solution_warnings
from ghm.solvers.dynamic_program import dynamic_program
from ghm.solvers.infinite_horizon import InfiniteHorizon, infinite_horizon
from ghm.solvers.solution import Solution


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    config = parse(SolveConfig, arguments, "ghm solve", groups=GROUPS)
    try:
        if config.check:
            from ghm.cli.solve.check import check

            return check(config)
        if config.sweep:
            from ghm.cli.solve.sweep import sweep

            return sweep(config)
        return run(config)
    except UserError as error:
        return fail(error)


def run(config: SolveConfig) -> int:
    """Solve, draw, write and print.

    Raises:
        UserError: when the discrete-time problem cannot be solved at these settings, or a file cannot be written.
    """
    times, cash = config.time_grid, config.cash_grid
    if cash is not None:
        chosen_cash(cash, config.model.c_max)  # refuse before solving
    solution = dynamic_program(config.problem, kept=None if times is None else chosen_steps(times, config.problem))
    forever, unsolved = None, ""
    try:
        forever = infinite_horizon(config.model)
    except UserError as error:
        unsolved = str(error)
    if config.plot is not None:
        from ghm.cli.figures import write_figure
        from ghm.cli.solve.figure import draw

        write_figure(config.plot, draw(solution, forever))
    if config.output is not None:
        solution.on(cash, times).save(config.output)
    shown, warnings = solution.on(np.array(config.points)), solution_warnings(solution)
    # What has a solution is an answer, also where the other problem has none.
    warnings += (unsolved,) if unsolved else ()
    if config.json:
        print_json(_summary(shown, forever, warnings))
    else:
        if forever is not None:
            print_infinite_horizon(forever)
        _print_finite_horizon(shown)
        for written in (config.plot, config.output):
            sys.stdout.write(f"Written: {written}\n" if written is not None else "")
        for warning in warnings:
            sys.stdout.write(textwrap.fill(f"Note: {warning}.", WIDTH) + "\n")
    return 0


def _summary(shown: Solution, forever: InfiniteHorizon | None, warnings: tuple[str, ...]) -> dict[str, Any]:
    values, slopes = shown.values[-1].tolist(), shown.marginal_values[-1].tolist()
    names = [f"{cash:.12g}" for cash in shown.cash]
    return {
        "optimal_return": shown.optimal_return,
        "wind_up_return": shown.wind_up_return,
        **dataclasses.asdict(shown.initial_levels),
        "value_at": dict(zip(names, values, strict=True)),
        "marginal_value_at": dict(zip(names, slopes, strict=True)),
        "free_boundary": None if forever is None else forever.boundary.figures(),
        "infinite_horizon": None if forever is None else forever.figures(),
        "warnings": list(warnings),
        **shown.problem.to_dict(),
    }


def _print_finite_horizon(shown: Solution) -> None:
    levels, problem = shown.initial_levels, shown.problem
    print_table(
        f"Discrete time, finite horizon: dt = {problem.dt:g}, T = {problem.T:g}, terminal {problem.terminal}",
        [
            ("optimal firm value J*, mean over initial cash", f"{shown.optimal_return:.4f}"),
            ("of immediate liquidation J₀", f"{shown.wind_up_return:.4f}"),
            ("payout boundary", level_words(levels.payout_level)),
            ("issuance boundary", level_words(levels.issue_below)),
            ("post-issuance cash", level_words(levels.issue_target)),
        ],
    )
    print_table(
        f"Value with τ = {problem.T:g} to the horizon",
        [
            (f"{cash:.12g}", f"{value:.4f}", f"{slope:.4f}")
            for cash, value, slope in zip(shown.cash, shown.values[-1], shown.marginal_values[-1], strict=True)
        ],
        ("cash c", "V(c, τ)", "V_c(c, τ)"),
    )
