"""The infinite-horizon problem in closed form, to 30 digits: hypergeometric functions by mpmath. Shares nothing with the package.

½ s² F'' + m F' − k F = 0 has a variance s² = σ_A² (c − c₁)(c − c₂), c₁,₂ = (σ_X/σ_A)(ρ ± i √(1 − ρ²)), and a drift m = α + β c.
Two independent solutions:

- |ρ| < 1: with z = (c − c₁)/(c₂ − c₁), on the line with real part ½, real and imaginary part of ₂F₁(a, b; d; z), where
  a + b + 1 = 2β/σ_A², a b = −2k/σ_A², d = −2 (α + β c₁)/(σ_A² (c₂ − c₁)).
- |ρ| = 1: with x = c − c₁ and q the roots of ½ σ_A² q (q − 1) + (σ_A² − β) q = k,
  |x|^{−q} ₁F₁(q; 2q + 2 − 2β/σ_A²; 2 (α + β c₁)/(σ_A² x)).
- σ_A = 0, β ≠ 0: with u = α + β c and y = −u²/(β σ_X²), ₁F₁(−k/2β; ½; y) and u ₁F₁(½ − k/2β; 3/2; y) (Kummer's function).
- σ_A = 0, β = 0: exponentials.
"""

from dataclasses import dataclass

import mpmath as mp

DIGITS = 30


def precision(model):
    """Decimal digits to carry: where earnings dwarf shocks the two solutions of a pair are nearly in proportion."""
    slope = model.r - model.carry_cost - model.mu
    if model.sigma_a > 0:
        size = abs(model.alpha) / max(model.sigma_a * model.sigma_x * max((1 - model.rho**2) ** 0.5, 0.1), 1e-9)
    else:
        size = model.alpha**2 / max(abs(slope), 1e-3) / model.sigma_x**2
    return 60 + min(round(1.5 * size), 1200)


@dataclass(frozen=True)
class Exact:
    target_cash: mp.mpf
    value_at_zero: mp.mpf
    slope_at_zero: mp.mpf
    issue_target: mp.mpf | None


def solve(model, near):
    """The solution next to ``near``, a :class:`ghm.solvers.free_boundary.FreeBoundary`; refused if the firm does worse at zero.

    Which of liquidation and issuance is chosen at zero cash is taken from ``near``; that the other is no better is checked.
    """
    with mp.workdps(precision(model)):
        names = ("alpha", "r", "mu", "recovery", "proportional_cost", "fixed_cost")
        alpha, r, mu, recovery, cost, fixed = (mp.mpf(getattr(model, name)) for name in names)
        liquidation, pair, hint = recovery * alpha / (r - mu), solutions(model), near.issue_target

        def issue(slope, level):
            """Where F' = p, by secants from where it is said to be."""
            return level if cost == 1 else _root(lambda c: slope(c) - cost, mp.mpf(hint))

        def excess(level):
            """F(0) less what the boundary condition says, if c* is ``level``."""
            value, slope = through(model, pair, level)
            if not near.refinances:
                return value(0) - liquidation
            if fixed == 0:
                return cost - slope(0)
            target = issue(slope, level)
            return value(0) - (value(target) - cost * (target + fixed))

        level = _root(excess, mp.mpf(near.payout_level))
        value, slope = through(model, pair, level)
        instead = max(value(level * i / 50) - cost * (level * i / 50 + fixed) for i in range(1, 51))
        assert value(0) > max(liquidation, instead) - mp.mpf(10) ** -15
        target = (issue(slope, level) if fixed else mp.mpf(0)) if near.refinances else None
        return Exact(level, value(0), slope(0), target)


def _root(function, near):
    """The root next to ``near``, by secants that start a millionth apart, to `DIGITS` digits."""
    last, at = near * (1 - mp.mpf(10) ** -6), near * (1 + mp.mpf(10) ** -6)
    before, value = function(last), function(at)
    for _ in range(12):
        if value == before:  # as near as the digits carried can tell
            return at
        last, at, before = at, at - value * (at - last) / (value - before), value
        if abs(at - last) < near * mp.mpf(10) ** -DIGITS:
            return at
        value = function(at)
    raise AssertionError(f"no root next to {mp.nstr(near, 10)}")


