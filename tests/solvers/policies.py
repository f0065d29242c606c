"""Policies for tests: the issue's faults made so, and random ones."""

import dataclasses

import numpy as np

from ghm.economics.actions import Actions
from ghm.policies.thresholds import ThresholdPolicy


def constant(dt, T, payout=None, below=None, target=None):
    """Pays above one level and issues below another, the same at every time; None: never."""
    return ThresholdPolicy.constant(dt, T, payout, below, target)


def with_levels(policy, **levels):
    """A threshold policy, or a solution, with some of its levels, (n,), changed."""
    return dataclasses.replace(policy, levels=policy.levels._replace(**levels))


def smooth(seed):
    """A smooth random policy, all modes likely somewhere, levels and their spread changing with the state."""
    generator = np.random.default_rng(seed)
    phase, slope = generator.uniform(0, 6, 7), generator.uniform(0.5, 3.0, 7)

    def actions(cash, time_to_horizon):
        waves = np.cos(phase[:, None] + slope[:, None] * (4 * cash + time_to_horizon))
        odds = np.exp(1.5 * waves[:3])
        return Actions(
            (odds / odds.sum(axis=0)).T,
            np.log(0.3) + 0.5 * waves[3],
            0.4 + 0.3 * waves[4],
            np.log(0.2) + 0.5 * waves[5],
            0.4 + 0.3 * waves[6],
        )

    return actions
