"""All trials as one tidy table: one row per trial, one column per variable, each documented."""

import math
from typing import TYPE_CHECKING, Any

from ghm.search.records.state import SearchState
from ghm.search.records.values import FIGURES
from ghm.search.settings.distributions import label
from ghm.search.trials.outcome import TrialRecord
from ghm.training.logging.metrics import METRICS
from ghm.training.settings import Hyperparameters

if TYPE_CHECKING:
    import pandas as pd

BEFORE = {
    "trial_num": "number of the trial",
    "configuration": "number of its configuration",
    "seed": "training seed; empty if not recorded",
    "calibration": "name of the model that it was trained on; empty: the search's own",
    "stage": "explore, or confirm: trained again on a fresh seed",
    "directory": "its directory, below that of the results",
    "status": "completed, stopped_at_rung, unfinished, or how it failed (diverged, crashed, out_of_memory, timeout, …)",
    "success": "whether it completed and has a return",
    "error": "why it failed, in one line; empty otherwise",
}
"""Columns before the hyperparameters, with what they mean."""

HYPERPARAMETERS = {
    "lr_policy": "learning rate of the policy network",
    "lr_baseline": "learning rate of the value network",
    "entropy_weight": "weight of the entropy bonus on the modes",
    "action_reg_weight": "weight of the penalty on saturated outputs",
    "max_grad_norm": "largest norm of a network's gradient",
    "n_trajectories": "simulated paths per iteration",
    "policy_hidden": "widths of the policy network's hidden layers, such as 64x64",
    "value_hidden": "widths of the value network's hidden layers, such as 64x64",
}

OUTCOMES = {
    **{metric.name: metric.documentation for metric in METRICS},
    "iterations": "training iterations done",
    "seconds": "training time in seconds",
}
"""Columns after the hyperparameters, with what they mean."""

_WORDS = tuple(metric.name for metric in METRICS if metric.kind == "text")


def columns(search: SearchState) -> dict[str, str]:
    """Columns of the table of a search's trials in order, with what each means."""
    return {**BEFORE, **_hyperparameters(search), **OUTCOMES}


def _hyperparameters(search: SearchState) -> dict[str, str]:
    """The eight hyperparameters, and what else the search varied."""
    others = [name for name in search.record.choices if name not in HYPERPARAMETERS]
    return HYPERPARAMETERS | {name: f"setting --{name} of the training" for name in others}


def trials_frame(search: SearchState) -> "pd.DataFrame":
    """All trials of a search, in order of number; a missing figure is NaN."""
    import pandas as pd

    frame = pd.DataFrame([_row(search, trial) for trial in search.trials], columns=list(columns(search)))
    numeric = [name for name in OUTCOMES if name not in _WORDS]
    return frame.astype(
        {**dict.fromkeys(numeric, float), "trial_num": int, "configuration": int, "seed": "Int64", "success": bool}
    )


def _row(search: SearchState, trial: TrialRecord) -> dict[str, Any]:
    return {
        "trial_num": trial.trial_num,
        "configuration": trial.configuration,
        "seed": trial.seed,
        "calibration": math.nan if trial.calibration is None else trial.calibration,
        "stage": trial.stage,
        "directory": trial.directory,
        "status": str(trial.status),
        "success": trial.success,
        "error": trial.error,
        **_settings(search, trial.hyperparameters),
        **{name: trial.word(name) if name in _WORDS else trial.figure(name) for name in OUTCOMES},
        "iterations": trial.iterations,
        "seconds": trial.seconds,
    }


def _settings(search: SearchState, hyperparameters: Hyperparameters) -> dict[str, Any]:
    values = {name: getattr(hyperparameters, name, None) for name in _hyperparameters(search)}
    return {name: label(value) if isinstance(value, tuple) else value for name, value in values.items()}


