"""What each learner is called in the literature, what it must know of the model, and how its gradient errs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ghm.training.settings import ESTIMATORS, Estimator, LearnerName


@dataclass(frozen=True)
class LearnerFacts:
    """One learner with one estimator, in words; figures are of docs/design/estimators.md, ``benchmarks/variance.py``."""

    literature: str
    """Its name in the literature."""
    must_know: str
    """What of the model it must know."""
    bias: str
    """Of one estimate of 500 paths, for a policy after 1,000 iterations, in lengths of the exact gradient."""
    noise: str
    """Its standard deviation, in the same unit."""


_ON_A_GRID = "transition law on a grid, transaction costs, simulator"

FACTS: dict[tuple[LearnerName, Estimator], LearnerFacts] = {
    ("model_based", "bootstrap"): LearnerFacts(
        "expected (all-action) policy gradient with sampled state visitation and a truncated dynamic-programming critic",
        _ON_A_GRID,
        "1.5",
        "0.02",
    ),
    ("model_based", "conditional"): LearnerFacts(
        "expected (all-action) policy gradient with the sampled tail of the returns",
        _ON_A_GRID,
        "none but for interpolation on the grid",
        "65",
    ),
    ("model_based", "martingale"): LearnerFacts(
        "policy gradient with approximating martingale-process control variates",
        _ON_A_GRID,
        "none",
        "65",
    ),
    ("model_based", "monte_carlo"): LearnerFacts(
        "REINFORCE with a baseline from the transition law", _ON_A_GRID, "none", "2,400"
    ),
    ("model_free", "after_state"): LearnerFacts(
        "expected (all-action) policy gradient with a critic of after-states (the cash that a transaction leaves), fitted to "
        "sampled differences of returns",
        "transaction costs, simulator that can be rerun with the same shocks from other cash",
        "not measured; the critic is also fitted to returns of earlier policies (--critic_memory)",
        "not measured; from the slopes of the critic",
    ),
    ("model_free", "gae"): LearnerFacts(
        "actor-critic with generalised advantage estimation",
        "simulator",
        "not measured; from errors of the value network",
        "not measured; from sampled actions",
    ),
    ("model_free", "monte_carlo"): LearnerFacts(
        "REINFORCE with a learned baseline", "simulator", "none", "not measured; from sampled actions and their returns"
    ),
}


def flags(learner: LearnerName, estimator: Estimator) -> str:
    """How it is chosen on the command line, without ``--learner`` and without the learner's own estimator."""
    return learner if estimator == ESTIMATORS[learner][0] else f"{learner} --estimator {estimator}"


def learner_of(settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """Learner and estimator of a training with these settings; where no estimator of that learner is given, the learner's own."""
    learner, estimator = settings["learner"], settings["estimator"]
    known = next((names for name, names in ESTIMATORS.items() if name == learner), (estimator,))
    return learner, estimator if estimator in known else known[0]
