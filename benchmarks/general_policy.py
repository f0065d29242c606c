"""What levels that depend on cash are worth: the exact gradient, followed with and without them.

    python benchmarks/general_policy.py [--n_iterations 400]

The trained policies of this package have levels that depend on time to horizon alone, as the optimum's do. Here a network of the
same inputs and size gives a payout level and an issue target in every state. Both kinds follow the exact gradient: values by one
sweep backward, visits by one forward, levels integrated by Gauss and Hermite's rule; nothing is sampled. So what differs is the
class of policies alone.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Tensor, nn

from ghm.economics.actions import Actions
from ghm.economics.induction import mean_over_starts
from ghm.economics.model import Array
from ghm.policies.distribution import LOGIT_BOUND, LOWEST_LOG_STD, LevelBounds
from ghm.policies.networks import features
from ghm.solvers.dynamic_program import solve
from ghm.solvers.policy_value import policy_value
from ghm.training.problem import GriddedProblem
from ghm.training.settings import TrainConfig

POINTS, WEIGHTS = np.polynomial.hermite_e.hermegauss(12)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


class Policy:
    """Modes and levels in every state from one network; levels of the cash, or of the time alone.

    Args:
        problem: the discrete-time problem.
        general: whether levels depend on cash.
        seed: of the weights.
    """

    def __init__(self, problem: GriddedProblem, general: bool, seed: int) -> None:
        torch.manual_seed(seed)
        self._problem, self._general = problem, general
        self._bounds = LevelBounds.of(problem.model, problem.grid.dt)
        layers: list[nn.Module] = [nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 7)]
        for layer in layers[::2]:
            assert isinstance(layer, nn.Linear)
            nn.init.orthogonal_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(layers[-1].weight)  # type: ignore[arg-type]
        self.network = nn.Sequential(*layers)

    def at(self, states: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """Logarithms of the modes' probabilities (..., M, 3), and mean and deviation of both levels (..., M, 4)."""
        raw = self.network(torch.from_numpy(states.astype(np.float32)))
        if not self._general:
            times = raw[..., -1:, 3:5], raw[..., :1, 5:7]
            raw = torch.cat([raw[..., :3], *(one.expand(*raw.shape[:-1], 2) for one in times)], dim=-1)
        share, bounds = torch.sigmoid(raw[..., 3:]), self._bounds
        columns = []
        ranges = ((bounds.payout_lower, bounds.payout_upper), (bounds.issue_lower, bounds.issue_upper))
        for i, (lower, upper) in enumerate(ranges):
            columns.append(float(np.log(lower)) + float(np.log(upper / lower)) * share[..., 2 * i])
            columns.append(torch.exp(LOWEST_LOG_STD * (1 - share[..., 2 * i + 1])))
        modes = torch.log_softmax(LOGIT_BOUND * torch.tanh(raw[..., :3] / LOGIT_BOUND), dim=-1)
        return modes, torch.stack(columns, dim=-1)

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        """As the reference solutions ask policies."""
        ends = np.concatenate([[0.0], cash, [self._problem.model.c_max]])
        times = np.full(ends.shape, time_to_horizon)
        with torch.no_grad():
            modes, levels = self.at(features(self._problem.problem, ends, times))
        payout_mean, payout_std, issue_mean, issue_std = levels[1:-1].double().numpy().T
        shift = self._problem.grid.level_shift
        return Actions(modes[1:-1].exp().double().numpy(), payout_mean, payout_std, issue_mean, issue_std, shift)


def after(problem: GriddedProblem, levels: Array) -> Array:
    """Cash after paying and after issuing, at each of the rule's points, (2, M, Q), of levels (M, 4)."""
    cash, c_max, shift = problem.grid.cash[:, None], problem.model.c_max, problem.grid.level_shift
    drawn = [np.clip(np.exp(levels[:, [i]] + levels[:, [i + 1]] * POINTS) - shift, 0, c_max) for i in (0, 2)]
    return np.stack([np.minimum(drawn[0], cash), np.maximum(drawn[1], cash)])


def flows(problem: GriddedProblem, left: Any) -> Any:
    """What shareholders get for leaving cash ``left`` (2, ..., M, Q)."""
    model = problem.model
    cash = torch.from_numpy(problem.grid.cash)[:, None] if isinstance(left, Tensor) else problem.grid.cash[:, None]
    raised = left[1] - cash
    return cash - left[0], -model.proportional_cost * (raised + model.fixed_cost * (raised > 0))


