"""All trials as one tidy table: a row a trial, a column a variable, each documented."""

from typing import TYPE_CHECKING, Any

from ghm.search.records.reader import RecordedSearch, RecordedTrial
from ghm.search.settings.space import label
from ghm.search.trials.outcome import finite

if TYPE_CHECKING:
    import pandas as pd

BEFORE = {
    "trial_num": "number of the trial",
    "status": "completed, how it failed (diverged, crashed, out_of_memory, timeout, infrastructure), or unfinished",
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
    numeric = [name for name in METRICS if name != "verdict"]
    return frame.astype({**dict.fromkeys(numeric, float), "trial_num": int, "success": bool})


def _row(trial: RecordedTrial, names: tuple[str, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "trial_num": trial.number,
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
    if trial.best_return is None:
        row["final_return"] = None
    return row
