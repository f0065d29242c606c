"""The discrete-time, finite-horizon problem as a Gymnasium environment, for agents of other libraries (extra ``benchmarks``).

The discounted sum of rewards, with ``env.discount`` a step, is the firm value J of that problem, so figures of other
agents are comparable with ours to the last digit.

============  =============================================================================================
observation   cash / c̄ and time to horizon / T, each in [0, 1], (2,)
action        five numbers in [−1, 1]: preferences for hold, pay and issue (the largest decides), and where in
              their ranges (even in the logarithm) payout level and issue target lie, (5,)
reward        shareholders' cash flow of the step; what comes at its end is discounted to its start
terminated    liquidation, or the horizon, whose payoff is in the last reward
============  =============================================================================================
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from ghm.economics.actions import ISSUE, PAY, cash_flow, level_from_log
from ghm.economics.grid import LEVEL_SHIFT
from ghm.economics.induction import cash_grid
from ghm.economics.model import Array, GHMModel, Terminal
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.values import is_number, plain
from ghm.policies.distribution import LevelBounds
from ghm.solvers.terminal import terminal_values


class Firms:
    """N firms side by side, stepped together.

    Args:
        problem: the problem that they face.
        n: number of firms.
    """

    def __init__(self, problem: Problem, n: int) -> None:
        self.problem, self.discount = problem, problem.discount
        self.cash = np.zeros(n)
        self.steps_to_go = np.zeros(n, dtype=np.int64)
        # F(c) takes a boundary value problem; it is solved once, and looked up.
        self._nodes = np.linspace(0.0, problem.model.c_max, 2001)
        self._terminal_values = terminal_values(problem, self._nodes)

    def restart(self, firms: NDArray[np.bool_], starts: Array) -> None:
        """Start ``firms`` (N,) anew with cash ``starts``, one for each of them, and the whole horizon ahead."""
        self.cash[firms] = starts
        self.steps_to_go[firms] = self.problem.n_steps

    def step(self, mode: NDArray[np.int64], payout: Array, target: Array, shocks: Array) -> tuple[Array, Array]:
        """One step of every firm; all arguments (N,).

        Returns:
            Rewards (N,), and whether each firm has ended (N,).
        """
        model, dt, cash = self.problem.model, self.problem.dt, self.cash
        pays = (mode == PAY) & (payout < cash)
        target = np.minimum(target, model.c_max)
        issues = (mode == ISSUE) & (target > cash)
        after = np.where(pays, payout, np.where(issues, target, cash))
        rewards = cash_flow(cash, after, model.proportional_cost, model.fixed_cost)
        following = after + model.drift(after) * dt + model.volatility(after) * np.sqrt(dt) * shocks
        liquidated = following <= 0
        kept = np.clip(following, 0.0, model.c_max)
        self.steps_to_go -= 1
        horizon = (self.steps_to_go == 0) & ~liquidated
        at_end = np.where(liquidated, model.liquidation_value, np.maximum(following - model.c_max, 0.0))
        at_end = at_end + np.where(horizon, np.interp(kept, self._nodes, self._terminal_values), 0.0)
        self.cash = kept
        return rewards + self.discount * at_end, liquidated | horizon

    @property
    def observations(self) -> NDArray[np.float32]:
        """What agents see, (N, 2)."""
        shares = [self.cash / self.problem.model.c_max, self.steps_to_go / self.problem.n_steps]
        return np.stack(shares, axis=1).astype(np.float32)


class ActionDecoder:
    """From the action's five numbers to a mode and levels in cash."""

    def __init__(self, model: GHMModel, dt: float) -> None:
        bounds = LevelBounds.of(model, dt)
        self._shift = LEVEL_SHIFT * model.step_from_zero(dt)
        self._lower = np.log([bounds.payout_lower, bounds.issue_lower])
        self._width = np.log([bounds.payout_upper, bounds.issue_upper]) - self._lower

    def __call__(self, actions: NDArray[Any]) -> tuple[NDArray[np.int64], Array, Array]:
        """Mode, payout level and issue target, (N,) each, of ``actions`` (N, 5)."""
        shares = (np.clip(actions[:, 3:].astype(float), -1.0, 1.0) + 1) / 2
        payout, target = level_from_log(self._lower + self._width * shares, self._shift).T
        return np.argmax(actions[:, :3], axis=1), payout, target


def action_space() -> Box:
    """Five numbers in [−1, 1]."""
    return Box(-1.0, 1.0, (5,), np.float32)


def observation_space() -> Box:
    """Cash and time to horizon as shares."""
    return Box(0.0, 1.0, (2,), np.float32)


class GHMEnv(gymnasium.Env[NDArray[Any], NDArray[Any]]):
    """One firm; see the module's table.

    Args:
        model: the model; None: the default one.
        dt: length of a step (years).
        T: horizon (years), a whole multiple of ``dt``.
        terminal: what shareholders get at the horizon.

    Raises:
        UserError: when these make no problem that `ghm.solve` takes, or ``going_concern`` needs an infinite-horizon solution
            that does not exist.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - the base class declares it so

    def __init__(
        self, model: GHMModel | None = None, dt: float = 0.01, T: float = 10.0, terminal: Terminal = "liquidation"
    ) -> None:
        problem = Problem(GHMModel() if model is None else model, dt, T, terminal)
        cash_grid(problem.model, problem.dt)  # refuses what the solver refuses
        self._firm = Firms(problem, 1)
        self._decode = ActionDecoder(problem.model, problem.dt)
        self.discount = self._firm.discount
        self._lives = False
        self.action_space, self.observation_space = action_space(), observation_space()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start with cash uniform on [0, c̄], or with ``options["cash"]``.

        Raises:
            UserError: when that is no cash from 0 to c̄, or another option is given.
        """
        super().reset(seed=seed)
        c_max = self._firm.problem.model.c_max
        drawn = self.np_random.uniform(0.0, c_max)
        start = plain(drawn if options is None else _only_cash(options).get("cash", drawn))
        if not is_number(start) or not 0 <= start <= c_max:
            raise UserError(f'options["cash"] must be a number from 0 to c_max = {c_max:g}; received {start!r}')
        self._firm.restart(np.array([True]), np.array([float(start)]))
        self._lives = True
        return self._firm.observations[0], {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Act, and let a step pass.

        Raises:
            UserError: when the action is not five finite numbers.
            gymnasium.error.ResetNeeded: before the first reset, and after the firm has ended.
        """
        if not self._lives:
            raise gymnasium.error.ResetNeeded("this firm has ended, or was never started; call reset() first")
        rewards, ended = self._firm.step(*self._decode(_five(action)[None]), self.np_random.standard_normal(1))
        self._lives = not ended[0]
        return self._firm.observations[0], float(rewards[0]), bool(ended[0]), False, {}


def _only_cash(options: Any) -> dict[str, Any]:
    if not isinstance(options, dict) or not set(options) <= {"cash"}:
        raise UserError(f'options may hold "cash" alone; received {options!r:.200}')
    return options


def _five(action: Any) -> Array:
    """The action as an array; refused when it is not five finite numbers."""
    try:
        numbers = np.asarray(action, dtype=float)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if numbers.shape != (5,) or not np.isfinite(numbers).all():
        raise UserError(f"an action must be five finite numbers; received {action!r:.200}")
    return numbers
