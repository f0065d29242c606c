"""Draws by counter: the generator's published answers, exact quantiles, and no state anywhere.

Statistical tests have a fixed seed; α is that of the whole file, `ALPHA`, shared out among its comparisons.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import draws
from numba import njit
from scipy import stats

from ghm.simulation import draws as random
from ghm.simulation.draws import fast_exp, key_words, philox, sine_and_cosine, starting_cash, uniform_from_bits

ALPHA = 1e-3

ONES = 0xFFFFFFFF
KNOWN_ANSWERS = [  # Random123, file kat_vectors: counter, key, answer of philox4x32-10
    ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([ONES] * 4, [ONES] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@njit
def _exponentials(x, out):
    for i in range(x.size):
        out[i] = fast_exp(x[i])


@njit
def _logarithms(x, out):
    for i in range(x.size):
        out[i] = random._log(x[i])


@njit
def _circle(words, sines, cosines):
    for i in range(words.size):
        sines[i], cosines[i] = sine_and_cosine(words[i])


@njit
def _uniforms(words, out):
    for i in range(words.size):
        out[i] = uniform_from_bits(words[i])


def _apply(function, x: np.ndarray) -> np.ndarray:
    out = np.empty(x.size, np.float32)
    function(x, out)
    return out.astype(np.float64)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_known_answers(counter: list[int], key: list[int], answer: str) -> None:
    words = philox(*(np.uint32(word) for word in counter + key))
    assert " ".join(f"{int(word):08x}" for word in words) == answer


def test_draws_are_philox_of_path_step_iteration_and_stream() -> None:
    seed, iteration, stream, first_path = (7 << 32) + 11, 5, 2, 40
    found = draws(seed, iteration, 3, 5, stream, first_path)
    for step in range(5):  # a block of the generator, four words, serves a pair of steps; the last pair is cut
        words = philox(*(np.uint32(word) for word in (first_path + 2, step // 2, iteration, stream, 11, 7)))
        expected = by_hand(*(int(word) for word in (words[:2] if step % 2 == 0 else words[2:])))
        # Compiled elsewhere, the same formula may be rounded differently in its last place; near 0 that is 1e-7 itself.
        assert [array[step, 2] for array in found] == pytest.approx(expected, rel=2e-6, abs=2e-7)
        assert [array[step, 1] for array in found] != pytest.approx(expected, rel=1e-3), "another path, other draws"


def by_hand(first: int, second: int) -> tuple[float, float, float]:
    """Uniform, shock and noise of a step from its 64 bits: 20 for the first; 24 and 20 for the normals' radius and angle."""
    uniform = ((second >> 12) + 0.5) / 2**20
    share, turns = ((first >> 8) + 0.5) / 2**24, ((((second & 0xFFF) << 8) | (first & 0xFF)) + 0.5) / 2**20
    radius = np.sqrt(-2 * np.log(share))
    return uniform, float(radius * np.cos(2 * np.pi * turns)), float(radius * np.sin(2 * np.pi * turns))


def test_exponential_is_accurate_to_two_units_in_the_last_place() -> None:
    x = np.linspace(-80, 80, 400_001).astype(np.float32)
    error = np.abs(_apply(_exponentials, x) / np.exp(x.astype(np.float64)) - 1)
    assert error.max() < 2 * np.finfo(np.float32).eps


def test_logarithm_is_accurate_to_two_units_in_the_last_place() -> None:
    x = np.exp(np.linspace(-69, 69, 400_001)).astype(np.float32)
    exact = np.log(x.astype(np.float64))
    assert np.all(np.abs(_apply(_logarithms, x) - exact) <= 2 * np.spacing(np.abs(exact).astype(np.float32)))


def test_sines_and_cosines_all_round_the_circle() -> None:
    words = np.concatenate([np.arange(0, 2**32, 9973), np.arange(7) * 2**29, np.arange(1, 8) * 2**29 - 1])
    words = words.astype(np.uint32)
    sines, cosines = np.empty(words.size, np.float32), np.empty(words.size, np.float32)
    _circle(words, sines, cosines)
    angle = words.astype(np.float64) * (2 * np.pi / 2**32)
    assert np.abs(sines - np.sin(angle)).max() < 1.5 * np.finfo(np.float32).eps
    assert np.abs(cosines - np.cos(angle)).max() < 1.5 * np.finfo(np.float32).eps


def test_uniforms_lie_in_0_to_1_and_below_1() -> None:
    assert _apply(_uniforms, np.array([0, 1 << 31, ONES], np.uint32)).tolist() == [0.0, 0.5, 1 - 2.0**-24]


