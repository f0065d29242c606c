"""Two Gaussian processes of learning curves on the table of `ghm.benchmark`: how well does each foretell ends from first rungs?

=================  ========================================================================================================
`freeze-thaw`      k(x, x') + [x = x'] o² (β/(t + t' + β))^α, of Swersky, Snoek and Adams (2014): every curve decays exponentially
                   towards an end of its own, at rates that are mixed
`ghm`              k(x, x') (1 + λ s) + [x = x'] (o² + q² s) + b² (1 + s), s of the shorter one: Brownian motions of log
                   iterations, see `gaussian_process.py`
=================  ========================================================================================================

Forty configurations pass the rungs 20, 60 and 160; each process is fitted (most probable parameters) to what they reached, and
foretells log10 of the optimality gap at the end, which is known, of those that were stopped.
"""

import argparse
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from search_methods import Method, Replay, TableProposal

from ghm.benchmark import Table, load_table
from ghm.search.methods.gaussian_process import distances
from ghm.search.methods.learned import objectives

Array = NDArray[np.float64]
METHOD = Method("random", (20, 60, 160))
SIZE = 40

Kernel = Callable[[Array, list[Array], Array, Array], Array]
"""Covariance by logarithms of parameters, squared distances of each axis, and iterations as shares of the whole."""


def settings(logs: Array, squares: list[Array]) -> Array:
    """Matérn 5/2 of the settings; its parameters are the first."""
    r = np.sqrt(5 * sum(one * math.exp(-2 * log) for one, log in zip(squares, logs, strict=False)))
    return np.asarray(math.exp(logs[len(squares)]) * (1 + r + r**2 / 3) * np.exp(-r))


def freeze_thaw(logs: Array, squares: list[Array], first: Array, second: Array) -> Array:
    """Exponential decays towards an end."""
    own, alpha, beta = np.exp(logs[-3:])
    same = sum(squares) == 0
    decay = (beta / (np.add.outer(first, second) + beta)) ** alpha
    return np.asarray(settings(logs, squares) + own * same * decay + 1.0)


def ours(logs: Array, squares: list[Array], first: Array, second: Array) -> Array:
    """Brownian motions of log iterations, of what settings do and of each configuration."""
    own, later, itself, common = np.exp(logs[-4:])
    begin, end = (1 + np.log(one) / math.log(METHOD_SPAN) for one in (first, second))
    shared, same = np.minimum.outer(begin, end), sum(squares) == 0
    matern = settings(logs, squares)
    return np.asarray(matern * (1 + later * shared) + same * (own + itself * shared) + common * (1 + shared))


METHOD_SPAN = 20.0
"""Iterations of the end over those of the first rung."""

KERNELS: dict[str, tuple[Kernel, list[tuple[float, float]]]] = {
    "freeze-thaw": (freeze_thaw, [(math.log(0.3), 1.5), (0.0, 1.0), (math.log(0.3), 1.0)]),
    "ghm": (ours, [(math.log(0.1), 1.5), (0.0, 1.0), (math.log(0.3), 1.0), (math.log(0.3), 1.0)]),
}
"""With priors of their last parameters' logarithms: mean and standard deviation."""


def foretold(name: str, squares: list[Array], times: Array, values: Array, wanted: list[Array]) -> tuple[Array, Array]:
    """Mean and standard deviation of ends, given ``values`` at ``times``; ``wanted``: squared distances from these places."""
    kernel, last = KERNELS[name]
    priors = np.array([*[(0.0, 1.0)] * len(squares), (0.0, 0.5), (math.log(0.05), 1.5), *last])
    centre, spread = values.mean(), values.std()
    scaled = (values - centre) / spread
    at = len(squares) + 1  # of the noise

    def factored(logs: Array) -> tuple[Array, bool]:
        noise = math.exp(logs[at]) + 1e-6
        return cho_factor(kernel(logs, squares, times, times) + noise * np.eye(len(times)), lower=True)

    def loss(logs: Array) -> float:
        factor = factored(logs)
        pull = (logs - priors[:, 0]) / priors[:, 1]
        return float(0.5 * scaled @ cho_solve(factor, scaled) + np.log(np.diag(factor[0])).sum() + 0.5 * pull @ pull)

    bounds = [(mean - 4 * deviation, mean + 4 * deviation) for mean, deviation in priors]
    logs = minimize(loss, priors[:, 0], method="L-BFGS-B", bounds=bounds, options={"maxiter": 25}).x
    ends = np.ones(len(wanted[0]))
    across = kernel(logs, wanted, ends, times)
    itself = kernel(logs, [np.zeros((1, 1))] * len(squares), np.ones(1), np.ones(1))[0, 0] + math.exp(logs[at])
    left = itself - np.sum(across * cho_solve(factored(logs), across.T).T, axis=1)
    return centre + spread * (across @ cho_solve(factored(logs), scaled)), spread * np.sqrt(np.maximum(left, 1e-9))


def trial(table: Table, number: int) -> dict[str, list[float]]:
    """Error, log density and whether a 90% interval holds it, of each process for each configuration that was stopped."""
    replay, proposal = Replay(table, METHOD, number), TableProposal(table, Method("gp"), number)
    for _ in range(SIZE):
        replay.ask({})
    still, curves = replay.train(replay.order)[1:]
    rows = [(row, 20.0 ** (place - 1), value) for row in replay.order for place, value in curves[row]]
    seen = proposal.at[[row for row, _, _ in rows]]
    values = objectives([value for _, _, value in rows])
    stopped = [row for row in replay.order if row not in still and curves[row]]
    truth = objectives([float(replay.best[row, -1]) for row in stopped])
    squares = [distances(axis, column, column) for axis, column in zip(proposal.axes, seen.T, strict=True)]
    wanted = [distances(axis, *pair) for axis, *pair in zip(proposal.axes, proposal.at[stopped].T, seen.T, strict=True)]
    found: dict[str, list[float]] = {}
    for name in KERNELS:
        mean, deviation = foretold(name, squares, np.array([time for _, time, _ in rows]), values, wanted)
        z = (truth - mean) / deviation
        density = -0.5 * z**2 - np.log(deviation) - 0.5 * math.log(2 * math.pi)
        found[name] = [
            float(np.sqrt(np.mean((truth - mean) ** 2))),
            float(density.mean()),
            float(np.mean(np.abs(z) < 1.645)),
        ]
    return found


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=20)
    flags = parser.parse_args()
    table = load_table()
    trials = [trial(table, number) for number in range(flags.repeats)]
    print(
        "| kernel | root mean square error of log10 of the gap | log density | share within 90% intervals |\n|---|---|---|---|"
    )
    for name in KERNELS:
        figures = np.array([one[name] for one in trials])
        errors = figures.std(axis=0, ddof=1) / math.sqrt(len(figures))
        print(
            f"| {name} | "
            + " | ".join(f"{m:.3f} ({e:.3f})" for m, e in zip(figures.mean(axis=0), errors, strict=True))
            + " |"
        )


if __name__ == "__main__":
    main()
