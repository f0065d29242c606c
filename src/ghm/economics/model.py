"""The GHM equity management model: a firm that holds cash, pays dividends, issues equity, may be liquidated.

Cash over productivity, c = C/A, after Décamps, Gryglewicz, Morellec and Villeneuve (2017), "Corporate Policies
with Permanent and Transitory Shocks", *Review of Financial Studies* 30(1). Per unit of productivity:

======  =====================  ====================================================  ============
symbol  name                   meaning                                               unit
======  =====================  ====================================================  ============
m(c)    ``drift``              α + c (r − λ − μ), in values                          per year
m̃(c)    ``firm_drift``         m(c) − ρ σ_A σ_X + σ_A² c, in statements about firms  per year
s²(c)   ``variance``           σ_X² (1 − ρ²) + (ρ σ_X − c σ_A)²                      per year
k       ``discount_rate``      r − μ                                                 per year
ℓ       ``liquidation_value``  ω α / k, what shareholders get when the firm closes   cash
======  =====================  ====================================================  ============

Cash has two laws, with the same variance. The *pricing* law weights each path by A_t e^{−μt}/A_0, since productivity is the unit
of account; values are expectations under it. The *firm* law weights all firms alike; how often they issue equity or are
liquidated, and how much cash they hold, are statements about it. docs/design/model.md derives both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ghm.errors import UserError
from ghm.io.values import is_number, make_plain

Array = NDArray[np.float64]

Terminal = Literal["liquidation", "zero", "going_concern"]
"""What shareholders get at the horizon: c + ℓ; nothing; or F(c) of the infinite-horizon problem."""

Law = Literal["pricing", "firm"]
"""How paths are weighted: by the firm's productivity, as values are; or every firm alike, as counts of firms are."""

MAX_RATE = 1e4
"""Largest size of what is per year or per square root of a year and of no unit of cash: more is a typing error, overflows when it
is squared, and leads all of a firm's cash through one step."""

MAX_SIZE = 1e12
"""Largest size of any parameter, in whatever unit cash is."""

MIN_DISCOUNT_RATE = 1e-9
"""Least discount rate (per year): values are inversely proportional to it."""

_RATES = ("mu", "r", "carry_cost", "sigma_a")


