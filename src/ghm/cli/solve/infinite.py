"""What ``ghm solve`` prints of the infinite horizon."""

from ghm.cli.output import print_table
from ghm.io.text import level_words, years_text
from ghm.solvers.infinite_horizon import InfiniteHorizon
from ghm.solvers.infinite_horizon.objects import DATES
from ghm.training.logging.progress import number


def print_infinite_horizon(found: InfiniteHorizon) -> None:
    """Print the solution, and firms in the long run."""
    boundary, figures = found.boundary, found.figures()
    print_table(
        "Infinite horizon, continuous time",
        [
            ("target cash c*, the payout boundary", level_words(boundary.payout_level)),
            ("value without cash F(0)", f"{boundary.value_at_zero:.4f}"),
            ("marginal value of cash F'(0)", f"{figures['marginal_value_at_zero']:.4f}"),
            ("at zero cash the firm", _at_zero(found)),
            ("post-issuance cash y*", level_words(boundary.issue_target)),
            ("gross proceeds of an issue p (y* + φ)", number(found.gross_proceeds)),
            ("share of them that the issue costs", _percent(found.cost_share)),
            ("cost of frictions 1 − F(0) k/α", f"{found.cost_of_frictions:.2%}"),
            ("largest fixed cost at which it issues", f"{figures['greatest_fixed_cost']:.4g}"),
            ("equity volatility at zero cash, at c*", _pair(figures, "equity_volatility")),
            ("cash-flow sensitivity of cash at c*", number(figures["cash_flow_sensitivity_at_target"])),
            ("liquidation value ℓ", f"{boundary.liquidation_value:.4f}"),
        ],
    )
    if found.firms is None:
        return
    name = "liquidated" if not boundary.refinances else "out of cash"
    probabilities = figures["run_out_probability_from_target"]
    print_table(
        "Firms in the long run, equally weighted",
        [
            ("mean cash", f"{found.firms.mean:.4f}"),
            ("cash: lower quartile, median, upper quartile", _quartiles(figures["cash_quantiles"])),
            ("share with less than half of c*", f"{figures['share_below_half_target']:.1%}"),
            ("equity issues per year", number(found.issues_a_year)),
            ("years from an issue until cash runs out", f"{figures['years_to_run_out_after_issuance']:.2f}"),
            ("years from c* until cash runs out", f"{figures['years_to_run_out_from_target']:.2f}"),
            *((f"{name} within {years_text(date)}, from c*", f"{probabilities[f'{date:g}']:.2%}") for date in DATES),
        ],
    )


def _at_zero(found: InfiniteHorizon) -> str:
    boundary = found.boundary
    if boundary.refinances:
        return "issues equity"
    # Without shocks there, it earns its drift and never runs out: the boundary condition is not liquidation's.
    return "goes on" if boundary.value_at_zero > boundary.liquidation_value else "is liquidated"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _pair(figures: dict[str, float], name: str) -> str:
    return f"{figures[f'{name}_at_zero']:.4f}, {figures[f'{name}_at_target']:.4f}"


def _quartiles(quantiles: dict[str, float]) -> str:
    return ", ".join(f"{quantiles[share]:.4f}" for share in ("0.25", "0.5", "0.75"))
