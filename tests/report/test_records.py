"""Reading a search's records: what is there, what is missing, what is not a search's."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from factory import make_search

from ghm.errors import UserError
from ghm.report.page import render
from ghm.search.records.reader import read_search
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.settings.distributions import label
from ghm.search.trials.history import read_history
from ghm.search.trials.outcome import TrialState


def test_trials_are_sorted_into_ranked_failed_and_unfinished(tmp_path: Path) -> None:
    made = make_search(tmp_path, 8, failures={3: ("diverged", "NaN at 9")}, unfinished=[5, 6])
    search = read_search(made.path)
    assert [trial.trial_num for trial in search.trials] == list(range(1, 9))
    returns = {e["trial_num"]: e["metrics"]["best_return"] for e in made.content["results"] if e["metrics"]["success"]}
    assert [t.trial_num for t in search.ranked] == sorted(returns, key=lambda number: -returns[number])
    assert [(t.trial_num, t.status, t.error) for t in search.failures] == [(3, "diverged", "NaN at 9")]
    assert [(t.trial_num, t.status) for t in search.unfinished] == [
        (5, TrialState.UNFINISHED),
        (6, TrialState.UNFINISHED),
    ]
    assert search.best_trial is not None
    assert plain_hyperparameters(search.best_trial.hyperparameters) == made.content["best_config"]


def test_a_failed_trial_has_no_return(tmp_path: Path) -> None:
    made = make_search(tmp_path, 2, failures={1: ("crashed", "ValueError")})
    assert made.content["results"][0]["metrics"]["best_return"] == -1e9, "the recorded stand-in for no return"
    assert read_search(made.path).trials[0].best_return is None


def test_a_directory_stands_for_its_newest_search(tmp_path: Path) -> None:
    made = make_search(tmp_path, 2)
    (tmp_path / "search_results_20250101-120000.json").write_text("{}")
    assert read_search(tmp_path).path == made.path


def test_an_interrupted_trial_counts_as_unfinished_not_failed(tmp_path: Path) -> None:
    made = make_search(tmp_path, 3, failures={2: ("interrupted", "stopped")})
    search = read_search(made.path)
    assert [trial.trial_num for trial in search.unfinished] == [2]
    assert search.failures == []


@pytest.mark.parametrize("value", [None, "6.5", True, [6.5]])
def test_an_entry_without_a_finite_figure_is_named_as_damaged(tmp_path: Path, value: Any) -> None:
    made = make_search(tmp_path, 2)
    made.content["results"][0]["metrics"]["best_return"] = value
    made.path.write_text(json.dumps(made.content))
    search = read_search(made.path)
    assert list(search.damaged) == ["entry 1 of the results"]
    assert search.trials[0].best_return is None
    assert search.trials[0].status is TrialState.UNFINISHED, "its directory is there, and --resume runs it"
    assert [trial.trial_num for trial in search.ranked] == [2], "completed without a figure is no success"
    assert "entry 1 of the results" in render(search).decode()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_results_file_with_what_json_has_no_word_for_is_refused_by_name(tmp_path: Path, value: float) -> None:
    made = make_search(tmp_path, 2)
    made.content["results"][0]["metrics"]["best_return"] = value
    made.path.write_text(json.dumps(made.content))
    with pytest.raises(UserError, match=rf"{made.path.name} is not JSON"):
        read_search(made.path)


def test_whole_lines_of_a_history_cut_short_are_read(tmp_path: Path) -> None:
    make_search(tmp_path, 1, n_iterations=500)
    history = tmp_path / "trial_001" / "history.jsonl"
    whole = len(history.read_text().splitlines())
    history.write_text(history.read_text() + '{"iteration": 600, "sec')
    assert len(read_history(tmp_path / "trial_001")) == whole == 5


def test_strange_entries_are_left_out(tmp_path: Path) -> None:
    made = make_search(tmp_path, 2)
    made.content["results"] += [None, 7, {"trial_num": "x"}, {"trial_num": -1}, {"trial_num": True}]
    made.path.write_text(json.dumps(made.content))
    search = read_search(made.path)
    assert [trial.trial_num for trial in search.trials] == [1, 2]
    assert len(search.damaged) == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{", "is not JSON"),
        ("[]", "a JSON list"),
        ("{}", "it lacks format, search"),
        ('{"search_config": {}, "results": {}}', "it lacks format, search"),
    ],
)
def test_what_is_no_search_is_refused_with_its_path(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "search_results_x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        read_search(path)
    assert str(path) in str(caught.value)


def test_a_directory_without_a_search_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no search_results"):
        read_search(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"), [(3e-4, "0.0003"), ([64, 64], "64x64"), (500, "500"), (1.0, "1"), ("a", "a")]
)
def test_label(value: Any, text: str) -> None:
    assert label(value) == text
