"""Proposals that learn, as pure functions: everything is rebuilt from the history, asked once, and thrown away.

The objective is ``log10`` of what is missing to the optimum, since captured value is unbounded below and a ruined trial would
otherwise flatten the differences among good ones. A configuration that failed counts as the worst there is.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from ghm.errors import UserError
from ghm.search.methods.gaussian_process import Axis, Noise, noise_of_means, propose
from ghm.search.methods.proposals import Known, RandomProposal, unseen
from ghm.search.settings.configurations import make_hyperparameters
from ghm.search.settings.distributions import Range
from ghm.search.settings.inactive import distinct
from ghm.search.settings.methods import N_STARTUP
from ghm.search.settings.space import Choices
from ghm.training.settings import Hyperparameters

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

SMALLEST_GAP = 1e-6
"""What is missing to the optimum is resolved down to this: the reference solution itself is good to about as much."""

WORST_GAP = 1.0
"""A configuration that failed counts at least as immediate liquidation, which misses all of the value."""


class LearnedProposal:
    """Proposals by Optuna's tree-structured Parzen estimator, or by a Gaussian process.

    Args:
        method: ``tpe`` or ``gp``.
        choices: the search space; a hyperparameter of one value is fixed.
        seed_base: of the search.
    """

    n_trials = None

    def __init__(self, method: Literal["tpe", "gp"], choices: Choices, seed_base: int) -> None:
        self._method = method
        self._choices = choices
        self._seed_base = seed_base
        self._random = RandomProposal(choices, seed_base)
        self._varied = [name for name, values in choices.items() if values.size > 1]
        self.axes: list[Axis] = [part for name in self._varied for part in choices[name].parts]

    def __call__(self, configuration: int, history: Sequence[Known] = ()) -> Hyperparameters:
        """Hyperparameters of a configuration (numbered from 1), given all those before it, by number."""
        chosen = distinct(self._chosen(configuration, history), self._choices)
        taken = {one.hyperparameters for one in history}
        return unseen(self._choices, chosen, taken, self._seed_base, configuration)

    def _chosen(self, configuration: int, history: Sequence[Known]) -> Hyperparameters:
        known = [one for one in history if not one.pending]
        if len(known) < N_STARTUP or not self._varied or all(one.value is None for one in known):
            return self._random(configuration)
        places = np.array([self._places(one.hyperparameters) for one in history])
        pending = np.array([one.pending for one in history])
        objective = objectives([one.value for one in known])
        # A seed of its own for each configuration, independent of those of the random draws.
        seed = np.random.SeedSequence(self._seed_base, spawn_key=(configuration, 1))
        return self._configuration(self.ask(places[~pending], objective, places[pending], seed, _noise(known)))

    def ask(
        self,
        known: np.ndarray,
        objective: np.ndarray,
        pending: np.ndarray,
        seed: np.random.SeedSequence,
        noise: Noise | None = None,
    ) -> Sequence[float]:
        """A place on each axis; the arguments are those of ``propose``."""
        if self._method == "gp":
            return propose(self.axes, known, objective, pending, seed, noise=noise)
        return ask_optuna(parzen_estimator(seed), self.axes, known, objective, pending)

    def _places(self, hyperparameters: Hyperparameters) -> list[float]:
        return [
            part.place(value)
            for name in self._varied
            for part, value in zip(
                self._choices[name].parts, self._choices[name].split(getattr(hyperparameters, name)), strict=True
            )
        ]

    def _configuration(self, places: Sequence[float]) -> Hyperparameters:
        left = iter(places)
        chosen = {name: values.first for name, values in self._choices.items()}
        for name in self._varied:
            values = self._choices[name]
            chosen[name] = values.join(*(part.at(next(left)) for part in values.parts))
        return make_hyperparameters(chosen)


def _noise(known: Sequence[Known]) -> Noise | None:
    """How sure the configurations' values are; None where each is of one seed."""
    several = [one.by_seed for one in known if one.by_seed]
    if not several:
        return None
    # Where a search grew, later configurations have more seeds: the others' are not known, like those of another search.
    gaps = np.full((len(known), len(several[0]), max(len(row) for rows in several for row in rows)), np.nan)
    for place, one in enumerate(known):
        for row, values in enumerate(one.by_seed):
            gaps[place, row, : len(values)] = [np.nan if value is None else objectives([value])[0] for value in values]
    return noise_of_means(gaps)


def tpe_proposal(choices: Choices, seed_base: int) -> LearnedProposal:
    """Proposals by the tree-structured Parzen estimator."""
    return LearnedProposal("tpe", choices, seed_base)


def gp_proposal(choices: Choices, seed_base: int) -> LearnedProposal:
    """Proposals by a Gaussian process."""
    return LearnedProposal("gp", choices, seed_base)


def objectives(values: Sequence[float | None]) -> np.ndarray:
    """What is minimised: log10 of the gap to the optimum's captured value of 1, (n,); failures get the worst of all."""
    gaps = [np.log10(max(1.0 - value, SMALLEST_GAP)) for value in values if value is not None]
    worst = max([*gaps, np.log10(WORST_GAP)])
    left = iter(gaps)
    return np.array([worst if value is None else next(left) for value in values])


def parzen_estimator(seed: np.random.SeedSequence) -> "BaseSampler":
    """Optuna's sampler for ``tpe``.

    Raises:
        UserError: when Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError("--search_type tpe needs Optuna; install it with `pip install 'ghm[optuna]'`") from error

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of options that Optuna calls experimental
        return optuna.samplers.TPESampler(
            seed=int(seed.generate_state(1)[0]), n_startup_trials=0, multivariate=True, constant_liar=True
        )


def ask_optuna(
    sampler: "BaseSampler", axes: Sequence[Axis], known: np.ndarray, objective: np.ndarray, pending: np.ndarray
) -> list[float]:
    """What a sampler proposes when it is told all that is known, and nothing else.

    Args:
        sampler: fresh, with a seed of its own.
        axes: what may be tried of the hyperparameters.
        known: places of configurations whose outcome counts, (n, d), in order of number: TPE depends on the order.
        objective: what they reached, to be minimised, (n,).
        pending: places of configurations without an outcome yet, (m, d).

    Returns:
        A place on each axis.
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    spaces = {f"x{index}": _optuna_distribution(axis) for index, axis in enumerate(axes)}

    def parameters(row: np.ndarray) -> dict[str, float]:
        return {
            name: float(place) if isinstance(axis, Range) else int(place)
            for name, axis, place in zip(spaces, axes, row, strict=True)
        }

    study = optuna.create_study(sampler=sampler)
    study.add_trials(
        [
            create_trial(params=parameters(row), distributions=spaces, value=float(value))
            for row, value in zip(known, objective, strict=True)
        ]
        + [create_trial(state=TrialState.RUNNING, params=parameters(row), distributions=spaces) for row in pending]
    )
    asked = study.ask(spaces)
    return [float(asked.params[name]) for name in spaces]


def _optuna_distribution(axis: Axis) -> "BaseDistribution":
    """Of places: indices of a list, shares of a range."""
    from optuna import distributions

    if isinstance(axis, Range):
        return distributions.FloatDistribution(0.0, 1.0)
    if axis.ordered:
        return distributions.IntDistribution(0, len(axis) - 1)
    return distributions.CategoricalDistribution(list(range(len(axis))))
