"""By which returns the best policy of a run is chosen: exact ones, or simulated ones, which other models have too."""

import dataclasses

from ghm.economics.action_rule import Returns
from ghm.solvers.answers.evaluation import FIRMS, ExactEvaluation
from ghm.solvers.validation.simulation import simulate
from ghm.training.settings import Selection


def choose(evaluation: ExactEvaluation, selection: Selection, seed: int) -> tuple[ExactEvaluation, float]:
    """A policy under the better of its action rules, and the return that policies are compared by.

    Simulated returns are of draws of their own, the same for all policies of a run: what is simulated after the choice, as a
    check, would else repeat its luck.

    Args:
        evaluation: of the policy.
        selection: which returns decide.
        seed: of the training.
    """
    if selection == "exact":
        return evaluation, evaluation.exact_return
    randomised, greedy = (
        simulate(evaluation.policy, evaluation.problem, FIRMS, seed + 1, randomised).mean
        for randomised in (True, False)
    )
    simulated = Returns(randomised, greedy)
    return dataclasses.replace(evaluation, chosen=simulated.action_rule), simulated.best
