"""Settings files: every search writes one, and it repeats the search; what a file says wrong is refused with its name."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ghm.search.main import parse
from ghm.search.settings.config import SearchConfig
from tests.search.instant import INSTANT
from tests.search.support import read, run_search

SPACE = {
    "lr_policy": {"low": 1e-5, "high": 1e-1, "log": True},
    "policy_hidden": {"layers": [1, 2], "width": {"low": 16, "high": 256, "log": True}},
    "estimator": ["gae", "monte_carlo"],
    "gae_lambda": {"low": 0.8, "high": 1.0},
}
FLAGS = ("--n_iterations", 6, "--eval_freq", 2, "--progress", "none")


def same(results: dict[str, Any]) -> Any:
    """What two searches by the same settings have in common."""
    trials = [(one["trial_num"], one["seed"], one["calibration"], one["hyperparameters"]) for one in results["results"]]
    left_out = ("results_dir", "space", "calibrations")
    config = {key: value for key, value in results["search_config"].items() if key not in left_out}
    return trials, config, results["search_space"], results["calibrations"], results["best_return"]


def test_the_file_that_a_search_writes_repeats_it(tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    (tmp_path / "firms.json").write_text(
        '[{"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3, "rho": -0.2}]'
    )
    flags = (
        "--learner",
        "model_free",
        "--n_trials",
        4,
        "--n_seeds",
        2,
        "--rungs",
        2,
        4,
        "--seed_base",
        77,
        "--keep",
        0.51,
    )
    files = ("--space", tmp_path / "space.json", "--calibrations", tmp_path / "firms.json", "--model.alpha", 0.19)
    assert run_search(*flags, *files, *FLAGS, "--results_dir", tmp_path / "a", **INSTANT) == 0
    assert (
        run_search(
            "--config", tmp_path / "a/search.toml", "--results_dir", tmp_path / "b", "--progress", "none", **INSTANT
        )
        == 0
    )
    assert same(read(tmp_path / "b")) == same(read(tmp_path / "a"))
    assert (tmp_path / "b/search.toml").read_text() == (tmp_path / "a/search.toml").read_text()
    other = (
        "--config",
        tmp_path / "a/search.toml",
        "--seed_base",
        78,
        "--results_dir",
        tmp_path / "c",
        "--progress",
        "none",
    )
    assert run_search(*other, **INSTANT) == 0
    assert same(read(tmp_path / "c")) != same(read(tmp_path / "a")), "options override the file"


def test_the_file_names_every_setting_that_lasts_in_every_bit(tmp_path: Path) -> None:
    assert run_search("--n_trials", 2, "--keep", 0.1 + 0.2, *FLAGS, "--results_dir", tmp_path / "r", **INSTANT) == 0
    content = tomllib.loads((tmp_path / "r/search.toml").read_text())
    assert content["keep"] == 0.1 + 0.2
    assert content["space"]["lr_policy"] == [1e-4, 3e-4, 1e-3]
    recorded = {name: value for name, value in read(tmp_path / "r")["search_config"].items() if value is not None}
    of_this_call = {"config", "results_dir", "resume", "dry_run", "retry_failed", "allow_drift", "progress"}
    empty_or_the_learners_own = {"rungs", "estimator", "baseline"}
    assert set(content) - {"space"} == set(recorded) - of_this_call - empty_or_the_learners_own


def test_another_learner_than_the_files_has_its_own_estimator(tmp_path: Path) -> None:
    assert run_search("--n_trials", 1, *FLAGS, "--results_dir", tmp_path / "r", **INSTANT) == 0
    config = parse(["--config", str(tmp_path / "r/search.toml"), "--learner", "model_free"])
    assert (config.learner, config.estimator) == ("model_free", "after_state")


def test_a_file_by_hand(tmp_path: Path) -> None:
    text = '\ufeffn_trials = 7\nrungs = [100, 300]\nn_iterations = 1000\nspace = "lists.json"\n[model]\nrho = -0.3\n'
    (tmp_path / "mine.toml").write_text(text)
    config = parse(["--config", str(tmp_path / "mine.toml"), "--n_trials", "9"])
    assert (config.n_trials, config.rungs, config.model.rho, config.space) == (9, (100, 300), -0.3, Path("lists.json"))
    assert config.lasting() == SearchConfig.from_dict(config.lasting().to_dict())


REFUSED = {
    "n_trails = 7": "there is no setting 'n_trails' for a file .did you mean 'n_trials'",
    "results_dir = 'x'": "there is no setting 'results_dir' for a file",
    "resume = 'x'": "there is no setting 'resume' for a file",
    "n_trials = 7\nn_trials = 8": "the file is not TOML",
    "n_trials = [": "the file is not TOML",
    "n_trials = 'many'": "--n_trials takes a whole number; received 'many'",
    "n_trials = 0": "--n_trials must be a whole number >= 1",
    "[space]\nlr_policy = [0.0]": "lr_policy must be a finite number > 0; received 0.0",
    "[space]\nlr_polcy = [0.1]": "no 'lr_polcy' .did you mean 'lr_policy'",
    "[model]\nrhoo = 1": "--model.rhoo",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused_with_a_message(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import re

    (tmp_path / "mine.toml").write_text(text)
    try:
        status = run_search("--config", tmp_path / "mine.toml", "--results_dir", tmp_path / "r", *FLAGS, **INSTANT)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert re.search(REFUSED[text], capsys.readouterr().err)
    assert not (tmp_path / "r").exists()


def test_not_together_with_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_search("--config", tmp_path / "x.toml", "--resume", tmp_path) == 2
    assert "--config is of a new search" in capsys.readouterr().err
    assert run_search("--config", tmp_path / "x.toml") == 2
    assert "give a readable TOML file" in capsys.readouterr().err
