"""A Gaussian process over configurations, and the one with the greatest expected improvement.

======  ==================  ======  ==================================================================================
symbol  name                shape   meaning
======  ==================  ======  ==================================================================================
x       ``known``           (n, d)  places of configurations with an outcome, see ``settings/distributions.py``
y       ``objective``       (n,)    their objective, standardised; less is better
δ_j     ``distances``       (n, n)  squared distance along axis j: of positions from 0 to 1 where values have an order,
                                    0 or 1 where they have none
ℓ_j                         (d,)    length scale of axis j
s², σ²                              variance of the process, and of the noise (another seed, another result)
w       ``weights``         (n,)    variance of each outcome's noise, relative to σ²: a mean of fewer seeds is less sure
k                           (n, n)  s² (1 + √5 r + 5 r²/3) exp(−√5 r), r² = Σ_j δ_j/ℓ_j²: Matérn 5/2
======  ==================  ======  ==================================================================================

Parameters maximise the marginal likelihood times weak priors (Rasmussen and Williams 2006, *Gaussian Processes for Machine
Learning*, equations 2.30 and 5.9). A pending configuration is given its predicted mean as an outcome, so that nobody is sent
to the same place twice. Expected improvement is that of Jones, Schonlau and Welch 1998, *J. Global Optimization* 13, against
the least predicted mean of the known configurations, since outcomes are noisy.

Where configurations have several seeds, the prior of σ² is what their spread says of a mean: see :class:`Noise`.

Linear algebra runs on one thread: on several its rounding, and then the proposal, would depend on the machine's load.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from ghm.economics.model import Array
from ghm.search.settings.distributions import Range, Values

MAX_CANDIDATES = 20_000
"""A larger space is represented by so many of its configurations, drawn anew for each proposal."""

N_GOOD = 5
DISTANCES = (0.2, 0.05, 0.0125)
"""Where there are ranges, half of the candidates are near the best known configurations: so far away, on an axis of length 1."""

# Priors on the logarithms of length scale, process and noise variance: mean and standard deviation. An axis has length 1,
# the outcomes variance 1; the noise is smaller as a rule, but another seed can move a trial by as much as a setting does.
_LENGTH, _VARIANCE, _NOISE = (0.0, 1.0), (0.0, 0.5), (math.log(0.05), 1.5)

# Added to the diagonal, relative to the process' variance, so that rounding does not make the matrix indefinite.
_JITTER = 1e-8


Axis = Values | Range
"""What may be tried of a hyperparameter."""


def distances(axis: Axis, first: Array, second: Array) -> Array:
    """Squared distances between places (n,) and (m,), (n, m)."""
    if isinstance(axis, Range):
        return np.square(np.subtract.outer(first, second))
    # Of the values, which are few; looking it up is cheaper than computing it for each of 11,664 candidates.
    steps = np.subtract.outer(indices := np.arange(len(axis)), indices)
    table: Array = np.square(steps / max(len(axis) - 1, 1)) if axis.ordered else (steps != 0).astype(np.float64)
    found: Array = table.take(second.astype(int), axis=1).take(first.astype(int), axis=0)
    return found


@dataclass(frozen=True)
class Noise:
    """What the seeds say of outcomes that are means over them."""

    variances: Array
    """Of each outcome, (n,): the variance of a seed, pooled over configurations since each has few, by its number of seeds."""
    freedom: int
    """Degrees of freedom ν of the pooled variance. The standard deviation of its logarithm is √(2/ν), that of the prior of σ²."""


def noise_of_means(values: Array) -> Noise | None:
    """What is known of the noise of means over seeds; None where there is nothing to tell it by.

    Args:
        values: outcomes (n configurations, k calibrations, s seeds), not a number where a training failed.
    """
    there = np.isfinite(values)
    filled = np.where(there, values, 0.0)

    def centred(values: Array, axis: int) -> Array:
        count = np.maximum(there.sum(axis=axis, keepdims=True), 1)
        return np.where(there, values - values.sum(axis=axis, keepdims=True) / count, 0.0)

    # Without what a configuration has on a calibration, and what a seed does to all configurations alike.
    residual = centred(centred(filled, 2), 0)
    freedom = int(np.maximum(there.sum(axis=2) - 1, 0).sum() - np.maximum(there.any(axis=0).sum(axis=1) - 1, 0).sum())
    variance = float(np.sum(residual**2)) / freedom if freedom > 0 else 0.0
    return Noise(variance / np.maximum(there.sum(axis=(1, 2)), 1), freedom) if variance > 0 else None


def propose(
    axes: Sequence[Axis],
    known: Array,
    objective: Array,
    pending: Array,
    seed: np.random.SeedSequence,
    candidates: Array | None = None,
    noise: Noise | None = None,
) -> list[float]:
    """The configuration of greatest expected improvement that is neither known nor pending.

    Args:
        axes: what may be tried of the hyperparameters, d of them.
        known: places of configurations whose outcome counts, (n, d).
        objective: what they reached, to be minimised, (n,).
        pending: places of configurations without an outcome yet, (m, d).
        seed: of this one proposal; it decides among candidates only where there are too many to enumerate.
        candidates: what to choose from, (m, d); None: the whole space.
        noise: of ``objective``; None: unknown, and the same for all.

    Returns:
        A place on each axis.
    """
    with threadpool_limits(1):
        spread = float(objective.std()) or 1.0
        told = None if noise is None else Noise(noise.variances / spread**2, noise.freedom)
        process = _Process.fit(axes, known, (objective - objective.mean()) / spread, told)
        if len(pending):
            process = process.believing(pending)
        expected = process.predict(known)[0]
        if candidates is None:
            good = known[np.argsort(expected, kind="stable")[:N_GOOD]]
            candidates = _candidates(axes, known, pending, good, seed)
        mean, deviation = process.predict(candidates)
        best = float(expected.min())
        z = (best - mean) / deviation
        improvement = deviation * (z * norm.cdf(z) + norm.pdf(z))
        return [float(place) for place in candidates[int(np.argmax(improvement))]]


@dataclass(frozen=True)
class _Process:
    """A Gaussian process with its parameters and what it has seen."""

    axes: Sequence[Axis]
    logs: Array
    """Logarithms of length scales (d), variance and noise variance, (d + 2,)."""
    seen: Array
    outcomes: Array
    weights: Array
    """Of the noise of each outcome, (n,), see above."""

    @classmethod
    def fit(cls, axes: Sequence[Axis], seen: Array, outcomes: Array, noise: Noise | None = None) -> Self:
        squares = [distances(axis, column, column) for axis, column in zip(axes, seen.T, strict=True)]
        usual = 1.0 if noise is None else float(noise.variances.min())
        weights = np.ones(len(outcomes)) if noise is None else noise.variances / usual
        known = _NOISE if noise is None else (math.log(usual), math.sqrt(2 / noise.freedom))
        priors = np.array([*[_LENGTH] * len(axes), _VARIANCE, known])
        start = priors[:, 0].copy()
        bounds = [(mean - 4 * deviation, mean + 4 * deviation) for mean, deviation in priors]
        found = minimize(_loss, start, (squares, outcomes, priors, weights), "L-BFGS-B", jac=True, bounds=bounds)
        return cls(axes, found.x, seen, outcomes, weights)

    def believing(self, pending: Array) -> Self:
        """This process once ``pending`` had come out as predicted."""
        outcomes = np.concatenate([self.outcomes, self.predict(pending)[0]])
        weights = np.concatenate([self.weights, np.ones(len(pending))])
        return type(self)(self.axes, self.logs, np.concatenate([self.seen, pending]), outcomes, weights)

    def predict(self, places: Array) -> tuple[Array, Array]:
        """Mean and standard deviation at ``places`` (m, d), (m,) each."""
        variance, noise = np.exp(self.logs[-2:])
        matrix = self._covariance(self.seen) + np.diag(noise * self.weights + _JITTER * variance)
        factor = cho_factor(matrix, lower=True)
        across = self._covariance(places)
        mean = across @ cho_solve(factor, self.outcomes)
        explained = solve_triangular(factor[0], across.T, lower=True)
        left = np.maximum(variance - np.sum(explained**2, axis=0), _JITTER * variance)
        return mean, np.sqrt(left)

    def _covariance(self, places: Array) -> Array:
        scaled = np.zeros((len(places), len(self.seen)))
        for axis, log, first, second in zip(self.axes, self.logs[:-2], places.T, self.seen.T, strict=True):
            scaled += distances(axis, first, second) * math.exp(-2 * log)
        return _matern(scaled, math.exp(self.logs[-2]))[0]


def _loss(logs: Array, distances: list[Array], outcomes: Array, priors: Array, noises: Array) -> tuple[float, Array]:
    """Minus the log posterior of the parameters' logarithms, without constants, and its gradient (d + 2,)."""
    variance, noise = np.exp(logs[-2:])
    scales = np.exp(-2 * logs[:-2])
    scaled = np.asarray(sum(d * scale for d, scale in zip(distances, scales, strict=True)))
    covariance, slope = _matern(scaled, variance)
    matrix = covariance + np.diag(noise * noises + _JITTER * variance)
    factor = cho_factor(matrix, lower=True)
    weights = cho_solve(factor, outcomes)
    inner = cho_solve(factor, np.eye(len(outcomes))) - np.outer(weights, weights)
    partial = [slope * d * scale for d, scale in zip(distances, scales, strict=True)]
    partial += [covariance + _JITTER * variance * np.eye(len(outcomes)), noise * np.diag(noises)]
    pull = (logs - priors[:, 0]) / priors[:, 1]
    loss = 0.5 * float(outcomes @ weights) + float(np.log(np.diag(factor[0])).sum()) + 0.5 * float(pull @ pull)
    return loss, np.array([0.5 * np.sum(inner * one) for one in partial]) + pull / priors[:, 1]


