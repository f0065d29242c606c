"""Random draws by counter: every draw is a pure function of (seed, iteration, path, step), with no state to carry.

Generator: Philox 4x32 with 10 rounds (Salmon, Moraes, Dror and Shaw 2011, "Parallel Random Numbers: As Easy as
1, 2, 3"). The key is the seed, the counter is (path, pair of steps, iteration, stream), so paths can be drawn in any order,
in any number of pieces, by any number of workers, and come out the same.

A cash shock and the noise of a level are the two normals of one point drawn in the plane (Box and Muller 1958, "A Note on
the Generation of Random Normal Deviates"), its radius from 24 random bits, its angle from 20: one logarithm and no branches
but selects, so that the compiler draws many paths at a time. Neither is ever beyond ±5.9 standard deviations.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghm.io.compiled import compiled, inlined

Floats = NDArray[np.float32]
Words = NDArray[np.uint32]

TRAINING, STARTS = range(2)
"""Streams: the counter's fourth word keeps draws for different purposes apart."""

_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_HALF_WORD = np.uint64(32)
_f32, _i32, _u32, _u64 = np.float32, np.int32, np.uint32, np.uint64

# Bit patterns of float32: mantissa width, exponent bias, and the bits of sqrt(1/2), where the logarithm's range is cut.
_MANTISSA = np.int32(23)
_BIAS = np.int32(127)
_SQRT_HALF_BITS = np.int32(0x3F3504F3)

_LOG: tuple[float, ...] = (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1)
_LOG += (-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)  # Cephes' logf
_EXP: tuple[float, ...] = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)  # expf
_SIN: tuple[float, ...] = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)  # sinf on ±π/4
_COS: tuple[float, ...] = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)  # cosf on ±π/4


@inlined()
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Four random 32-bit words from a counter of four words and a key of two (Philox 4x32-10)."""
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * _u64(c0)
        product_1 = _MULTIPLIER_1 * _u64(c2)
        c0 = _u32(product_1 >> _HALF_WORD) ^ c1 ^ k0
        c1 = _u32(product_1)
        c2 = _u32(product_0 >> _HALF_WORD) ^ c3 ^ k1
        c3 = _u32(product_0)
        k0 = _u32(k0 + _WEYL_0)
        k1 = _u32(k1 + _WEYL_1)
    return c0, c1, c2, c3


@inlined(fast=True)
def _log(x: Any) -> Any:
    """Natural logarithm of a positive float32, to about one unit in the last place."""
    bits = _f32(x).view(_i32)
    exponent = (bits - _SQRT_HALF_BITS) >> _MANTISSA
    m = _i32(bits - (exponent << _MANTISSA)).view(_f32) - _f32(1)
    p = _f32(0)
    for coefficient in _LOG:
        p = p * m + _f32(coefficient)
    return m + m * m * (p * m - _f32(0.5)) + _f32(exponent) * _f32(0.6931471805599453)


@inlined(fast=True)
def fast_exp(x: Any) -> Any:
    """Exponential of a float32 within ±80, to about one unit in the last place."""
    n = np.floor(x * _f32(1.4426950408889634) + _f32(0.5))
    r = x - n * _f32(0.693359375) + n * _f32(2.12194440e-4)  # ln 2 in two parts, so that the remainder is exact
    p = _f32(0)
    for coefficient in _EXP:
        p = p * r + _f32(coefficient)
    return (p * r * r + r + _f32(1)) * _i32((_i32(n) + _BIAS) << _MANTISSA).view(_f32)


@inlined(fast=True)
def uniform_from_bits(bits: Any) -> Any:
    """A float32 uniform on [0, 1) from a random 32-bit word."""
    return _f32(bits >> _u32(8)) * _f32(2.0**-24)


@inlined(fast=True)
def sine_and_cosine(turns: Any) -> Any:
    """Sine and cosine, float32, of an angle in 2⁻³² turns, a 32-bit word."""
    quarter = _u32(turns + _u32(1 << 29)) >> _u32(30)
    x = _f32(_i32(_u32(turns - (quarter << _u32(30))))) * _f32(2 * np.pi * 2.0**-32)
    z = x * x
    p, q = _f32(0), _f32(0)
    for coefficient in _SIN:
        p = p * z + _f32(coefficient)
    for coefficient in _COS:
        q = q * z + _f32(coefficient)
    near, far = x + x * z * p, _f32(1) - _f32(0.5) * z + z * z * q
    odd = (quarter & _u32(1)) == _u32(1)
    sine, cosine = (far, near) if odd else (near, far)
    sine = -sine if quarter >= _u32(2) else sine
    cosine = -cosine if (quarter == _u32(1)) | (quarter == _u32(2)) else cosine
    return sine, cosine


@inlined(fast=True)
def _of_step(first: Any, second: Any) -> Any:
    """Mode uniform, cash shock and level noise from the 64 random bits of a step: 20 for the first, 24 and 20 for a point."""
    # Half a unit centres each on what its bits stand for; at the upper end it is rounded to 1, whose logarithm is 0.
    uniform = (_f32(second >> _u32(12)) + _f32(0.5)) * _f32(2.0**-20)
    share = (_f32(first >> _u32(8)) + _f32(0.5)) * _f32(2.0**-24)
    sine, cosine = sine_and_cosine((second << _u32(20)) | ((first & _u32(0xFF)) << _u32(12)) | _u32(0x800))
    radius = _f32(np.sqrt(_f32(-2) * _log(share)))
    return uniform, radius * cosine, radius * sine


@inlined(fast=True)
def draw_pair(
    key_0, key_1, stream, iteration, pair, first_path, words: Words, uniform: Floats, shock: Floats, noise: Floats
) -> None:
    """Draws of steps 2 · ``pair`` and the next, for paths ``first_path`` onwards: one block of the generator serves both.

    Fills mode uniforms, cash shocks and level noise, (2, N) each; ``words`` (4, N) is room to work in. Two loops take three
    quarters of the time of one: the generator's rounds wait for each other, and more paths are under way in a shorter loop.
    """
    for i in range(noise.shape[1]):
        words[0, i], words[1, i], words[2, i], words[3, i] = philox(
            _u32(first_path + i), _u32(pair), _u32(iteration), _u32(stream), key_0, key_1
        )
    for step in range(2):
        for i in range(noise.shape[1]):
            uniform[step, i], shock[step, i], noise[step, i] = _of_step(words[2 * step, i], words[2 * step + 1, i])


@compiled(fast=True)
def _draw_starts(key_0, key_1, stream, iteration, first_path, c_max, cash: Floats) -> None:
    for i in range(cash.size):
        bits, _, _, _ = philox(_u32(first_path + i), _u32(0), _u32(iteration), _u32(stream), key_0, key_1)
        cash[i] = uniform_from_bits(bits) * c_max


def key_words(seed: int) -> tuple[np.uint32, np.uint32]:
    """The generator's key: the seed's low and high 32 bits."""
    return np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)


def starting_cash(seed: int, iteration: int, n_paths: int, c_max: float, first_path: int = 0) -> Floats:
    """Cash at the start of each path, uniform on [0, c_max], (n_paths,)."""
    cash = np.empty(n_paths, np.float32)
    _draw_starts(*key_words(seed), STARTS, iteration, first_path, np.float32(c_max), cash)
    return cash
