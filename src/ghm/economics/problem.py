"""The discrete-time, finite-horizon problem: a model, the length of a step, a horizon, and what shareholders get there."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, get_args

import numpy as np

from ghm.economics.model import GHMModel, Terminal
from ghm.errors import UserError
from ghm.io.values import is_number, make_plain

MAX_STEPS = 1_000_000
"""Most time steps to a horizon: more is a typing error. A step of a backward induction takes some 50 µs, so that a million take
minutes, and a training keeps the values of every step, which would then be gigabytes."""

COARSE_STEP = 0.3
"""σ_A √dt from which the time step is coarse: productivity then moves cash by a third in a step. With 0.47 the optimum no longer
pays out, though every solution of the problem as it stands agrees with every other."""


@dataclass(frozen=True)
class Problem:
    """What is solved, trained on and judged by; NumPy's numbers become Python's.

    Raises:
        UserError: when it is no problem; the message names the condition, the value received and a remedy.
    """

    model: GHMModel = field(default_factory=GHMModel)
    """Parameters of the model."""
    dt: float = 0.01
    """Length of a step (years)."""
    T: float = 10.0
    """Horizon (years), a whole multiple of ``dt``."""
    terminal: Terminal = "liquidation"
    """What shareholders get at the horizon."""

    def __post_init__(self) -> None:
        make_plain(self)
        if not isinstance(self.model, GHMModel):
            raise UserError(
                f"model must be a ghm.GHMModel; received {type(self.model).__name__}; write dt=… and T=… by name"
            )
        for name in ("dt", "T"):
            object.__setattr__(self, name, _positive(name, getattr(self, name)))
        if not isinstance(self.terminal, str) or self.terminal not in get_args(Terminal):
            raise UserError(f"terminal must be one of {', '.join(get_args(Terminal))}; received {self.terminal!r}")
        if not self.T / self.dt <= MAX_STEPS:
            raise UserError(
                f"T/dt = {self.T / self.dt:,.0f} time steps are more than {MAX_STEPS:,}; raise dt or lower T"
            )
        # Decimal inputs such as 10 and 0.01 divide to within a few rounding errors of a whole number.
        if self.n_steps < 1 or abs(self.n_steps * self.dt - self.T) > 1e-9 * self.T:
            whole = max(self.n_steps, 1) * self.dt
            raise UserError(f"T must be a whole multiple of dt; received T={self.T:g}, dt={self.dt:g}; try T={whole:g}")

    @property
    def n_steps(self) -> int:
        """Time steps to the horizon, n = T/dt."""
        return round(self.T / self.dt)

    @property
    def first_half(self) -> int:
        """Time steps that end in the first half of the horizon; a horizon of one step is its own first half."""
        return max(self.n_steps // 2, 1)

    @property
    def step_scale(self) -> float:
        """σ_A √dt, the share of cash by which one step of productivity moves it, one standard deviation; see `COARSE_STEP`."""
        return float(self.model.sigma_a * np.sqrt(self.dt))

    @property
    def discount(self) -> float:
        """Discount factor of one step, e^{−k dt}."""
        return float(np.exp(-self.model.discount_rate * self.dt))

    @property
    def wind_up_return(self) -> float:
        """J₀, what immediate liquidation is worth, mean over cash uniform on [0, c̄]: c̄/2 + ℓ."""
        return self.model.c_max / 2 + self.model.liquidation_value

    def to_dict(self) -> dict[str, Any]:
        """The problem in JSON types."""
        return {"dt": self.dt, "T": self.T, "terminal": self.terminal, "model": dataclasses.asdict(self.model)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The problem that :meth:`to_dict` wrote; what is left out is as in the default one.

        Raises:
            UserError: when a key is unknown, or a value is refused.
        """
        known = [one.name for one in dataclasses.fields(cls)]
        if not isinstance(values, Mapping) or not set(values) <= set(known):
            raise UserError(f"a problem is a mapping with keys {', '.join(known)} at most; received {values!r:.200}")
        given = dict(values)
        if isinstance(given.get("model"), Mapping):
            given["model"] = GHMModel.from_dict(given["model"])
        return cls(**given)


def _positive(name: str, value: Any) -> float:
    if not is_number(value) or value <= 0:
        raise UserError(f"{name} must be a finite number > 0; received {value!r}")
    return float(value)