CURVE_COLUMNS = {
    "trial_num": "number of the trial",
    "configuration": "number of its configuration",
    "iteration": "training iterations done; 0 is the untrained policy",
    "seconds": "training time so far",
    "captured_value": "captured value of the policy after the iteration, exact",
    "exact_return": "its firm value, exact",
    "simulated_return": "mean return of the iteration's paths",
    "payout_level": "cash above which it pays out, with the whole horizon ahead",
    "issue_below": "cash below which it issues",
    "issue_target": "cash that it issues up to",
}
"""Columns of the table of learning curves in order, with what each means."""


def curves_frame(search: SearchState) -> "pd.DataFrame":
    """Learning curves of a search's trials, a row per evaluation, in order of trial and iteration; a missing figure is NaN."""
    import pandas as pd

    rows = [
        {"trial_num": trial.trial_num, "configuration": trial.configuration}
        | {name: getattr(line, name) for name in list(CURVE_COLUMNS)[2:]}
        for trial in search.trials
        for line in search.history(trial)
    ]
    whole = ("trial_num", "configuration", "iteration")
    types = {name: int if name in whole else float for name in CURVE_COLUMNS}
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS)).astype(types)


CONFIGURATION_FIGURES = {
    "mean": "mean captured value over its trials that did not fail",
    "iqm": "interquartile mean of it",
    "worst": "least of it",
    "interval_low": "lower end of the 95% interval of the interquartile mean; empty with fewer than five seeds",
    "interval_high": "upper end",
    "failures": "trials that failed",
    "iterations": "training iterations that its trials reached",
    "confirmed": "interquartile mean on fresh seeds, the worst if the search ranks by it; empty where it was not confirmed",
    "confirmed_low": "lower end of its 95% interval; empty with fewer than five seeds, and of the worst",
    "confirmed_high": "upper end",
    "confirmed_seeds": "fresh seeds that it is of",
    "difference": "confirmed less tuned: negative where it had won by luck",
}
"""Columns of the configurations' table after the hyperparameters, with what they mean."""


def configuration_columns(search: SearchState) -> dict[str, str]:
    """Columns of the table of a search's configurations in order, with what each means."""
    return {
        "configuration": "its number",
        "rank": "1 for the best as tuned; empty where one of its trials is still to be run, or all of them failed",
        "stage": "explore, or confirm if it was trained again on fresh seeds",
        "n_trials": "trials that it was tuned on",
        **_hyperparameters(search),
        **CONFIGURATION_FIGURES,
        **({"race": "how it did in the race for the confirmation"} if search.config.race else {}),
    }


def configurations_frame(search: SearchState) -> "pd.DataFrame":
    """All configurations of a search, a row each, in order of number; a missing figure is NaN."""
    import pandas as pd

    confirmation = search.confirmation
    confirmed = {} if confirmation is None else {one.configuration: one for one in confirmation.configurations}
    ranks = {one.configuration: rank for rank, one in enumerate(search.ranking(), 1)}
    rows = []
    for one in search.scores():
        again = confirmed.get(one.configuration)
        row: dict[str, Any] = {
            "configuration": one.configuration,
            "rank": ranks.get(one.configuration),
            "stage": "explore" if again is None else "confirm",
            "n_trials": len(one.trials),
            **_settings(search, one.hyperparameters),
            **{str(name): one.figure(name) for name in FIGURES},
            **_ends("interval", one.interval),
            "failures": sum(trial.failed for trial in one.trials),
            "iterations": one.reached,
        }
        if again is not None:
            row |= {"confirmed": again.confirmed, "difference": again.difference, **_ends("confirmed", again.interval)}
            row |= {"confirmed_seeds": again.seeds, "race": again.race}
        rows.append(row)
    frame = pd.DataFrame(rows, columns=list(configuration_columns(search)))
    return frame.astype({**dict.fromkeys(CONFIGURATION_FIGURES, float), "rank": float})


def _ends(name: str, interval: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = (None, None) if interval is None else interval
    return {f"{name}_low": low, f"{name}_high": high}