def _kolmogorov_smirnov(sample: np.ndarray, distribution: str) -> float:
    return float(stats.kstest(sample.astype(np.float64).ravel(), distribution).pvalue)


def test_distributions_of_draws() -> None:
    uniform, shock, level = draws(seed=1, iteration=1, n_paths=1000, n_steps=400)
    alpha = ALPHA / 6
    assert _kolmogorov_smirnov(uniform, "uniform") > alpha
    for normal in (shock, level):
        assert _kolmogorov_smirnov(normal, "norm") > alpha
        beyond = int((np.abs(normal) > 3.5).sum())
        assert stats.binomtest(beyond, normal.size, 2 * stats.norm.sf(3.5)).pvalue > alpha
    # Two normals of one point: neither their sizes nor their signs may know of each other.
    for x, y in ((shock**2, level**2), (np.abs(shock), level), (shock, np.abs(level))):
        assert stats.pearsonr(x.ravel(), y.ravel()).pvalue > alpha / 3
    # Wrong variants that the same tests must tell apart: a spread 2% too wide, and tails cut at 3.5.
    assert _kolmogorov_smirnov(1.02 * shock, "norm") < alpha
    assert stats.binomtest(0, shock.size, 2 * stats.norm.sf(3.5)).pvalue < alpha


def _neighbours() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pairs of draws that a faulty counter or key would make alike."""
    uniform, shock, level = draws(seed=1, iteration=1, n_paths=500, n_steps=200)
    others = {
        "iteration": draws(1, 2, 500, 200)[1],
        "seed": draws(2, 1, 500, 200)[1],
        "seed's high word": draws(1 + (1 << 32), 1, 500, 200)[1],
        "stream": draws(1, 1, 500, 200, stream=random.STARTS)[1],
    }
    pairs = {name: (shock, other) for name, other in others.items()}
    return pairs | {
        "uniform and shock": (uniform, shock),
        "shock and level": (shock, level),
        "uniform and level": (uniform, level),
        "level of the next step": (level[:-1], level[1:]),
        "shock and level of the next step": (shock[:-1], level[1:]),
        "next path": (shock[:, :-1], shock[:, 1:]),
        "next step": (shock[:-1], shock[1:]),
        "path and step swapped": (shock[:200, :200], shock[:200, :200].T),
    }


def test_draws_of_neighbouring_counters_are_uncorrelated() -> None:
    pairs = _neighbours()
    for name, (x, y) in pairs.items():
        if name == "path and step swapped":  # its diagonal is one draw with itself
            x, y = (z[np.triu_indices(200, 1)] for z in (x, y))
        assert stats.pearsonr(x.ravel(), y.ravel()).pvalue > ALPHA / len(pairs), name


def test_draws_do_not_depend_on_how_paths_are_batched() -> None:
    # Sizes that are no multiple of the processor's vectors: what is left over is computed one path at a time.
    whole = draws(seed=3, iteration=9, n_paths=1000, n_steps=7)
    pieces = [draws(3, 9, size, 7, first_path=first) for first, size in ((0, 33), (33, 1), (34, 966))]
    for part, array in enumerate(whole):
        assert np.array_equal(array, np.concatenate([piece[part] for piece in pieces], axis=1))
    starts = starting_cash(3, 9, 100, 2.0)
    assert np.array_equal(starts[40:], starting_cash(3, 9, 60, 2.0, first_path=40))


def test_starts_are_uniform_and_independent_of_the_steps() -> None:
    starts = starting_cash(seed=1, iteration=4, n_paths=100_000, c_max=2.0)
    assert _kolmogorov_smirnov(starts / 2.0, "uniform") > ALPHA
    assert starts.min() >= 0
    assert starts.max() <= 2.0
    assert stats.pearsonr(starts, draws(1, 4, 100_000, 1)[0][0]).pvalue > ALPHA


def test_seed_is_split_into_two_words() -> None:
    assert key_words((5 << 32) + 6) == (6, 5)
    assert key_words(2**63 - 1) == (ONES, ONES >> 1)


def test_no_global_state_is_used_or_changed() -> None:
    np.random.seed(0)  # noqa: NPY002
    before = draws(5, 6, 4, 3)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before, draws(5, 6, 4, 3), strict=True))
    np.random.seed(0)  # noqa: NPY002
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_another_process_draws_the_same_bits() -> None:
    script = "from drawn import draws; print(*(array.tobytes().hex() for array in draws(8, 2, 5, 3)))"
    here = Path(__file__).parent
    printed = subprocess.run(
        [sys.executable, "-c", script], cwd=here, capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == [array.tobytes().hex() for array in draws(8, 2, 5, 3)]
