"""Makes the records of searches that never ran: what a search leaves behind, with a known effect of each setting.

Captured value depends on ``lr_policy`` and ``entropy_weight`` (see `true_captured_value`) and on noise alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ghm.economics.model import GHMModel
from ghm.search.records.search_record import SearchRecord
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.space import SearchSpace
from ghm.training.settings import TrainConfig

OPTIMAL_RETURN = 6.6548
WIND_UP_RETURN = 5.95
NO_RETURN = -1e9
NOISE = 0.02
NAME = "20260101-120000"

EFFECT_OF_LR = {1e-4: -0.30, 3e-4: -0.08, 1e-3: 0.0}
EFFECT_OF_ENTROPY = {0.01: 0.0, 0.05: -0.03, 0.1: -0.08}


@dataclass(frozen=True)
class Made:
    """A made search: its results JSON, and the content written to it."""

    path: Path
    content: dict[str, Any]


def true_captured_value(hyperparameters: Mapping[str, Any]) -> float:
    """Captured value of a configuration without noise."""
    lr = EFFECT_OF_LR.get(hyperparameters["lr_policy"], 0.0)
    return 0.96 + lr + EFFECT_OF_ENTROPY.get(hyperparameters["entropy_weight"], 0.0)


def make_search(
    directory: Path,
    n_trials: int = 20,
    failures: Mapping[int, tuple[str, str]] | None = None,
    unfinished: Sequence[int] = (),
    space: Mapping[str, list[Any]] | None = None,
    n_iterations: int = 5000,
    seed: int = 0,
    model: GHMModel | None = None,
    dt: float = 0.01,
    T: float = 10.0,
) -> Made:
    """Write a search of ``n_trials`` into ``directory``.

    Args:
        directory: Results directory, made if missing.
        n_trials: Trials of the search.
        failures: Status and error of the trials that failed, by number.
        unfinished: Trials with a directory and a history cut short, and no result.
        space: Lists that replace the default search space's.
        n_iterations: Iterations of each trial.
        seed: Of the configurations and the noise.
        model: The model searched on.
        dt: Its time step.
        T: Its horizon.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config = SearchConfig(
        n_trials=n_trials, n_iterations=n_iterations, results_dir=directory, model=model or GHMModel(), dt=dt, T=T
    )
    lists: dict[str, list[Any]] = {**vars(SearchSpace()), **(space or {})}
    results = []
    for number in range(1, n_trials + 1):
        generator = np.random.default_rng([seed, number])
        hyperparameters = {name: _drawn(values, generator) for name, values in lists.items()}
        captured = true_captured_value(hyperparameters) + NOISE * float(generator.standard_normal())
        trial = directory / f"trial_{number:03d}"
        (trial / "checkpoints").mkdir(parents=True)
        (trial / "hyperparameters.json").write_text(json.dumps(hyperparameters))
        status, error = (failures or {}).get(number, ("completed", None))
        stop = n_iterations if status == "completed" and number not in unfinished else n_iterations // 3
        history = _history(hyperparameters, captured, stop, n_iterations, evaluated=status == "completed")
        (trial / "history.jsonl").write_text("".join(json.dumps(record) + "\n" for record in history))
        if number in unfinished:
            continue
        metrics = _metrics(captured, generator) if status == "completed" else {}
        training = config.training(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in hyperparameters.items()}, seed=123 + number
        )
        seconds = history[-1]["seconds"]
        _write_result(trial, training, status, error, stop, seconds, metrics)
        results.append(_entry(number, hyperparameters, status, error, stop, seconds, metrics))
    content = _content(config, lists, results)
    path = directory / f"search_results_{NAME}.json"
    path.write_text(json.dumps(content))
    return Made(path, content)


def add_policy(made: Made) -> None:
    """Give the best trial of a made search an (untrained) best_model.pt, and the search its reference.npz."""
    from ghm.search.settings.configurations import parse_hyperparameters
    from ghm.solvers.store import load_or_solve
    from ghm.training.checkpoints.checkpoint import Checkpoint, RunProgress
    from ghm.training.learners.learner import Learner
    from ghm.training.problem import GriddedProblem

    search = SearchConfig.from_dict(made.content["search_config"])
    best = max(made.content["results"], key=lambda entry: entry["metrics"]["best_return"])
    training = search.training(**vars(parse_hyperparameters(best["hyperparameters"])), seed=best["seed"])
    problem = GriddedProblem.build(training.problem)
    learner = Learner(problem, training)
    file = made.path.parent / best["directory"] / "checkpoints" / "best_model.pt"
    Checkpoint(training, RunProgress(), learner.state()).save(file, (learner.tabulate().tables, "greedy"))
    load_or_solve(made.path.parent / "reference.npz", training.problem)


