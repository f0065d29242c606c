"""The page's sentences: true of the search, whatever its state."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factory import make_search

from ghm.io.text import loss_text
from ghm.report.analysis.certainty import certainty, expected_best
from ghm.report.analysis.findings import headline, searched, verdict, verification
from ghm.report.analysis.importance import importances
from ghm.search import SearchSpace
from ghm.search.records.reader import read_search
from ghm.search.records.state import SearchState


def changed(path: Path, number: int, **metrics: Any) -> SearchState:
    """The search with some metrics of one trial replaced."""
    content = json.loads(path.read_text())
    entry = next(entry for entry in content["results"] if entry["trial_num"] == number)
    entry["metrics"] |= metrics
    path.write_text(json.dumps(content))
    return read_search(path)


def sentences(search: SearchState) -> str:
    return "; ".join(" ".join(row) for row in certainty(search, importances(search)))


def test_headline_names_the_best_its_captured_value_and_what_it_is_measured_against(tmp_path: Path) -> None:
    search = read_search(make_search(tmp_path, 20).path)
    best = search.best_trial
    assert best is not None
    text = headline(search)
    assert text.startswith(f"Trial {best.trial_num} is the best: ")
    assert f"captures {100 * (best.best_return - 5.95) / (6.6548 - 5.95):.1f}% of the value between" in text
    assert text.endswith(f"loses {loss_text(1 - best.best_return / 6.6548)} of firm value.")
    assert verdict(search) == best.metrics["verdict_text"]


def test_a_best_trial_worse_than_immediate_liquidation_is_said_to_be(tmp_path: Path) -> None:
    search = changed(make_search(tmp_path, 1).path, 1, best_return=5.5, captured_value=-0.64)
    assert "worse than immediate liquidation" in headline(search)


@pytest.mark.parametrize(
    ("failures", "unfinished", "text"),
    [
        ({}, [1, 2], "No trial has finished yet."),
        ({1: ("diverged", "x"), 2: ("crashed", "y")}, [], "all 2 failed (1 diverged, 1 crashed)"),
        ({1: ("diverged", "x")}, [2], "No trial has succeeded yet; 1 failed (1 diverged)."),
    ],
)
def test_a_search_without_success_says_so(
    tmp_path: Path, failures: dict[int, tuple[str, str]], unfinished: list[int], text: str
) -> None:
    search = read_search(make_search(tmp_path, 2, failures=failures, unfinished=unfinished).path)
    assert text in headline(search)
    assert certainty(search, ()) == []
    assert verification(search) is None


def test_searched_counts_configurations_and_trials(tmp_path: Path) -> None:
    space = {"lr_policy": [1e-3], "lr_baseline": [1e-3, 3e-3]}
    made = make_search(tmp_path, 5, failures={1: ("diverged", "x")}, unfinished=[2], space=space)
    text = searched(read_search(made.path))
    assert "over 5 of 2,592 possible configurations of 7 hyperparameters, 5,000 iterations per trial" in text, (
        "11,664 × 2 / 9"
    )
    assert "3 of 5 trials completed, 1 failed, 1 running or interrupted" in text


def test_close_rivals_are_counted(tmp_path: Path) -> None:
    path = make_search(tmp_path, 4).path
    for number, captured in ((1, 0.97), (2, 0.965), (3, 0.961), (4, 0.95)):
        search = changed(path, number, captured_value=captured, best_return=5.95 + captured)
    assert "Other trials within 1 percentage point 2 " in sentences(search)
    search = changed(path, 1, captured_value=0.99, best_return=6.94)
    assert "Lead over the runner-up 2.5 percentage points" in sentences(search)


def test_a_simulated_return_that_disagrees_is_a_warning(tmp_path: Path) -> None:
    path = make_search(tmp_path, 1).path
    search = changed(path, 1, best_return=6.5, monte_carlo_return=6.503, monte_carlo_standard_error=0.002)
    assert "It agrees with the exact firm value." in sentences(search)
    search = changed(path, 1, monte_carlo_return=6.51)
    assert "That is 5.0 standard errors from the exact firm value: do not trust it" in sentences(search)


def test_importance_is_honest_about_few_trials_and_none_varied(tmp_path: Path) -> None:
    assert "Too few trials finished (5)" in sentences(read_search(make_search(tmp_path / "a", 5).path))
    assert "lr_policy" in sentences(read_search(make_search(tmp_path / "b", 100).path))
    one = {name: values[:1] for name, values in vars(SearchSpace()).items()}
    assert "same hyperparameters" in sentences(read_search(make_search(tmp_path / "c", 12, space=one).path))


def test_expected_best_is_the_mean_over_all_draws() -> None:
    values = np.array([0.1, 0.5, 0.7, 0.2])
    grid = np.array(np.meshgrid(values, values, values)).reshape(3, -1)
    assert expected_best(values, 3) == pytest.approx(grid.max(axis=0).mean(), rel=1e-12)
    assert expected_best(values, 1) == pytest.approx(values.mean())


def test_the_command_trains_the_best_configuration(tmp_path: Path) -> None:
    search = read_search(make_search(tmp_path, 20).path)
    command = verification(search)
    assert search.best_trial is not None
    assert command is not None
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:2] == ["python", "scripts/train_monte_carlo_ghm_time_augmented.py"]
    chosen = search.best_trial.hyperparameters
    at = words.index("--policy_hidden")
    width = len(chosen.policy_hidden)
    assert [int(word) for word in words[at + 1 : at + 1 + width]] == list(chosen.policy_hidden)
    assert float(words[words.index("--lr_policy") + 1]) == chosen.lr_policy


def test_a_configuration_of_another_version_gives_no_command(tmp_path: Path) -> None:
    made = make_search(tmp_path, 1)
    made.content["results"][0]["hyperparameters"]["lr_policy"] = "; rm -rf /"
    made.path.write_text(json.dumps(made.content))
    assert verification(read_search(made.path)) is None


def test_where_captured_value_is_undefined_finished_trials_are_not_called_too_few(tmp_path: Path) -> None:
    path = make_search(tmp_path, 12).path
    content = json.loads(path.read_text())
    for entry in content["results"]:
        entry["metrics"]["captured_value"] = None
    path.write_text(json.dumps(content))
    said = sentences(read_search(path))
    assert "Captured value is undefined" in said
    assert "Too few" not in said