@dataclass(frozen=True)
class GHMModel:
    """Parameters of the model; the one source of drift, variance, discount rate and liquidation value.

    Raises:
        UserError: when a parameter is outside its range; the message names it, its value and the bound.
    """

    alpha: float = 0.18
    """Mean cash flow α (per year)."""
    mu: float = 0.01
    """Growth of productivity μ (per year)."""
    r: float = 0.03
    """Interest rate r (per year), above mu."""
    carry_cost: float = 0.02
    """Cost of holding cash λ (per year)."""
    sigma_a: float = 0.25
    """Volatility of the permanent shock σ_A (per √year)."""
    sigma_x: float = 0.12
    """Volatility of the transitory shock σ_X (per √year)."""
    rho: float = -0.2
    """Correlation ρ of the two shocks, from -1 to 1."""
    proportional_cost: float = 1.06
    """Equity p paid in per unit of cash raised, at least 1."""
    fixed_cost: float = 0.002
    """Fixed cost of an equity issue φ (cash), at least 0."""
    recovery: float = 0.55
    """Share ω of α/(r − μ) recovered in liquidation, at least 0."""
    c_max: float = 2.0
    """Upper end of the range of cash c̄; what is above is paid out."""

    def __post_init__(self) -> None:
        make_plain(self)
        for field in fields(self):
            value = getattr(self, field.name)
            if not is_number(value):
                raise UserError(f"{field.name} must be a finite number; received {value!r}")
            object.__setattr__(self, field.name, float(value))  # 2 and 2.0 are one model, in records too
            most = MAX_RATE if field.name in _RATES else MAX_SIZE
            _require(abs(value) <= most, field.name, value, f"between {-most:g} and {most:g}")
        k, bound = self.r - self.mu, f">= {MIN_DISCOUNT_RATE:g}"
        _require(k >= MIN_DISCOUNT_RATE, "r - mu (the discount rate k)", k, bound, "raise r or lower mu")
        for name in ("sigma_a", "sigma_x", "fixed_cost", "recovery"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), ">= 0")
        _require(
            self.sigma_a > 0 or self.sigma_x > 0,
            "sigma_a and sigma_x",
            0.0,
            "not both 0",
            "give one a positive value",
        )
        _require(abs(self.rho) <= 1, "rho", self.rho, "between -1 and 1")
        _require(self.proportional_cost >= 1, "proportional_cost", self.proportional_cost, ">= 1")
        _require(self.c_max > 0, "c_max", self.c_max, "> 0")

    @property
    def discount_rate(self) -> float:
        """k = r − μ (per year)."""
        return self.r - self.mu

    @property
    def liquidation_value(self) -> float:
        """ℓ = ω α / k (cash)."""
        return self.recovery * self.alpha / self.discount_rate

    @property
    def drift_slope(self) -> float:
        """dm/dc = r − λ − μ (per year)."""
        return self.r - self.carry_cost - self.mu

    def drift(self, cash: Array) -> Array:
        """m(c) of ``cash`` (any shape), in cash per year: the drift under the pricing law, which values are computed with."""
        return self.alpha + self.drift_slope * cash

    def firm_drift(self, cash: Array) -> Array:
        """m̃(c) of ``cash`` (any shape), in cash per year: the drift under the firm's own law, which firms are counted with.

        The drift of C/A when dA = μ A dt + σ_A A dZ_A and dC = (α A + (r − λ) C) dt + σ_X A dZ_X (Itô's formula).
        """
        return self.drift(cash) - self.rho * self.sigma_a * self.sigma_x + self.sigma_a**2 * cash

    def drift_under(self, law: Law, cash: Array) -> Array:
        """The drift of ``cash`` (any shape) under one of the two laws, in cash per year."""
        return self.drift(cash) if law == "pricing" else self.firm_drift(cash)

    def variance(self, cash: Array) -> Array:
        """s²(c) of ``cash`` (any shape), in cash squared per year."""
        idiosyncratic = self.sigma_x**2 * (1 - self.rho**2)
        return idiosyncratic + (self.rho * self.sigma_x - self.sigma_a * cash) ** 2

    def volatility(self, cash: Array) -> Array:
        """s(c) of ``cash`` (any shape), in cash per square root of a year."""
        return np.sqrt(self.variance(cash))

    def step_length(self, cash: Array, dt: float) -> Array:
        """√(s² dt + m² dt²) at ``cash`` (any shape), in cash: root mean square of how far a step leads."""
        length: Array = np.hypot(self.volatility(cash) * np.sqrt(dt), self.drift(cash) * dt)
        return length

    def step_from_zero(self, dt: float) -> float:
        """Length of a step of ``dt`` years from zero cash, in cash; where nothing moves there, a thousandth of that at c̄.

        The scale of a firm's cash buffer, whatever the unit of cash.
        """
        at_zero, at_top = self.step_length(np.array([0.0, self.c_max]), dt)
        return float(at_zero if at_zero > 0 else 1e-3 * at_top)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The parameters' names, in order."""
        return tuple(field.name for field in fields(cls))

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """The model with these parameters, all named.

        Raises:
            UserError: when ``values`` is no mapping, a name is unknown or missing, or a value out of range.
        """
        if not isinstance(values, Mapping):
            raise UserError(f"model must be a mapping of parameters; received {type(values).__name__}")
        if set(values) != set(cls.names()):
            odd = sorted(set(values) ^ set(cls.names()))
            raise UserError(f"model parameters must be exactly {', '.join(cls.names())}; unknown or missing: {odd}")
        return cls(**values)


SYMBOLS: Mapping[str, tuple[str, str]] = {
    "alpha": ("α", "mean cash flow per year"),
    "mu": ("μ", "growth rate of productivity per year"),
    "r": ("r", "interest rate per year"),
    "carry_cost": ("λ", "cost of holding cash per year"),
    "sigma_a": ("σ_A", "volatility of the permanent shock"),
    "sigma_x": ("σ_X", "volatility of the transitory shock"),
    "rho": ("ρ", "correlation of the two shocks"),
    "proportional_cost": ("p", "equity paid in per unit of cash raised"),
    "fixed_cost": ("φ", "fixed cost of an equity issue"),
    "recovery": ("ω", "share of α/(r − μ) that liquidation recovers"),
    "c_max": ("c̄", "upper end of the cash range"),
}
"""Symbol and meaning of each parameter: of tables, and of axes along which one is varied."""


def _require(condition: bool, name: str, value: float, bound: str, remedy: str = "") -> None:
    if not condition:
        raise UserError(f"{name} must be {bound}; received {value:g}" + (f"; {remedy}" if remedy else ""))
