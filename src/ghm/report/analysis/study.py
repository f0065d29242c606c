"""A search as an Optuna study: its trials with their learning curves, for `optuna-dashboard` and Optuna's plots."""

import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ghm.errors import UserError
from ghm.search.records.state import SearchState
from ghm.search.settings.distributions import Distribution, Range, label
from ghm.search.trials.outcome import TrialRecord, TrialState

if TYPE_CHECKING:
    import optuna


def make_study(search: SearchState, storage: str | None = None) -> "optuna.Study":
    """A study of the search's trials, its objective their captured value, maximised.

    A trial has its hyperparameters (layers as text, or as number and width), captured value at each evaluation as intermediate
    values, and as attributes its number, configuration, seed, calibration, stage and status. One stopped at a rung is pruned.
    All begin when the study is made; each takes as long as it was trained.

    Args:
        search: the search.
        storage: where Optuna keeps the study, such as ``sqlite:///study.db``; None: in memory.

    Raises:
        UserError: when Optuna is not installed, or ``storage`` has a study of this search already.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError("a study needs Optuna; install it with `pip install 'ghm[optuna]'`") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = search.path.stem
    try:
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    except optuna.exceptions.DuplicatedStudyError as error:
        raise UserError(f"{storage} has a study {name!r} already; choose another storage, or delete it") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(["captured value"])
    study.add_trials([_trial(search, outcome) for outcome in search.trials])
    return study


def _trial(search: SearchState, outcome: TrialRecord) -> "optuna.trial.FrozenTrial":
    import optuna

    parameters: dict[str, Any] = {}
    distributions: dict[str, Any] = {}
    for name, values in search.record.choices.items():
        if name in vars(outcome.hyperparameters):
            for suffix, part, value in _parts(values, getattr(outcome.hyperparameters, name)):
                parameters[name + suffix] = label(value) if isinstance(value, tuple) else value
                distributions[name + suffix] = _distribution(part, parameters[name + suffix])
    steps = {line.iteration: line.captured_value for line in search.history(outcome) if line.captured_value is not None}
    attributes = ("trial_num", "configuration", "seed", "calibration", "stage", "status", "error", "directory")
    trial = optuna.create_trial(
        state=_state(outcome),
        value=outcome.captured_value if _state(outcome) is not optuna.trial.TrialState.FAIL else None,
        params=parameters,
        distributions=distributions,
        intermediate_values=steps,
        user_attrs={key: getattr(outcome, key) for key in attributes},
    )
    # When a trial began is not recorded; how long it took is.
    assert trial.datetime_start is not None
    trial.datetime_complete = trial.datetime_start + timedelta(seconds=outcome.seconds)
    return trial


def _state(outcome: TrialRecord) -> "optuna.trial.TrialState":
    from optuna.trial import TrialState as State

    if outcome.status is TrialState.COMPLETED and outcome.captured_value is not None:
        return State.COMPLETE
    if outcome.status.is_at_rung:
        return State.PRUNED
    return State.FAIL


def _parts(values: Distribution, value: Any) -> list[tuple[str, Any, Any]]:
    """Name's end, what may be tried, and value of each part."""
    if len(values.parts) == 1:
        return [("", values, value)]
    ends = ("_layers", "_width")
    return list(zip(ends, values.parts, values.split(value), strict=True))


def _distribution(values: Any, value: Any) -> "optuna.distributions.BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(values, Range):
        listed = [label(one) if isinstance(one, tuple) else one for one in values]
        return CategoricalDistribution(listed if value in listed else [*listed, value])
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log, step=int(values.step or 1))
    return FloatDistribution(values.low, values.high, log=values.log, step=values.step)
