"""Choosing a learner, what its critic remembers, and by which returns its best policy is kept."""

import json
from pathlib import Path
from typing import Any

import pytest
from training.test_trainer import config, final_policy, history

from ghm.errors import UserError
from ghm.training.main import ExitStatus, train
from ghm.training.selection import choose
from ghm.training.settings import TrainConfig


@pytest.mark.parametrize(
    ("estimator", "setting"), [("gae", {"gae_lambda": 0.5}), ("after_state", {"critic_memory": 1.0})]
)
def test_each_setting_of_a_critic_changes_the_policy(estimator: str, setting: dict[str, float], tmp_path: Path) -> None:
    chosen = {"learner": "model_free", "estimator": estimator, "baseline": "returns"}
    assert final_policy(tmp_path / "base", **chosen) != final_policy(tmp_path / "other", **chosen, **setting)


def test_the_best_policy_is_chosen_by_simulated_returns_where_these_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact return of the policy that is kept is recorded; what it was chosen by is the simulated one alone."""
    seen: list[tuple[str, float]] = []

    def note(*arguments: Any) -> Any:
        chosen, score = choose(*arguments)
        seen.append((chosen.action_rule, score))
        return chosen, score

    monkeypatch.setattr("ghm.training.trainer.choose", note)
    assert train(config(tmp_path, select="simulated", eval_freq=3, n_iterations=12)) == ExitStatus.COMPLETED
    evaluated = history(tmp_path)
    judged = seen
    assert len(judged) == len(evaluated) >= 4
    best = max(range(len(judged)), key=lambda index: judged[index][1])
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["best_iteration"] == evaluated[best]["iteration"]
    assert metrics["action_rule"] == judged[best][0]
    assert metrics["best_return"] == metrics["exact_return"] == metrics[f"{metrics['action_rule']}_return"]
    for (_, score), record in zip(judged, evaluated, strict=True):
        assert score == pytest.approx(record["exact_return"], abs=0.02)
        assert score != record["exact_return"]


def test_a_learner_refuses_anothers_estimator() -> None:
    with pytest.raises(
        UserError, match="--estimator must be one of after_state, gae, monte_carlo with --learner model_free"
    ):
        TrainConfig(learner="model_free", estimator="bootstrap")
    with pytest.raises(UserError, match="--baseline must be one of network, exact with --learner model_based"):
        TrainConfig(baseline="returns")
    chosen = TrainConfig(learner="model_free")
    assert (chosen.estimator, chosen.baseline) == ("after_state", "returns")
    assert TrainConfig.from_dict(chosen.to_dict()) == chosen
