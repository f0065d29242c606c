"""A training that pauses and goes on is the one that does not, in every bit; one that would go on otherwise is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ghm.errors import UserError
from ghm.training.main import ExitStatus, train
from ghm.training.settings import TrainConfig

SMALL: dict[str, Any] = {
    "n_iterations": 24, "dt": 0.05, "T": 0.5, "n_trajectories": 20, "policy_hidden": (8,), "value_hidden": (8,),
    "eval_freq": 4, "log_freq": 2, "ckpt_freq": 6, "keep_checkpoints": 9, "progress": "none", "entropy_weight": 0.1,
    "figures": "none",
}  # fmt: skip


def config(directory: Path, **changes: Any) -> TrainConfig:
    places = {"log_dir": directory / "logs", "ckpt_dir": directory / "checkpoints"}
    return TrainConfig(**SMALL | places | changes)


def records(directory: Path) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Metrics, history and every tensor of every checkpoint; seconds aside."""
    metrics = json.loads((directory / "result.json").read_text())["metrics"]
    history = [json.loads(line) for line in (directory / "history.jsonl").read_text().splitlines()]
    for record in history:
        del record["seconds"]
    states = {}
    for path in sorted((directory / "checkpoints").glob("*.pt")):
        content = torch.load(path, weights_only=True)
        del content["config"]
        del content["standing"]["seconds"]
        states[path.name] = content
    return metrics, history, states


def same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


LEARNERS: list[dict[str, Any]] = [
    {"baseline": "exact"},
    {"baseline": "network"},
    {"learner": "model_free"},
    {"learner": "model_free", "estimator": "gae", "select": "simulated"},
]


AT_PAUSES = {"eval_freq": 500, "log_freq": 500, "n_iterations": 60, "evaluate_at": (7, 13)}


@pytest.mark.parametrize(
    ("learner", "pauses", "settings"),
    [
        *((learner, (8, 16), {}) for learner in LEARNERS),
        *((learner, (7, 13), AT_PAUSES) for learner in (LEARNERS[0], LEARNERS[-1])),  # which choose differently
        # A pause alone makes no evaluation that the training without it would not make.
        (LEARNERS[0], (7, 13), {**AT_PAUSES, "evaluate_at": ()}),
    ],
)
def test_paused_twice_it_ends_in_the_same_bits(
    learner: dict[str, Any], pauses: tuple[int, int], settings: dict[str, Any], tmp_path: Path
) -> None:
    settings = {**learner, **settings}
    assert train(config(tmp_path / "whole", **settings)) == ExitStatus.COMPLETED
    resume = None
    for pause_at, status in (*((pause, ExitStatus.PAUSED) for pause in pauses), (None, ExitStatus.COMPLETED)):
        assert train(config(tmp_path / "paused", pause_at=pause_at, resume=resume, **settings)) == status
        resume = tmp_path / "paused/checkpoints/latest.pt"
        if pause_at is not None:
            result = json.loads((tmp_path / "paused/result.json").read_text())
            assert (result["status"], result["iterations"], result["error"]) == ("paused", pause_at, None)
            assert set(result["metrics"]) >= {"best_return", "final_return", "captured_value", "optimal_return"}
    assert same(records(tmp_path / "paused"), records(tmp_path / "whole"))


def test_a_shorter_training_is_not_the_beginning_of_a_longer_one(tmp_path: Path) -> None:
    """Negative control: a variant that trains to the rung as to its end has other schedules, and other bits."""
    train(config(tmp_path / "paused", pause_at=8))
    train(config(tmp_path / "short", n_iterations=8))
    name = "checkpoints/latest.pt"
    paused, short = (torch.load(tmp_path / d / name, weights_only=True)["learner"] for d in ("paused", "short"))
    assert not same(paused, short)


def test_the_way_on_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(config(tmp_path / "my run", pause_at=8)) == ExitStatus.PAUSED
    assert f"with --resume '{tmp_path}/my run/checkpoints/latest.pt'\n" in capsys.readouterr().out


def test_another_number_of_iterations_is_refused(tmp_path: Path) -> None:
    train(config(tmp_path, pause_at=8))
    longer = config(tmp_path, n_iterations=48, resume=tmp_path / "checkpoints/latest.pt")
    with pytest.raises(UserError, match=r"n_iterations was 24, is 48; schedules .* would jump"):
        train(longer)


def test_what_is_evaluated_decides_the_best_and_stays(tmp_path: Path) -> None:
    """Other points of evaluation make another best policy: they are part of what the training is."""
    settings = {"eval_freq": 500, "log_freq": 500, "n_iterations": 60}
    train(config(tmp_path, evaluate_at=(7,), pause_at=7, **settings))
    evaluated = [json.loads(line)["iteration"] for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert evaluated == [0, 3, 6, 7]
    for change in ({"evaluate_at": (7, 9)}, {"log_freq": 5}, {"eval_freq": 5}):
        other = config(tmp_path, resume=tmp_path / "checkpoints/latest.pt", **settings | {"evaluate_at": (7,)} | change)
        with pytest.raises(UserError, match=f"other settings .*{next(iter(change))} was"):
            train(other)


@pytest.mark.parametrize("points", [(9, 7), (7, 7), (0,), (25,), 7, ("7",)])
def test_points_of_evaluation_that_are_none_are_refused(points: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--evaluate_at must be"):
        config(tmp_path, evaluate_at=points)