def _drawn(values: list[Any], generator: np.random.Generator) -> Any:
    value = values[int(generator.integers(len(values)))]
    return list(value) if isinstance(value, tuple) else value


def _history(
    hyperparameters: Mapping[str, Any], captured: float, stop: int, n_iterations: int, evaluated: bool
) -> list[dict[str, Any]]:
    speed = 0.004 + hyperparameters["n_trajectories"] * 3e-5
    records = []
    for iteration in range(100, max(stop, 100) + 1, 100):
        now = captured - (0.5 + captured / 2) * float(np.exp(-6 * iteration / n_iterations))
        record: dict[str, Any] = {
            "iteration": iteration,
            "seconds": iteration * speed,
            "simulated_return": WIND_UP_RETURN + now * (OPTIMAL_RETURN - WIND_UP_RETURN),
            "policy_loss": 0.01 / iteration,
            "value_loss": 1.0 / iteration,
            "entropy": 1.0 - iteration / n_iterations,
            "policy_grad_norm": 0.1,
            "value_grad_norm": 0.2,
        }
        if evaluated and (iteration % 500 == 0 or iteration == stop):
            record |= {"exact_return": record["simulated_return"], "captured_value": now}
            record |= {"payout_level": 0.2, "issue_below": 0.03, "issue_target": None}
        records.append(record)
    return records


def _metrics(captured: float, generator: np.random.Generator) -> dict[str, Any]:
    best = WIND_UP_RETURN + captured * (OPTIMAL_RETURN - WIND_UP_RETURN)
    near = captured > 0.9
    return {
        "best_return": best,
        "best_iteration": 4500,
        "final_return": best - 0.001,
        "captured_value": captured,
        "optimal_return": OPTIMAL_RETURN,
        "wind_up_return": WIND_UP_RETURN,
        "monte_carlo_return": best + 0.002 * float(generator.standard_normal()),
        "monte_carlo_standard_error": 0.002,
        "verdict": "near_optimal" if near else "never_issues_though_it_should",
        "verdict_text": "Near the optimum." if near else "The firm never issues equity, though it should.",
        "payout_level": 0.2,
        "issue_below": 0.03 if near else None,
        "issue_target": 0.07 if near else None,
        "optimal_payout_level": 0.1907,
        "optimal_issue_below": 0.0341,
        "optimal_issue_target": 0.0725,
    }


def _write_result(
    trial: Path,
    config: TrainConfig,
    status: str,
    error: str | None,
    iterations: int,
    seconds: float,
    metrics: dict[str, Any],
) -> None:
    content = {
        "format": 1,
        "status": status,
        "iterations": iterations,
        "n_iterations": config.n_iterations,
        "seconds": seconds,
        "error": error,
        "metrics": metrics,
        "config": config.to_dict(),
    }
    (trial / "result.json").write_text(json.dumps(content))


def _entry(
    number: int,
    hyperparameters: dict[str, Any],
    status: str,
    error: str | None,
    iterations: int,
    seconds: float,
    metrics: dict[str, Any],
) -> dict[str, Any]:
    success = status == "completed"
    return {
        "trial_num": number,
        "hyperparameters": hyperparameters,
        "metrics": {
            "best_return": NO_RETURN,
            "final_return": NO_RETURN,
            "success": success,
            "status": status,
            "error": error,
            "log": None if success else f"trial_{number:03d}/stderr.log",
            "iterations": iterations,
            "seconds": seconds,
            **metrics,
        },
        "seed": 123 + number,
        "directory": f"trial_{number:03d}",
        "attempts": 1,
        "exit_status": 0 if success else 1,
    }


def _content(config: SearchConfig, lists: dict[str, list[Any]], results: list[dict[str, Any]]) -> dict[str, Any]:
    successful = [entry for entry in results if entry["metrics"]["success"]]
    best = max(successful, key=lambda entry: entry["metrics"]["best_return"], default=None)
    environment = {
        "python": "3.11.4",
        "torch": "2.13.0",
        "numpy": "2.4.6",
        "platform": "Linux",
        "git_revision": "0123456789ab",
    }
    record = SearchRecord(NAME, config, SearchSpace.from_dict(lists).choices(), {"ghm": "1"}, environment)
    return record.to_dict() | {
        "best_config": best and best["hyperparameters"],
        "best_return": best and best["metrics"]["best_return"],
        "results": results,
        "optimal_return": OPTIMAL_RETURN,
        "wind_up_return": WIND_UP_RETURN,
    }
