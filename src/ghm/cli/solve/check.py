"""``ghm solve --check``: the validation card, printed."""

import sys
import textwrap

from ghm.cli.output import print_json, print_table
from ghm.cli.solve.config import SolveConfig
from ghm.io.spinner import working
from ghm.io.text import WIDTH
from ghm.solvers.validation import Card, validate

EXIT_FAILED = 1
"""Exit status when a line fails: the solution cannot be trusted, which is no mistake of the user's."""


def check(config: SolveConfig) -> int:
    """Print the card; returns 0 if every line passes, else 1.

    Raises:
        UserError: when the discrete-time problem cannot be solved at these settings.
    """
    with working("solving the problem in every way, and simulating it"):
        card = validate(config.problem)
    if config.json:
        print_json({**card.to_dict(), **config.problem.to_dict()})
    else:
        _print(config, card)
    return 0 if card.passed else EXIT_FAILED


def _print(config: SolveConfig, card: Card) -> None:
    print_table(
        f"Validation: dt = {config.dt:g}, T = {config.T:g}, terminal {config.terminal}",
        [(line.claim, f"{line.figure:.1e}", f"{line.tolerance:.1e}", line.status) for line in card.lines],
        ("claim", "figure", "tolerance", ""),
    )
    for note in card.notes:
        sys.stdout.write(textwrap.fill(f"Skipped: {note}.", WIDTH) + "\n")
    verdict = "PASS: every claim checked holds." if card.passed else f"FAIL: {', '.join(card.failures)}."
    sys.stdout.write(textwrap.fill(verdict, WIDTH) + "\n")
