"""The estimator that a training's settings name."""

from collections.abc import Callable

from ghm.economics.model import Array
from ghm.policies.tables import PolicyTables
from ghm.simulation.kernel import Simulator
from ghm.training.learners.estimator import GradientEstimate, GradientEstimator
from ghm.training.learners.learner import Learner
from ghm.training.learners.model_free import AfterStateEstimator, ReturnsEstimator
from ghm.training.problem import GriddedProblem
from ghm.training.settings import TrainConfig

Estimate = Callable[[PolicyTables, Array | None, int], GradientEstimate]
"""From a policy, the values that :meth:`Learner.given_values` gives, and the iteration to a gradient."""


def gradient_estimator(
    config: TrainConfig, problem: GriddedProblem, simulator: Simulator, learner: Learner
) -> Estimate:
    """The estimator that ``config`` names."""
    if learner.after_state is not None:
        return AfterStateEstimator(problem, simulator, learner.after_state, config.n_trajectories)
    if config.learner == "model_free":
        trace = config.gae_lambda if config.estimator == "gae" else 1.0
        return ReturnsEstimator(problem, simulator, trace, config.n_trajectories)
    assert config.estimator is not None
    return GradientEstimator(problem, simulator, config.estimator, config.n_trajectories)
