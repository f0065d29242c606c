"""What each hyperparameter does to captured value: main effects over the trials of a random search.

    python scripts/hyperparameter_search.py --n_trials 64 --n_iterations 1000 --n_workers 2 --results_dir results/effects
    python benchmarks/main_effects.py results/effects

Captured value is fitted by least squares as a mean and one effect a value of each hyperparameter, all at once, so that what
happened to be drawn together is told apart. Effects of a hyperparameter's values sum to zero; their standard errors are those
of the fit. The F test asks whether the fit without the hyperparameter is worse than chance would have it.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ghm import load_results
from ghm.errors import UserError
from ghm.search.settings.configurations import NAMES

Floats = NDArray[np.float64]


class MainEffect(NamedTuple):
    """The effects of one hyperparameter's values on an outcome."""

    name: str
    values: list[Any]
    effects: Floats
    """One a value, their sum zero."""
    errors: Floats
    """Standard errors of the effects."""
    p_value: float
    """Of the F test that all are zero."""


def main_effects(columns: Mapping[str, Sequence[Any]], outcome: Floats) -> list[MainEffect]:
    """Least-squares main effects of categorical ``columns`` on an ``outcome`` (N,).

    Raises:
        ValueError: when there are too few outcomes for so many values.
    """
    levels = {name: sorted(set(column), key=_order) for name, column in columns.items()}
    blocks = {name: _contrasts(columns[name], values) for name, values in levels.items() if len(values) > 1}
    design = np.concatenate([np.ones((outcome.size, 1)), *blocks.values()], axis=1)
    freedom = outcome.size - np.linalg.matrix_rank(design)
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError(f"{outcome.size} outcomes cannot tell {design.shape[1]} effects apart; run more trials")
    fit, residual = _fit(design, outcome)
    variance = residual / freedom * np.linalg.inv(design.T @ design)
    found, first = [], 1
    for name, block in blocks.items():
        width = block.shape[1]
        own = slice(first, first + width)
        # The last value's effect is what makes the sum zero.
        spread = np.concatenate([np.eye(width), -np.ones((1, width))])
        others = np.delete(design, np.arange(own.start, own.stop), axis=1)
        f = (_fit(others, outcome)[1] - residual) / width / (residual / freedom)
        errors = np.sqrt(np.diag(spread @ variance[own, own] @ spread.T))
        found.append(MainEffect(name, levels[name], spread @ fit[own], errors, float(stats.f.sf(f, width, freedom))))
        first += width
    return found


def _order(value: Any) -> Any:
    """Numbers by size; layers, texts such as 64x64, by their number and then their widths."""
    if not isinstance(value, str):
        return value
    widths = [int(width) for width in value.split("x")]
    return len(widths), widths


def _contrasts(column: Sequence[Any], values: list[Any]) -> Floats:
    """Sum-to-zero coding: a column a value but the last, which has −1 in all, (N, values − 1)."""
    indicators = np.array([[float(one == value) for value in values] for one in column])
    contrasts: Floats = indicators[:, :-1] - indicators[:, -1:]
    return contrasts


def _fit(design: Floats, outcome: Floats) -> tuple[Floats, float]:
    """Coefficients and the residual sum of squares."""
    fit = np.asarray(np.linalg.lstsq(design, outcome, rcond=None)[0], dtype=np.float64)
    return fit, float(np.square(outcome - design @ fit).sum())


def main() -> int:
    """Read a search and print its main effects."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results_dir", type=Path, help="directory of a search")
    try:
        trials = load_results(parser.parse_args().results_dir).trials
        trials = trials[trials["success"]]
        captured = trials["captured_value"].to_numpy(float)
        effects = main_effects({name: list(trials[name]) for name in NAMES}, captured)
    except (UserError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    quantiles = ", ".join(f"{q:.4f}" for q in np.quantile(captured, [0, 0.25, 0.5, 0.75, 1]))
    print(f"{captured.size} trainings; captured value: minimum, quartiles, maximum {quantiles}\n")
    print("| hyperparameter | effect on captured value, thousandths (standard error) | p |\n|---|---|---|")
    for one in sorted(effects, key=lambda effect: effect.p_value):
        cells = ", ".join(
            f"{value}: {1e3 * effect:+.2f} ({1e3 * error:.2f})"
            for value, effect, error in zip(one.values, one.effects, one.errors, strict=True)
        )
        print(f"| `{one.name}` | {cells} | {one.p_value:.2g} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