def _matern(squared: Array, variance: float) -> tuple[Array, Array]:
    """Matérn 5/2 covariance of squared scaled distances, and the factor of δ_j/ℓ_j² in its derivative by ln ℓ_j."""
    r = np.sqrt(5 * squared)
    decay = variance * np.exp(-r)
    return decay * (1 + r + r**2 / 3), decay * (1 + r) * 5 / 3


def _candidates(axes: Sequence[Axis], known: Array, pending: Array, good: Array, seed: np.random.SeedSequence) -> Array:
    """Configurations to choose from, (m, d): all but the known and pending ones, or all where nothing else is left."""
    generator = np.random.default_rng(seed)
    if any(isinstance(axis, Range) for axis in axes):
        found = _around(axes, good, generator)
    elif math.prod(lengths := [len(axis) for axis in axes if isinstance(axis, Values)]) <= MAX_CANDIDATES:
        found = np.indices(lengths).reshape(len(lengths), -1).T.astype(np.float64)
    else:
        found = generator.integers(lengths, size=(MAX_CANDIDATES, len(lengths))).astype(np.float64)
    seen = {*map(tuple, known.tolist()), *map(tuple, pending.tolist())}
    fresh = np.array([tuple(row) not in seen for row in found.tolist()])
    return found[fresh] if fresh.any() else found


def _around(axes: Sequence[Axis], good: Array, generator: np.random.Generator) -> Array:
    """Half of them anywhere, half near one of the configurations ``good`` (k, d), (m, d)."""
    half = MAX_CANDIDATES // 4  # more find nothing better
    anywhere = [axis.places(generator, half) for axis in axes]
    near = good[np.arange(half) % len(good)]
    distance = np.array(DISTANCES)[np.arange(half) // len(good) % len(DISTANCES)]
    beside = [axis.near(places, distance, generator) for axis, places in zip(axes, near.T, strict=True)]
    return np.stack([np.concatenate(pair) for pair in zip(anywhere, beside, strict=True)], axis=1)
