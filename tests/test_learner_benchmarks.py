"""The benchmark of the learners trains as the trainer does, repeats nothing, and corrects for many tests."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from benchmark_modules import load_benchmark
from training.test_trainer import config, history

from ghm.training.main import ExitStatus, train

FLAGS: dict[str, Any] = {
    "dt": 0.05, "T": 2.0, "n_iterations": 6, "n_trajectories": 20, "policy_hidden": (8,), "value_hidden": (8,), "seed": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return load_benchmark("learners")


@pytest.fixture(scope="module")
def tables(module: ModuleType) -> ModuleType:
    """It imports its neighbours by name."""
    load_benchmark("main_effects")
    return load_benchmark("learner_tables")


@pytest.mark.parametrize("learner", ["model_based", "after_state", "gae", "monte_carlo"])
def test_a_training_is_the_trainers(learner: str, module: ModuleType, tmp_path: Path) -> None:
    flags = FLAGS | module.LEARNERS[learner]
    found = module.train(flags, [*range(7)], simulated=True)["points"]
    assert train(config(tmp_path, select="simulated", **flags)) == ExitStatus.COMPLETED
    recorded, optimum = history(tmp_path), module.reference(config(tmp_path).problem)
    for line, (iteration, _, *captured) in zip(recorded, (point[:4] for point in found), strict=True):
        returns = line["randomised_return"], line["greedy_return"]
        assert (iteration, captured) == (line["iteration"], [round(optimum.captured_value(one), 6) for one in returns])
    chosen = max(found, key=lambda point: max(point[4:]))[0]
    assert chosen == json.loads((tmp_path / "result.json").read_text())["metrics"]["best_iteration"]


def test_what_is_recorded_is_not_trained_again(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags, path = FLAGS | {"n_iterations": 2}, tmp_path / "new" / "few.jsonl"
    first = module.Recorded(path).add(flags, [0, 2])
    monkeypatch.setattr(module, "train", lambda *_: pytest.fail("trained again"))
    again = module.Recorded(path).add(flags, [0, 2])
    assert again["points"] == first["points"]
    assert module.Recorded(path).find(flags | {"seed": 5}) is None


def test_holms_correction(tables: ModuleType) -> None:
    """By hand: the smallest times four, the next times three, and never less than one before it."""
    assert tables.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert tables.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
