"""``ghm solve``: the optimum of the decision problem, and the infinite-horizon solution."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import tyro
from scipy.interpolate import PchipInterpolator

import ghm.solvers.answers
from ghm.cli.output import fail, print_json, print_table
from ghm.cli.solve.config import SolveConfig
from ghm.errors import UserError
from ghm.solvers.free_boundary import FreeBoundary, free_boundary
from ghm.solvers.levels import level_words
from ghm.solvers.store import Reference, solve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    config = tyro.cli(
        SolveConfig, prog="ghm solve", args=arguments, use_underscores=True, config=(tyro.conf.FlagCreatePairsOff,)
    )
    try:
        if config.check:
            from ghm.cli.solve.check import check

            return check(config)
        if config.sweep:
            from ghm.cli.solve.sweep import sweep

            return sweep(config)
        return run(config)
    except UserError as error:
        return fail(str(error))


def run(config: SolveConfig) -> int:
    """Solve, draw, write and print.

    Raises:
        UserError: when the decision problem cannot be solved at these settings, or a file cannot be written.
    """
    reference = solve(config.model, config.dt, config.T, config.terminal)
    boundary, unsolved = None, ""
    try:
        boundary = free_boundary(config.model)
    except UserError as error:
        unsolved = str(error)
    if config.plot is not None:
        from ghm.cli.figures import write_figure
        from ghm.cli.solve.figure import draw

        write_figure(config.plot, draw(reference, boundary))
    if config.output is not None:
        answer = ghm.solvers.answers.solve(
            config.model, config.dt, config.T, config.terminal, config.cash_grid, config.time_grid
        )
        answer.save(config.output)
    values = dict(zip(config.points, _values(reference, config.points), strict=True))
    if config.json:
        print_json(_summary(config, reference, boundary, values))
    else:
        _print_tables(config, reference, boundary, values)
        for written in (config.plot, config.output):
            sys.stdout.write(f"Written: {written}\n" if written is not None else "")
    # What has a solution is shown even where the other problem has none; the status says that something is missing.
    return fail(unsolved) if unsolved else 0


def _values(reference: Reference, cash: tuple[float, ...]) -> list[float]:
    """V(c, T) between the nodes, by a cubic that keeps its shape."""
    return [float(value) for value in PchipInterpolator(reference.cash, reference.values[-1])(cash)]


def _summary(
    config: SolveConfig, reference: Reference, boundary: FreeBoundary | None, values: dict[float, float]
) -> dict[str, Any]:
    return {
        "optimal_return": reference.optimal_return,
        "wind_up_return": reference.wind_up_return,
        "payout_level": reference.payout_level,
        "issue_below": reference.issue_below,
        "issue_target": reference.issue_target,
        "value_at": {f"{cash:.12g}": value for cash, value in values.items()},
        "free_boundary": None if boundary is None else boundary.figures(),
        "dt": config.dt,
        "T": config.T,
        "terminal": config.terminal,
        "model": dataclasses.asdict(config.model),
    }


def _at_zero(boundary: FreeBoundary) -> str:
    if boundary.refinances:
        return "issues"
    # Without shocks there, it earns its drift and never runs out: the boundary condition is not liquidation's.
    return "goes on" if boundary.value_at_zero > boundary.liquidation_value else "is liquidated"


def _print_tables(
    config: SolveConfig, reference: Reference, boundary: FreeBoundary | None, values: dict[float, float]
) -> None:
    print_table(
        f"Decision problem: dt = {config.dt:g}, T = {config.T:g}, terminal {config.terminal}",
        [
            ("optimal return J*", f"{reference.optimal_return:.4f}"),
            ("return of winding up at once J₀", f"{reference.wind_up_return:.4f}"),
            ("pays out above", level_words(reference.payout_level)),
            ("issues below", level_words(reference.issue_below)),
            ("issues up to", level_words(reference.issue_target)),
        ],
    )
    print_table(
        f"Value with τ = {config.T:g} to the horizon",
        [(f"{cash:.12g}", f"{value:.4f}") for cash, value in values.items()],
        ("cash c", "V(c, τ)"),
    )
    if boundary is None:
        return
    print_table(
        "Infinite horizon, continuous time",
        [
            ("pays out above c*", level_words(boundary.payout_level)),
            ("value at zero F(0)", f"{boundary.value_at_zero:.4f}"),
            ("at zero cash the firm", _at_zero(boundary)),
            ("issues up to", level_words(boundary.issue_target)),
            ("liquidation value ℓ", f"{boundary.liquidation_value:.4f}"),
        ],
    )
