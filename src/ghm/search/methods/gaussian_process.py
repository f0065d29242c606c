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
k                           (n, n)  s² (1 + √5 r + 5 r²/3) exp(−√5 r), r² = Σ_j δ_j/ℓ_j²: Matérn 5/2
t       ``times``           (n,)    where y was read on the learning curve, 0 at the first rung, 1 at the end, see ``Known``
======  ==================  ======  ==================================================================================

Where outcomes are of several rungs, the covariance of two is

    k (1 + λ s) + [same configuration] (o² + q² s) + b² (1 + s),  s = min(t, t'):

from rung to rung curves move by Brownian motions of log iterations: one that depends on the settings as the start does (λ), one
of each configuration's own (q²), and one of all (b²). Curves here have plateaus, so they are not taken to fall towards an
asymptote, as in freeze-thaw optimisation (Swersky, Snoek and Adams 2014); ``benchmarks/curve_kernels.py`` compares how well
ends are foretold.
What is wanted is y at t = 1.

Parameters maximise the marginal likelihood times weak priors (Rasmussen and Williams 2006, *Gaussian Processes for Machine
Learning*, equations 2.30 and 5.9). A pending configuration is given its predicted mean as an outcome, so that nobody is sent
to the same place twice. Expected improvement is that of Jones, Schonlau and Welch 1998, *J. Global Optimization* 13, against
the least predicted mean of the known configurations, since outcomes are noisy.

Linear algebra runs on one thread: on several its rounding, and then the proposal, would depend on the machine's load.
"""

import functools
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

# The same of λ, o², q² and b².
_CURVE = ((0.0, 1.0), (math.log(0.1), 1.5), (math.log(0.3), 1.0), (math.log(0.3), 1.0))

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


def propose(
    axes: Sequence[Axis],
    known: Array,
    objective: Array,
    pending: Array,
    seed: np.random.SeedSequence,
    times: Array | None = None,
    candidates: Array | None = None,
) -> list[float]:
    """The configuration of greatest expected improvement that is neither known nor pending.

    Args:
        axes: what may be tried of the hyperparameters, d of them.
        known: places of configurations whose outcome counts, (n, d); one with several outcomes is there several times.
        objective: what they reached, to be minimised, (n,).
        pending: places of configurations without an outcome yet, (m, d).
        seed: of this one proposal; it decides among candidates only where there are too many to enumerate.

        times: where on the learning curve each was reached, (n,); None where all are at its end.
        candidates: what to choose from, (m, d); None: the whole space.

    Returns:
        A place on each axis.
    """
    with threadpool_limits(1):
        process = _fitted(tuple(axes), *(_Frozen.of(one) for one in (known, objective, times)))
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
class _Frozen:
    """An array, or none, as a key."""

    data: bytes
    shape: tuple[int, ...] | None

    @classmethod
    def of(cls, array: Array | None) -> Self:
        return cls(b"", None) if array is None else cls(np.asarray(array, dtype=np.float64).tobytes(), array.shape)

    @property
    def array(self) -> Array | None:
        return None if self.shape is None else np.frombuffer(self.data).reshape(self.shape)


@functools.lru_cache(maxsize=1)
def _fitted(axes: tuple[Axis, ...], known: _Frozen, objective: _Frozen, times: _Frozen) -> "_Process":
    """The process of these outcomes; those of a bracket are all proposed from the same."""
    places, outcomes = known.array, objective.array
    assert places is not None
    assert outcomes is not None
    return _Process.fit(axes, places, times.array, (outcomes - outcomes.mean()) / (float(outcomes.std()) or 1.0))


@dataclass(frozen=True)
class _Process:
    """A Gaussian process with its parameters and what it has seen."""

    axes: Sequence[Axis]
    logs: Array
    """Logarithms of length scales (d), variance and noise variance, and with curves of λ, o², q² and b²: (d + 2,) or (d + 6,)."""
    seen: Array
    times: Array | None
    outcomes: Array

    @classmethod
    def fit(cls, axes: Sequence[Axis], seen: Array, times: Array | None, outcomes: Array) -> Self:
        priors = np.array([*[_LENGTH] * len(axes), _VARIANCE, _NOISE, *(_CURVE if times is not None else ())])
        pairs = _Pairs.of(axes, seen, seen, times, times)
        bounds = [(mean - 4 * deviation, mean + 4 * deviation) for mean, deviation in priors]
        found = minimize(_loss, priors[:, 0].copy(), (pairs, outcomes, priors), "L-BFGS-B", jac=True, bounds=bounds)
        return cls(axes, found.x, seen, times, outcomes)

    def believing(self, pending: Array) -> Self:
        """This process once ``pending`` had come out as predicted."""
        outcomes = np.concatenate([self.outcomes, self.predict(pending)[0]])
        times = None if self.times is None else np.concatenate([self.times, np.ones(len(pending))])
        return type(self)(self.axes, self.logs, np.concatenate([self.seen, pending]), times, outcomes)

    def predict(self, places: Array) -> tuple[Array, Array]:
        """Mean and standard deviation at ``places`` (m, d), at the curve's end, (m,) each."""
        noise = math.exp(self.logs[len(self.axes) + 1])
        matrix = self._covariance(self.seen, self.times) + (noise + self._jitter) * np.eye(len(self.seen))
        factor = cho_factor(matrix, lower=True)
        across = self._covariance(places, None if self.times is None else np.ones(len(places)))
        mean = across @ cho_solve(factor, self.outcomes)
        explained = solve_triangular(factor[0], across.T, lower=True)
        left = np.maximum(self._variance - np.sum(explained**2, axis=0), self._jitter)
        return mean, np.sqrt(left)

    @property
    def _variance(self) -> float:
        """Variance of an outcome at the curve's end before anything is seen."""
        variance = math.exp(self.logs[len(self.axes)])
        if self.times is None:
            return variance
        later, own, itself, common = np.exp(self.logs[len(self.axes) + 2 :])
        return float(variance * (1 + later) + own + itself + 2 * common)

    @property
    def _jitter(self) -> float:
        return _JITTER * math.exp(self.logs[len(self.axes)])

    def _covariance(self, places: Array, times: Array | None) -> Array:
        return _covariance(self.logs, _Pairs.of(self.axes, places, self.seen, times, self.times))[0]


@dataclass(frozen=True)
class _Pairs:
    """What the covariances of n places with m places are made of."""

    squares: list[Array]
    """δ_j, d times (n, m)."""
    shared: Array | None
    """s = min(t, t'), (n, m); None without curves."""

    @classmethod
    def of(
        cls, axes: Sequence[Axis], first: Array, second: Array, times: Array | None, others: Array | None
    ) -> "_Pairs":
        squares = [distances(axis, *columns) for axis, *columns in zip(axes, first.T, second.T, strict=True)]
        return cls(squares, None if times is None or others is None else np.minimum.outer(times, others))


def _covariance(logs: Array, pairs: _Pairs) -> tuple[Array, list[Array]]:
    """Covariances (n, m) without noise, and their derivatives by the logarithms of all parameters but the noise."""
    d = len(pairs.squares)
    scales = np.exp(-2 * logs[:d])
    scaled = np.asarray(sum(one * scale for one, scale in zip(pairs.squares, scales, strict=True)))
    settings, slope = _matern(scaled, math.exp(logs[d]))
    shared = pairs.shared
    growth = np.asarray(1.0) if shared is None else 1 + math.exp(logs[d + 2]) * shared
    partial = [slope * growth * one * scale for one, scale in zip(pairs.squares, scales, strict=True)]
    covariance = settings * growth
    if shared is None:
        return covariance, [*partial, covariance]
    later, own, itself, common = np.exp(logs[d + 2 :])
    same = scaled == 0
    of_curves = [settings * later * shared, own * same, itself * same * shared, common * (1 + shared)]
    return covariance + sum(of_curves[1:]), [*partial, covariance, *of_curves]


def _loss(logs: Array, pairs: _Pairs, outcomes: Array, priors: Array) -> tuple[float, Array]:
    """Minus the log posterior of the parameters' logarithms, without constants, and its gradient (p,)."""
    d = len(pairs.squares)
    variance, noise = np.exp(logs[d : d + 2])
    covariance, partial = _covariance(logs, pairs)
    diagonal = np.eye(len(outcomes))
    factor = cho_factor(covariance + (noise + _JITTER * variance) * diagonal, lower=True)
    weights = cho_solve(factor, outcomes)
    inner = cho_solve(factor, diagonal) - np.outer(weights, weights)
    partial[d] = partial[d] + _JITTER * variance * diagonal
    partial.insert(d + 1, noise * diagonal)
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