def through(model, pair, level):
    """F and F' with F(c*) = m(c*)/k and F'(c*) = 1 at ``level``."""
    alpha, r, mu, carry = (mp.mpf(getattr(model, name)) for name in ("alpha", "r", "mu", "carry_cost"))
    (first, first_slope), (second, second_slope) = pair
    top = (alpha + (r - carry - mu) * level) / (r - mu)
    a, b, c, d = first(level), second(level), first_slope(level), second_slope(level)
    determinant = a * d - b * c
    x, y = (top * d - b) / determinant, (a - top * c) / determinant
    return lambda at: x * first(at) + y * second(at), lambda at: x * first_slope(at) + y * second_slope(at)


def solutions(model):
    """Two independent real solutions, each with its slope, functions of cash."""
    names = ("alpha", "r", "mu", "carry_cost", "sigma_a", "sigma_x", "rho")
    alpha, r, mu, carry, sigma_a, sigma_x, rho = (mp.mpf(getattr(model, name)) for name in names)
    k, beta = r - mu, r - carry - mu
    if sigma_a == 0:
        # Decimals such as 0.03 − 0.02 − 0.01 are not exactly nothing.
        return _exponentials(alpha, k, sigma_x) if abs(beta) < 1e-15 else _kummer_pair(alpha, beta, k, sigma_x)
    if abs(rho) == 1:
        return _confluent_pair(alpha, beta, k, sigma_a, rho * sigma_x / sigma_a)
    return _gauss_pair(alpha, beta, k, sigma_a, sigma_x / sigma_a * mp.mpc(rho, mp.sqrt(1 - rho**2)))


def _gauss_pair(alpha, beta, k, sigma_a, pole):
    width = -2j * pole.imag
    total, product = 2 * beta / sigma_a**2 - 1, -2 * k / sigma_a**2
    root = mp.sqrt(total**2 - 4 * product)
    a, b, d = (total + root) / 2, (total - root) / 2, -2 * (alpha + beta * pole) / (sigma_a**2 * width)

    @mp.memoize
    def value(c):
        return mp.hyp2f1(a, b, d, (c - pole) / width)

    @mp.memoize
    def slope(c):
        return a * b / d / width * mp.hyp2f1(a + 1, b + 1, d + 1, (c - pole) / width)

    return (lambda c: value(c).real, lambda c: slope(c).real), (lambda c: value(c).imag, lambda c: slope(c).imag)


def _confluent_pair(alpha, beta, k, sigma_a, pole):
    middle = mp.mpf(1) / 2 - beta / sigma_a**2
    root = mp.sqrt(middle**2 + 2 * k / sigma_a**2)
    scale = 2 * (alpha + beta * pole) / sigma_a**2

    def pair(q):
        b = 2 * q + 2 - 2 * beta / sigma_a**2

        def value(c):
            x = c - pole
            return abs(x) ** -q * mp.hyp1f1(q, b, scale / x)

        def slope(c):
            x = c - pole
            inner = q / b * mp.hyp1f1(q + 1, b + 1, scale / x) * -scale / x**2
            return abs(x) ** -q * inner - q / x * value(c)

        return value, slope

    return pair(-middle + root), pair(-middle - root)


def _kummer_pair(alpha, beta, k, sigma_x):
    half, a = mp.mpf(1) / 2, -k / (2 * beta)

    def even(c, shift):
        return mp.hyp1f1(a + shift, half + shift, -((alpha + beta * c) ** 2) / (beta * sigma_x**2))

    def odd(c, shift):
        return mp.hyp1f1(a + half + shift, 3 * half + shift, -((alpha + beta * c) ** 2) / (beta * sigma_x**2))

    def inner(c):
        return -2 * (alpha + beta * c) / sigma_x**2

    def odd_slope(c):
        u = alpha + beta * c
        return beta * odd(c, 0) + u * (a + half) / (3 * half) * odd(c, 1) * inner(c)

    first = (lambda c: even(c, 0), lambda c: a / half * even(c, 1) * inner(c))
    return first, (lambda c: (alpha + beta * c) * odd(c, 0), odd_slope)


def _exponentials(alpha, k, sigma_x):
    root = mp.sqrt(alpha**2 + 2 * k * sigma_x**2)

    def pair(rate):
        return lambda c: mp.exp(rate * c), lambda c: rate * mp.exp(rate * c)

    return pair((-alpha + root) / sigma_x**2), pair((-alpha - root) / sigma_x**2)
