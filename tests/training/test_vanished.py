"""A directory that goes away while a run writes to it is an error, and is not made anew, nor looked for behind a link."""

import os
from pathlib import Path
from typing import Any

import pytest

from ghm.training.main import ExitStatus, main, train
from ghm.training.settings import TrainConfig
from ghm.training.trainer import Trainer

SMALL: dict[str, Any] = {
    "n_iterations": 4, "dt": 0.1, "T": 0.5, "n_trajectories": 10, "policy_hidden": (4,), "value_hidden": (4,),
    "eval_freq": 2, "progress": "none",
}  # fmt: skip


def config(results_dir: Path, in_search: bool, **changes: Any) -> TrainConfig:
    trial = results_dir / "trial_001"
    places = {"log_dir": trial / "logs", "ckpt_dir": trial / "checkpoints", "result_file": trial / "result.json"}
    parent = os.getppid() if in_search else None
    return TrainConfig(
        **SMALL | places | {"reference_file": results_dir / "reference.npz", "parent_pid": parent} | changes
    )


@pytest.mark.parametrize("gone", [".", "trial_001"])
def test_what_a_search_has_made_and_lost_is_not_made_by_its_trials(
    gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r/trial_001").mkdir(parents=True)
    (tmp_path / "r" / gone).rename(tmp_path / "elsewhere")
    monkeypatch.setattr("tyro.cli", lambda *_, **__: config(tmp_path / "r", in_search=True))
    assert main([]) == ExitStatus.INFRASTRUCTURE
    assert not (tmp_path / "r" / gone / "trial_001").exists()
    assert not (tmp_path / "r/trial_001").exists()


@pytest.mark.parametrize("in_search", [True, False])
@pytest.mark.parametrize("moment", ["ghm.solvers.store.load_or_solve", "iterate"])
def test_a_directory_that_vanishes_meanwhile_is_an_error(
    moment: str, in_search: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_search:
        (tmp_path / "r/trial_001").mkdir(parents=True)
    train_on = Trainer._iterate
    if moment == "iterate":

        def iterate(trainer: Trainer, iteration: int) -> dict[str, float]:
            if iteration == 3:
                (tmp_path / "r").rename(tmp_path / "elsewhere")
            return train_on(trainer, iteration)

        monkeypatch.setattr(Trainer, "_iterate", iterate)
    else:
        from ghm.solvers import store

        solve = store.load_or_solve

        def solve_elsewhere(*arguments: Any) -> Any:
            (tmp_path / "r").rename(tmp_path / "elsewhere")
            return solve(*arguments)

        monkeypatch.setattr(moment, solve_elsewhere)
    assert train(config(tmp_path / "r", in_search)) == ExitStatus.INFRASTRUCTURE
    assert (tmp_path / "elsewhere/trial_001").is_dir()
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("in_search", [True, False])
@pytest.mark.parametrize("swapped", ["checkpoints", "."])
def test_a_directory_that_becomes_a_link_is_not_written_through(
    swapped: str, in_search: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, target = tmp_path / "r/trial_001", tmp_path / "target"
    trial.mkdir(parents=True)
    (target / "checkpoints").mkdir(parents=True)
    train_on = Trainer._iterate

    def iterate(trainer: Trainer, iteration: int) -> dict[str, float]:
        if iteration == 3:
            (trial / swapped).rename(tmp_path / "elsewhere")
            (trial / swapped).symlink_to(target)
        return train_on(trainer, iteration)

    monkeypatch.setattr(Trainer, "_iterate", iterate)
    assert train(config(tmp_path / "r", in_search)) == ExitStatus.INFRASTRUCTURE
    assert [path for path in target.rglob("*") if path.is_file()] == []


def test_ones_own_links_lead_where_they_did_when_the_run_began(tmp_path: Path) -> None:
    (tmp_path / "disk/trial_001").mkdir(parents=True)
    (tmp_path / "r").mkdir()
    (tmp_path / "r/trial_001").symlink_to(tmp_path / "disk/trial_001")
    assert train(config(tmp_path / "r", in_search=False)) == ExitStatus.COMPLETED
    for name in ("result.json", "checkpoints/best_model.pt"):
        assert (tmp_path / "disk/trial_001" / name).is_file()