def sweeps(problem: GriddedProblem, modes: Array, levels: Array) -> tuple[float, Array, Array]:
    """J; W at the time nodes (K, M); and discounted visits summed around them, (K, M)."""
    grid = problem.grid
    cash, n = grid.cash, grid.n_steps
    dense = np.stack([problem.transition.apply(row) for row in np.eye(cash.size)], axis=1)
    constant = problem.transition.constant
    dense -= constant[:, None]
    held, steps = np.empty((n, cash.size)), []
    value = problem.terminal_values
    for t in range(n - 1, -1, -1):
        k, w = grid.time_cell[t], grid.time_weight[t]
        probabilities = (1 - w) * modes[k] + w * modes[k + 1]
        left = after(problem, (1 - w) * levels[k] + w * levels[k + 1])
        held[t] = constant + dense @ value
        continued = np.interp(left, cash, held[t])
        worth = [(flow + continued[i]) @ WEIGHTS for i, flow in enumerate(flows(problem, left))]
        value = probabilities[:, 0] * held[t] + probabilities[:, 1] * worth[0] + probabilities[:, 2] * worth[1]
        steps.append((probabilities, left))
    share = np.gradient(cash) / cash[-1]
    share[[0, -1]] /= 2
    visits, nodes = np.zeros((grid.steps_to_go.size, cash.size)), np.empty((grid.steps_to_go.size, cash.size))
    for t, (probabilities, left) in enumerate(reversed(steps)):
        k, w = grid.time_cell[t], grid.time_weight[t]
        visits[k] += (1 - w) * share
        visits[k + 1] += w * share
        moved = probabilities[:, 0] * share
        for i in (0, 1):
            place = np.clip(np.searchsorted(cash, left[i], side="right") - 1, 0, cash.size - 2)
            upper = (left[i] - cash[place]) / (cash[place + 1] - cash[place])
            mass = (probabilities[:, i + 1] * share)[:, None] * WEIGHTS
            moved += np.bincount(place.ravel(), (mass * (1 - upper)).ravel(), cash.size)
            moved += np.bincount(place.ravel() + 1, (mass * upper).ravel(), cash.size)
        share = moved @ dense
    for node, to_go in enumerate(grid.steps_to_go):
        nodes[node] = held[n - to_go]
    return mean_over_starts(cash, value), nodes, np.maximum(visits, 0)


def gains(problem: GriddedProblem, levels: Tensor, held: Array) -> Tensor:
    """Advantages of paying and issuing over holding at the time nodes, (2, K, M), differentiable in the levels (K, M, 4)."""
    cash, shift = torch.from_numpy(problem.grid.cash), problem.grid.level_shift
    points, weights = torch.from_numpy(POINTS), torch.from_numpy(WEIGHTS)
    drawn = [
        torch.clamp(torch.exp(levels[..., i, None] + levels[..., i + 1, None] * points) - shift, 0, float(cash[-1]))
        for i in (0, 2)
    ]
    left = torch.stack([torch.minimum(drawn[0], cash[:, None]), torch.maximum(drawn[1], cash[:, None])])
    place = torch.clamp(torch.searchsorted(cash, left.detach(), right=True) - 1, 0, cash.numel() - 2)
    table = torch.from_numpy(held)[None, :, None].expand(2, -1, cash.numel(), -1)
    lower, upper = table.gather(-1, place), table.gather(-1, place + 1)
    share = (left - cash[place]) / (cash[place + 1] - cash[place])
    worth = (1 - share) * lower + share * upper + torch.stack(flows(problem, left))
    return (worth * weights).sum(-1) - torch.from_numpy(held)


def train(general: bool, n_iterations: int, seed: int) -> None:
    """Follow the exact gradient, and print what is reached."""
    config = TrainConfig()
    problem = GriddedProblem.build(config.problem)
    optimum, policy = solve(config.problem), Policy(problem, general, seed)
    optimiser = torch.optim.Adam(policy.network.parameters(), lr=1e-3, betas=(0.9, 0.99))
    log_cash = np.log(problem.grid.cash + problem.grid.level_shift)
    began = time.process_time()
    for iteration in range(n_iterations + 1):
        log_modes, levels = policy.at(problem.features)
        modes, table = log_modes.detach().exp().double().numpy(), levels.detach().double().numpy()
        reached, held, visits = sweeps(problem, modes, table)
        if iteration % (n_iterations // 10) == 0:
            kind = "levels of cash and time" if general else "levels of time alone"
            share = optimum.captured_value(reached)
            print(f"{kind}: {iteration:5d} {share:.4f} ({time.process_time() - began:.0f} s)", flush=True)
        # As the trainer: an issue judged by its gain given that something is issued, a level by its gain a use.
        effect = np.stack(
            [ndtr((log_cash - table[..., 0]) / table[..., 1]), ndtr((table[..., 2] - log_cash) / table[..., 3])]
        )
        gain = gains(problem, levels.double(), held)
        by_mode = gain.detach() / torch.from_numpy(np.stack([np.ones_like(effect[1]), np.maximum(effect[1], 1e-3)]))
        probabilities, weight = torch.from_numpy(modes[..., 1:].transpose(2, 0, 1)), torch.from_numpy(visits)
        used = (weight * torch.clamp(probabilities * torch.from_numpy(effect), min=1e-4)).sum(-1)
        per_use = (used.mean(1, keepdim=True) / used)[..., None]
        objective = (weight * log_modes.exp().double().permute(2, 0, 1)[1:] * by_mode).sum()
        objective = objective + (per_use * weight * probabilities * gain).sum()
        optimiser.zero_grad()
        (-objective / problem.cash_unit).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(policy.network.parameters(), 1.0)
        optimiser.step()
    values = [optimum.captured_value(policy_value(policy, config.problem, rule)) for rule in (True, False)]
    print(f"  as it acts {values[0]:.4f}, its most likely actions {values[1]:.4f}", flush=True)


def main() -> None:
    """Train both kinds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n_iterations", type=int, default=400, help="of each")
    parser.add_argument("--seed", type=int, default=1, help="of the weights")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    for general in (False, True):
        train(general, flags.n_iterations, flags.seed)


if __name__ == "__main__":
    main()
