"""All trials as one tidy table: a row a trial, a column a variable, each documented."""

import math
from typing import TYPE_CHECKING, Any

from ghm.search.records.reader import RecordedSearch, RecordedTrial
from ghm.search.settings.space import label
from ghm.search.trials.outcome import finite

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
    "n_trajectories": "simulated paths an iteration",
    "policy_hidden": "widths of the policy network's hidden layers, such as 64x64",
    "value_hidden": "widths of the value network's hidden layers, such as 64x64",
}

METRICS = {
    "best_return": "exact return of the best policy at an evaluation",
    "best_iteration": "iteration of that evaluation",
    "final_return": "exact return of the last policy",
    "captured_value": "(best_return - wind_up_return) / (optimal_return - wind_up_return); 1 is optimal",
    "optimal_return": "return of the optimum",
    "wind_up_return": "return of closing the firm at once",
    "monte_carlo_return": "the best policy's return simulated on held-out draws: the check of best_return",
    "monte_carlo_standard_error": "its standard error",
    "verdict": "the best policy in a word, such as near_optimal or never_issues",
    "verdict_text": "the verdict in a sentence, with its figures",
    "payout_level": "cash above which the best policy pays out with the whole horizon ahead; empty if never",
    "issue_below": "cash below which it issues equity; empty if never",
    "issue_target": "cash that an issue raises to; empty if never",
    "optimal_payout_level": "the optimum's payout level; empty if never",
    "optimal_issue_below": "the optimum's issue threshold; empty if never",
    "optimal_issue_target": "the optimum's issue target; empty if never",
    "iterations": "training iterations done",
    "seconds": "training time in seconds",
}
"""Columns after the hyperparameters, with what they mean."""


def columns(search: RecordedSearch) -> dict[str, str]:
    """Columns of the table in order, with what each means."""
    chosen = {name: HYPERPARAMETERS.get(name, "hyperparameter, as recorded") for name in search.names}
    return {**BEFORE, **chosen, **METRICS}


def trials_frame(search: RecordedSearch) -> "pd.DataFrame":
    """All trials of a search, in order of number; a missing figure is NaN."""
    import pandas as pd

    frame = pd.DataFrame([_row(trial, search.names) for trial in search.trials], columns=list(columns(search)))
    numeric = [name for name in METRICS if not name.startswith("verdict")]
    return frame.astype(
        {**dict.fromkeys(numeric, float), "trial_num": int, "configuration": int, "seed": "Int64", "success": bool}
    )


def _row(trial: RecordedTrial, names: tuple[str, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "trial_num": trial.number,
        "configuration": trial.configuration,
        "seed": trial.seed,
        "calibration": math.nan if trial.calibration is None else trial.calibration,
        "stage": trial.stage,
        "directory": trial.directory.name,
        "status": trial.status,
        "success": trial.success,
        "error": trial.reason if trial.failed else None,
    }
    for name in names:
        value = trial.hyperparameters.get(name)
        row[name] = value if isinstance(value, int | float | None) else label(value)
    for name in METRICS:
        row[name] = finite(trial.metrics.get(name))
    verdict = trial.metrics.get("verdict")
    row |= {"best_return": trial.best_return, "verdict": verdict if isinstance(verdict, str) else None}
    words = trial.metrics.get("verdict_text")
    row["verdict_text"] = words if isinstance(words, str) else None
    if trial.best_return is None:
        row["final_return"] = None
    return row


CONFIGURATION_FIGURES = {
    "mean": "mean captured value over its trials that did not fail",
    "iqm": "interquartile mean of it",
    "worst": "least of it",
    "interval_low": "lower end of the 95% bootstrap interval of the interquartile mean; empty with one seed",
    "interval_high": "upper end",
    "failures": "trials that failed",
    "iterations": "training iterations that its trials reached",
    "confirmed": "interquartile mean on fresh seeds; empty where it was not confirmed",
    "confirmed_low": "lower end of its 95% bootstrap interval",
    "confirmed_high": "upper end",
    "difference": "confirmed less tuned: negative where it had won by luck",
}
"""Columns of the configurations' table after the hyperparameters, with what they mean."""


def configuration_columns(search: RecordedSearch) -> dict[str, str]:
    """Columns of the table of configurations in order, with what each means."""
    chosen = {name: HYPERPARAMETERS.get(name, "hyperparameter, as recorded") for name in search.names}
    before = {
        "configuration": "its number",
        "rank": "1 for the best as tuned",
        "stage": "explore, or confirm if it was trained again on fresh seeds",
        "n_trials": "trials that it was tuned on",
    }
    return {**before, **chosen, **CONFIGURATION_FIGURES}


def configurations_frame(search: RecordedSearch) -> "pd.DataFrame":
    """All configurations of a search, a row each, in order of number; a missing figure is NaN."""
    import pandas as pd

    confirmed = {
        entry.get("configuration"): entry
        for entry in (search.confirmation or {}).get("configurations") or ()
        if isinstance(entry, dict)
    }
    rows = []
    for rank, entry in enumerate(search.ranking, 1):
        hyperparameters = entry.get("hyperparameters")
        chosen = hyperparameters if isinstance(hyperparameters, dict) else {}
        again = confirmed.get(entry.get("number"), {})
        row: dict[str, Any] = {
            "configuration": entry.get("number"),
            "rank": rank,
            "stage": entry.get("stage"),
            "n_trials": len(entry.get("instances") or ()),
        }
        for name in search.names:
            value = chosen.get(name)
            row[name] = value if isinstance(value, int | float | None) else label(value)
        row |= {name: finite(entry.get(name)) for name in ("mean", "iqm", "worst", "failures", "iterations")}
        row["interval_low"], row["interval_high"] = _ends(entry.get("interval"))
        row |= {name: finite(again.get(name)) for name in ("confirmed", "difference")}
        row["confirmed_low"], row["confirmed_high"] = _ends(again.get("interval"))
        rows.append(row)
    frame = pd.DataFrame(rows, columns=list(configuration_columns(search)))
    return frame.astype(dict.fromkeys(CONFIGURATION_FIGURES, float)).sort_values("configuration", ignore_index=True)


def _ends(interval: Any) -> tuple[float | None, float | None]:
    ends = interval if isinstance(interval, list) and len(interval) == 2 else [None, None]
    return finite(ends[0]), finite(ends[1])
