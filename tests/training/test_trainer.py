"""The training command end to end: what it reaches, what it leaves behind, how it goes on, how it ends and what it refuses."""

import contextlib
import dataclasses
import io
import itertools
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ghm.economics.action_rule import Returns
from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.io.sealed import seal_archive
from ghm.search.settings.inactive import inactive_hyperparameters
from ghm.training.checkpoints.checkpoint import FORMAT, Checkpoint, load_trained
from ghm.training.learners.estimator import GradientEstimator
from ghm.training.learners.learner import Learner
from ghm.training.main import ExitStatus, main, train
from ghm.training.problem import GriddedProblem
from ghm.training.settings import Hyperparameters, TrainConfig


def config(directory: Path, **settings: Any) -> TrainConfig:
    """A run of a fraction of a second."""
    small: dict[str, Any] = {
        "n_iterations": 12, "dt": 0.05, "T": 2.0, "n_trajectories": 20, "policy_hidden": (8,), "value_hidden": (8,),
        "eval_freq": 4, "ckpt_freq": 4, "log_freq": 4, "keep_checkpoints": 9, "progress": "none",
    }  # fmt: skip
    places = {"log_dir": directory / "logs", "ckpt_dir": directory / "checkpoints"}
    return TrainConfig(**(small | places | settings))


@pytest.fixture(scope="module", autouse=True)
def _small_figures() -> Iterator[None]:
    """Drawing takes seconds a run, and has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("policy_figure", "value_figure"):
            patch.setattr(f"ghm.training.logging.figures.{name}", lambda *_: Figure(figsize=(1, 1)))
        yield


def state_bytes(path: Path, part: str = "") -> dict[str, bytes]:
    """Every tensor of a checkpoint's networks and optimisers (or of a ``part``), as bytes; times are left out."""
    found: dict[str, bytes] = {}

    def visit(name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            found[name] = value.numpy().tobytes()
        elif isinstance(value, dict):
            for key, item in value.items():
                visit(f"{name}.{key}", item)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                visit(f"{name}.{index}", item)
        else:
            found[name] = repr(value).encode()

    state = Checkpoint.load(path).learner_state
    visit("", {part: state[part]} if part else state)
    return found


def history(directory: Path) -> list[dict[str, Any]]:
    """The records of a run, without its seconds."""
    records = [json.loads(line) for line in (directory / "history.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from beginning to end."""
    directory = tmp_path_factory.mktemp("whole")
    assert train(config(directory)) == ExitStatus.COMPLETED
    return directory


def test_default_settings_learn_to_be_clearly_better_than_winding_up(tmp_path: Path) -> None:
    flags = ["--n_iterations", "300", "--progress", "none"]
    flags += ["--log_dir", str(tmp_path / "logs"), "--ckpt_dir", str(tmp_path / "checkpoints")]
    assert main(flags) == ExitStatus.COMPLETED
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["best_return"] > 5.95 + 0.9 * (6.6548 - 5.95)
    assert metrics["monte_carlo_agrees"]
    # What becomes of a firm is of the policy; the optimum's is beside it.
    assert metrics["issues"] != metrics["optimal_issues"]
    assert metrics["issues"] == pytest.approx(metrics["optimal_issues"], rel=1)
    assert 0 < metrics["optimal_early_liquidation"] < 0.5


def images(directory: Path) -> list[str]:
    """Pictures in a run's TensorBoard record."""
    accumulator = EventAccumulator(str(directory / "logs"))
    accumulator.Reload()
    return sorted(accumulator.Tags()["images"])


def test_pictures_are_drawn_where_they_are_asked_for_and_change_nothing(whole: Path, tmp_path: Path) -> None:
    assert train(config(tmp_path, figures="none")) == ExitStatus.COMPLETED
    assert images(tmp_path) == []
    assert images(whole) == ["policy", "value"]
    assert history(tmp_path) == history(whole)
    metrics = [json.loads((run / "result.json").read_text())["metrics"] for run in (tmp_path, whole)]
    assert metrics[0] == metrics[1]


def test_checkpoints_are_plain_data_and_complete(whole: Path) -> None:
    names = {path.name for path in (whole / "checkpoints").iterdir()}
    steps = {f"step_{i:06d}.pt" for i in (4, 8, 12)}
    assert names == steps | {"best_model.pt", "final_model.pt", "latest.pt"}
    content = torch.load(whole / "checkpoints" / "final_model.pt", weights_only=True)
    assert content["format"] == FORMAT
    assert content["standing"]["iteration"] == 12
    assert TrainConfig.from_dict(content["config"]) == config(whole)
    assert set(content["learner"]) == {"policy", "value", "policy_optimiser", "value_optimiser"}
    assert load_trained(whole / "checkpoints" / "best_model.pt").policy(
        np.array([0.1]), 0.5
    ).mode_probabilities.shape == (1, 3)


def test_same_seed_same_bits_and_another_seed_others(whole: Path, tmp_path: Path) -> None:
    first = state_bytes(whole / "checkpoints" / "final_model.pt")
    for seed in (123, 124):
        train(config(tmp_path / str(seed), seed=seed))
    assert state_bytes(tmp_path / "123" / "checkpoints" / "final_model.pt") == first
    assert history(tmp_path / "123") == history(whole)
    assert state_bytes(tmp_path / "124" / "checkpoints" / "final_model.pt") != first


OTHER_SETTINGS: dict[str, Any] = {
    "lr_policy": 0.002, "lr_baseline": 0.03, "entropy_weight": 0.1, "action_reg_weight": 0.1, "max_grad_norm": 1e-3,
    "n_trajectories": 40, "policy_hidden": (5, 5), "value_hidden": (5, 5),
}  # fmt: skip
"""Another value of each of the eight hyperparameters."""


def final_policy(directory: Path, **settings: Any) -> dict[str, bytes]:
    assert train(config(directory, **{"figures": "none", "n_iterations": 3} | settings)) == ExitStatus.COMPLETED
    return state_bytes(directory / "checkpoints" / "final_model.pt", "policy")


@pytest.mark.parametrize(
    "learner",
    [
        {"baseline": "network"},
        {"baseline": "exact"},
        {"learner": "model_free"},
        {"learner": "model_free", "estimator": "gae"},
    ],
)
def test_each_hyperparameter_alone_changes_the_policy(learner: dict[str, Any], tmp_path: Path) -> None:
    """All eight by default; where nothing of the policy's gradient reads the value network, the other six."""
    assert set(OTHER_SETTINGS) == {field.name for field in dataclasses.fields(Hyperparameters)}
    assert (TrainConfig().estimator, TrainConfig().baseline) == ("bootstrap", "network")
    chosen = TrainConfig(**learner)
    inactive = inactive_hyperparameters({"estimator": chosen.estimator, "baseline": chosen.baseline})
    unread = set(inactive) & set(OTHER_SETTINGS)  # settings of other learners are inactive, too
    assert len(unread) == (2 if learner in ({"baseline": "exact"}, {"learner": "model_free"}) else 0)
    base = final_policy(tmp_path / "base", **learner)
    for name, value in OTHER_SETTINGS.items():
        other = final_policy(tmp_path / name, **learner, **{name: value})
        assert (other == base) == (name in unread), name


def test_the_value_optimisers_rate_is_not_the_policys(tmp_path: Path) -> None:
    """With the policy's rate at next to nothing the value network still learns, and the other way round."""
    networks = {}
    for name, settings in {"policy": {"lr_baseline": 1e-12}, "value": {"lr_policy": 1e-12}}.items():
        learned = config(tmp_path / name, **settings)
        assert train(learned) == ExitStatus.COMPLETED
        problem = GriddedProblem.build(learned.problem)
        start = Learner(problem, learned)
        end = Checkpoint.load(tmp_path / name / "checkpoints" / "final_model.pt").learner_state
        networks[name] = {n: float((getattr(start, n).parameters - end[n]).abs().max()) for n in ("policy", "value")}
    assert networks["policy"]["policy"] > 1e-3 > 1e-9 > networks["policy"]["value"]
    assert networks["value"]["value"] > 1e-3 > 1e-9 > networks["value"]["policy"]


@pytest.mark.parametrize(("log_freq", "eval_freq"), [(1, 1), (7, 50), (50, 7), (1000, 1000)])
@pytest.mark.parametrize("n_iterations", [1, 24])
def test_the_learning_curve_has_its_beginning_and_twenty_points(
    log_freq: int, eval_freq: int, n_iterations: int, tmp_path: Path
) -> None:
    settings = {"log_freq": log_freq, "eval_freq": eval_freq, "n_iterations": n_iterations}
    assert train(config(tmp_path, **settings)) == ExitStatus.COMPLETED
    records = history(tmp_path)
    iterations = [record["iteration"] for record in records]
    assert iterations == sorted(set(iterations))
    assert iterations[0] == 0
    assert iterations[-1] == n_iterations
    assert len(iterations) - 1 >= min(20, n_iterations)
    for record in records:
        for name in ("exact_return", "randomised_return", "greedy_return", "captured_value"):
            assert np.isfinite(record[name]), (record["iteration"], name)
        assert record["exact_return"] == record[f"{record['action_rule']}_return"]
        assert record["exact_return"] == max(record["randomised_return"], record["greedy_return"])
    # The best that was shown, at whatever point of the curve, is the best that is kept.
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    best = max(records, key=lambda record: record["exact_return"])
    assert (metrics["best_return"], metrics["best_iteration"]) == (best["exact_return"], best["iteration"])
    kept = Checkpoint.load(tmp_path / "checkpoints/best_model.pt").standing
    assert (kept.best_return, kept.best_iteration) == (best["exact_return"], best["iteration"])
    assert metrics["exact_return"] == best["exact_return"]
    assert metrics["final_return"] == records[-1]["exact_return"]


def test_the_untrained_policy_is_the_curves_first_point(tmp_path: Path) -> None:
    """At first every action is as likely as its bounds allow: whatever the settings, the same policy."""
    firsts = []
    for name, settings in {"one": {}, "other": {"lr_policy": 0.1}}.items():
        assert train(config(tmp_path / name, n_iterations=2, **settings)) == ExitStatus.COMPLETED
        firsts.append(history(tmp_path / name))
    assert firsts[0][0] == firsts[1][0]
    assert firsts[0][1] != firsts[1][1]


def test_the_checkpoint_knows_the_better_reading(whole: Path) -> None:
    trained = load_trained(whole / "checkpoints" / "best_model.pt")
    metrics = json.loads((whole / "result.json").read_text())["metrics"]
    assert trained.returns.action_rule == metrics["action_rule"]
    returns = {name: metrics[f"{name}_return"] for name in ("randomised", "greedy")}
    assert metrics["best_return"] == returns[trained.returns.action_rule] == max(returns.values())
    assert metrics["captured_value"] == pytest.approx(
        (metrics["best_return"] - metrics["wind_up_return"]) / (metrics["optimal_return"] - metrics["wind_up_return"])
    )


@pytest.mark.parametrize("action_rule", ["randomised", "greedy"])
def test_the_exported_policy_is_under_that_action_rule(action_rule: str, whole: Path) -> None:
    trained = load_trained(whole / "checkpoints" / "best_model.pt")
    trained.__dict__["returns"] = Returns(float(action_rule == "randomised"), 0.5)  # as if it were the better one
    probabilities = trained.policy(np.linspace(0, 2, 50), 1.0).mode_probabilities
    assert set(np.unique(probabilities)) <= {0.0, 1.0} or action_rule == "randomised"
    assert (np.unique(probabilities).size > 2) == (action_rule == "randomised")


def test_one_step_trains(tmp_path: Path) -> None:
    """With T = dt one of the two time nodes is never met; what memory held there must not be learned from."""
    found = []
    for name in ("one", "again"):
        for settings in ({"baseline": "network"}, {"baseline": "exact"}, {"learner": "model_free"}):
            directory = tmp_path / name / str(len(found))
            with poisoned_memory():
                assert train(config(directory, dt=0.05, T=0.05, **settings)) == ExitStatus.COMPLETED
            found.append(state_bytes(directory / "checkpoints" / "final_model.pt", "policy"))
    assert found[:3] == found[3:]


@contextlib.contextmanager
def poisoned_memory() -> Iterator[None]:
    """New arrays hold what no computation survives, until they are written."""
    empty = np.empty

    def poisoned(*arguments: Any, **named: Any) -> Any:
        array = empty(*arguments, **named)
        if array.dtype.kind == "f":
            array.fill(np.nan)
        return array

    with patch("numpy.empty", poisoned):
        yield


UNIT = 100.0


def in_units(factor: float, **other: float) -> GHMModel:
    """The default model with cash counted in units a ``factor``-th as large."""
    default = GHMModel()
    scaled = {name: factor * getattr(default, name) for name in ("alpha", "sigma_x", "fixed_cost", "c_max")}
    return dataclasses.replace(default, **(scaled | other))


@pytest.mark.parametrize("learner", [{"baseline": "network"}, {"baseline": "exact"}, {"learner": "model_free"}])
def test_training_does_not_depend_on_the_unit_of_cash(learner: dict[str, Any], tmp_path: Path) -> None:
    """The same policy in other units, up to the rounding of single precision, which a few iterations magnify tenfold each."""
    models = {"euro": in_units(1.0), "cent": in_units(UNIT), "wrong": in_units(UNIT, fixed_cost=0.002)}
    policies, captured = {}, {}
    for name, model in models.items():
        settings = {"n_iterations": 8, "n_trajectories": 200, "model": model, "lr_policy": 0.01} | learner
        assert train(config(tmp_path / name, **settings)) == ExitStatus.COMPLETED
        trained = load_trained(tmp_path / name / "checkpoints" / "final_model.pt")
        policies[name], captured[name] = trained.drawn_policy, history(tmp_path / name)[-1]["captured_value"]
    cash = np.linspace(0.0, 2.0, 101)
    found = {
        name: [policies[name](cash * (1 if name == "euro" else UNIT), tau) for tau in (0.1, 1.0, 2.0)]
        for name in models
    }

    def difference(name: str) -> float:
        """Largest difference of a probability, or of a median level as a share of c̄."""
        worst = 0.0
        for one, other in zip(found["euro"], found[name], strict=True):
            worst = max(worst, float(np.abs(one.mode_probabilities - other.mode_probabilities).max()))
            for level in ("median_payout_level", "median_issue_target"):
                worst = max(worst, float(np.abs(getattr(one, level) - getattr(other, level) / UNIT).max() / 2.0))
        return worst

    assert difference("cent") < 2e-3
    assert captured["cent"] == pytest.approx(captured["euro"], abs=1e-3)
    assert difference("wrong") > 2 * difference("cent")


LEARNERS: dict[str, dict[str, Any]] = {
    "model_based": {},
    "after_state": {"learner": "model_free"},
    "gae": {"learner": "model_free", "estimator": "gae"},
}


@pytest.fixture(scope="module", params=LEARNERS)
def learner(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings that choose one."""
    return LEARNERS[request.param]


@pytest.fixture(scope="module")
def whole_of(learner: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of that learner from beginning to end."""
    directory = tmp_path_factory.mktemp("whole")
    assert train(config(directory, **learner)) == ExitStatus.COMPLETED
    return directory


@pytest.mark.parametrize("name", ["step_000004.pt", "step_000008.pt"])
def test_resuming_equals_running_through(name: str, learner: dict[str, Any], whole_of: Path, tmp_path: Path) -> None:
    shutil.copytree(whole_of, tmp_path, dirs_exist_ok=True)  # with a later history, to be forgotten
    final = "checkpoints/final_model.pt"
    (tmp_path / final).unlink()
    settings = config(tmp_path, resume=tmp_path / "checkpoints" / name, **learner)
    assert train(settings) == ExitStatus.COMPLETED
    assert state_bytes(tmp_path / final) == state_bytes(whole_of / final)
    assert history(tmp_path) == history(whole_of)
    assert state_bytes(tmp_path / final) != state_bytes(tmp_path / "checkpoints" / name), (
        "the comparison sees a difference"
    )


@pytest.fixture
def heeding_hang_ups() -> Iterator[None]:
    """Under nohup the hang-up is ignored, and a run outlives its terminal; here it does not."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heeding_hang_ups")
@pytest.mark.parametrize(
    ("learner", "signals"),
    [
        *((learner, ["SIGTERM"]) for learner in LEARNERS),
        *(("model_based", s) for s in (["SIGTERM"] * 3, ["SIGHUP"] * 2, ["SIGTERM", "SIGHUP"], ["SIGINT"] * 2)),
    ],
    indirect=["learner"],
)
def test_a_terminated_run_goes_on_where_it_stopped(
    signals: list[str], learner: dict[str, Any], whole_of: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn, iterations = Learner.learn, itertools.count(1)

    def terminated_at_6(self: Learner, *arguments: Any, **named: Any) -> Any:
        if next(iterations) == 6:
            # The sender and the search both tell a trial, the kernel and the shell both hang up.
            for name in signals:
                os.kill(os.getpid(), signal.Signals[name])
        return learn(self, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Learner, "learn", terminated_at_6)
        assert train(config(tmp_path, **learner)) == ExitStatus.INTERRUPTED
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["status"], result["iterations"]) == ("interrupted", 6)
    latest = tmp_path / "checkpoints" / "latest.pt"
    assert Checkpoint.load(latest).standing.iteration == 6
    assert train(config(tmp_path, resume=latest, **learner)) == ExitStatus.COMPLETED
    final = "checkpoints/final_model.pt"
    assert state_bytes(tmp_path / final) == state_bytes(whole_of / final)
    assert history(tmp_path) == history(whole_of)


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a search"])
def test_a_second_ctrl_c_ends_a_training_at_once_unless_a_search_decides(
    alone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of a second later it is another one; to end at once is to end as without handlers."""
    learn, iterations, ended = Learner.learn, itertools.count(1), list[int]()

    def stopped_twice(self: Learner, *arguments: Any, **named: Any) -> Any:
        if (iteration := next(iterations)) == 6:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.25)
            os.kill(os.getpid(), signal.SIGINT)
        ended.append(iteration)
        return learn(self, *arguments, **named)

    monkeypatch.setattr(Learner, "learn", stopped_twice)
    monkeypatch.setattr("ghm.training.main._end", lambda: ended.append(-1))
    settings = config(tmp_path, parent_pid=None if alone else os.getppid())
    if alone:
        with pytest.raises(KeyboardInterrupt):
            train(settings)
        assert ended == [1, 2, 3, 4, 5, -1]
    else:
        assert train(settings) == ExitStatus.INTERRUPTED
        assert ended == [1, 2, 3, 4, 5, 6], "its iteration ends first"


def test_a_run_whose_search_is_gone_ends_with_its_iteration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn, iterations, parent = Learner.learn, itertools.count(1), os.getppid()

    def orphaned_at_6(self: Learner, *arguments: Any, **named: Any) -> Any:
        if next(iterations) == 6:
            monkeypatch.setattr(os, "getppid", lambda: 1)
        return learn(self, *arguments, **named)

    monkeypatch.setattr(Learner, "learn", orphaned_at_6)
    assert train(config(tmp_path, parent_pid=parent, figures="none")) == ExitStatus.INTERRUPTED
    assert history(tmp_path)[-1]["iteration"] == 6
    assert Checkpoint.load(tmp_path / "checkpoints/latest.pt").standing.iteration == 4, "what a search will go on from"
    assert not (tmp_path / "result.json").exists()


def test_the_newest_numbered_checkpoints_stay(tmp_path: Path) -> None:
    directory = tmp_path / "checkpoints"
    directory.mkdir()
    for name in ("step_999999.pt", "step_1000000.pt"):  # as text, the first is the larger
        (directory / name).touch()
    trial = config(
        tmp_path, keep_checkpoints=2, n_iterations=4, parent_pid=os.getppid()
    )  # a search keeps its trials apart
    assert train(trial) == ExitStatus.COMPLETED
    assert {path.name for path in directory.glob("step_*")} == {"step_999999.pt", "step_1000000.pt"}
    assert train(config(tmp_path / "b", keep_checkpoints=2)) == ExitStatus.COMPLETED
    assert {path.name for path in (tmp_path / "b").rglob("step_*")} == {"step_000008.pt", "step_000012.pt"}


@pytest.mark.parametrize("where", ["gradient", "network"])
def test_what_is_not_finite_ends_the_run_as_diverged(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimate, learn = GradientEstimator.__call__, Learner.learn

    def damaged_estimate(self: GradientEstimator, tables: Any, values: Any, iteration: int) -> Any:
        result = estimate(self, tables, values, iteration)
        return dataclasses.replace(result, simulated_return=float("nan")) if iteration == 7 else result

    iterations = itertools.count(1)

    def damaged_network(self: Learner, *arguments: Any, **named: Any) -> Any:
        figures = learn(self, *arguments, **named)
        if next(iterations) == 7:
            with torch.no_grad():
                self.value.parameters.fill_(float("inf"))
        return figures

    if where == "gradient":
        monkeypatch.setattr(GradientEstimator, "__call__", damaged_estimate)
    else:
        monkeypatch.setattr(Learner, "learn", damaged_network)
    assert train(config(tmp_path)) == ExitStatus.DIVERGED == 3
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["status"] == "diverged"
    assert "iteration 7" in result["error"]
    assert Checkpoint.load(tmp_path / "checkpoints" / "latest.pt").standing.iteration == 4, "it never trains on"


def test_other_settings_are_refused_on_resuming(whole: Path, tmp_path: Path) -> None:
    checkpoint = whole / "checkpoints" / "step_000004.pt"
    with pytest.raises(UserError, match=r"lr_policy was 0\.001, is 0\.002.*give the same ones"):
        train(config(tmp_path / "run", resume=checkpoint, lr_policy=0.002))
    assert not (tmp_path / "run").exists()


def save(content: Any, path: Path) -> None:
    """As someone who means harm would: with a good seal."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(seal_archive(buffer.getvalue()))


def test_foreign_checkpoints_are_refused(whole: Path, tmp_path: Path) -> None:
    content = torch.load(whole / "checkpoints" / "final_model.pt", weights_only=True)
    path = tmp_path / "other.pt"
    forgeries: list[tuple[Any, str]] = [
        (content | {"format": FORMAT + 1}, f"format {FORMAT + 1}; this version reads format {FORMAT}"),
        ({"state_dict": {}}, "no format number"),
        ([1, 2], "no format number"),
        ({key: value for key, value in content.items() if key != "learner"}, "lacks part of a checkpoint"),
        (content | {"config": content["config"] | {"colour": 1}}, "unknown settings"),
    ]
    for forged, message in forgeries:
        save(forged, path)
        with pytest.raises(UserError, match=message):
            Checkpoint.load(path)
    for forged in (Path("code, not data"), content | {"standing": {"iteration": [], "best": 1}}):
        save(forged, path)
        with pytest.raises(UserError, match=r"is no checkpoint|lacks part"):
            Checkpoint.load(path)
    torch.save(content, path)
    with pytest.raises(UserError, match="does not match the seal"):
        Checkpoint.load(path)
    with pytest.raises(UserError, match="no checkpoint at"):
        Checkpoint.load(tmp_path / "none.pt")


BAD_FLAGS = [
    ("--lr_policy 0", "--lr_policy must be a finite number > 0; received 0.0"),
    ("--lr_baseline nan", "--lr_baseline must be a finite number > 0; received nan"),
    ("--max_grad_norm -1", "--max_grad_norm must be a finite number > 0; received -1.0"),
    ("--entropy_weight -0.1", "--entropy_weight must be a finite number >= 0; received -0.1"),
    ("--action_reg_weight inf", "--action_reg_weight must be a finite number >= 0; received inf"),
    ("--n_trajectories 0", "--n_trajectories must be a whole number >= 1 and <= 1000000; received 0"),
    ("--policy_hidden 0", "--policy_hidden must be a whole number >= 1 and <= 8192; received 0"),
    ("--value_hidden 64 9000", "--value_hidden must be a whole number >= 1 and <= 8192; received 9000"),
    ("--n_iterations 0", "--n_iterations must be a whole number >= 1 and <= 1000000000; received 0"),
    ("--eval_freq 0", "--eval_freq must be a whole number >= 1 and <= 1000000000; received 0"),
    ("--ckpt_freq 0", "--ckpt_freq must be a whole number >= 1 and <= 1000000000; received 0"),
    ("--keep_checkpoints 0", "--keep_checkpoints must be a whole number >= 1 and <= 1000000000; received 0"),
    ("--seed -1", "--seed must be a whole number >= 0"),
    ("--dt 0", "dt must be a finite number > 0; received 0.0"),
    ("--T 1 --dt 0.3", "T must be a whole multiple of dt; received T=1, dt=0.3; try T=0.9"),
    ("--dt 1e-9", "raise dt"),
    ("--model.r 0", "raise r or lower mu"),
    ("--resume nowhere.pt", "no checkpoint at nowhere.pt"),
    ("--log_dir /dev/null/logs", "--log_dir /dev/null/logs cannot be written"),
    ("--estimator best", "estimator"),
]
if not torch.cuda.is_available():
    BAD_FLAGS.append(("--device cuda", "use --device cpu"))


@pytest.mark.parametrize(("flags", "message"), BAD_FLAGS)
def test_bad_values_are_refused_with_one_message(
    flags: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main(flags.split())
    except SystemExit as end:
        status = int(end.code or 0)
    except UserError as error:  # where the settings are made
        pytest.fail(f"a traceback would be shown: {error}")
    errors = capsys.readouterr().err
    assert status == ExitStatus.USER_ERROR == 2
    assert message in " ".join(errors.replace("│", " ").split())
    assert "Traceback" not in errors
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"resume": "damaged"}, ExitStatus.UNUSABLE_CHECKPOINT),
        ({"resume": "damaged best"}, ExitStatus.UNUSABLE_CHECKPOINT),
        ({"resume": "of other settings"}, ExitStatus.UNUSABLE_CHECKPOINT),
        ({"log_dir": Path("/dev/null/logs")}, ExitStatus.INFRASTRUCTURE),
        ({"device": "cuda"}, ExitStatus.INFRASTRUCTURE),
    ],
    ids=lambda value: str(value),
)
def test_in_a_search_a_refusal_is_not_a_users_mistake(
    settings: dict[str, Any], status: ExitStatus, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search takes status 7 for a reason to train anew, so a lost GPU or directory must not have it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    shutil.copytree(whole / "checkpoints", tmp_path / "checkpoints")
    latest, best = tmp_path / "checkpoints/latest.pt", tmp_path / "checkpoints/best_model.pt"
    damaged = {"damaged": latest, "damaged best": best}.get(settings.get("resume", ""))
    if damaged is not None:
        data = bytearray(damaged.read_bytes())
        data[len(data) // 2] ^= 16
        damaged.write_bytes(data)
    changed = {"lr_policy": 0.5} if settings.get("resume") == "of other settings" else {}
    asked = settings | ({"resume": latest} if "resume" in settings else {}) | changed
    for parent, expected in ((os.getppid(), status), (None, ExitStatus.USER_ERROR)):
        monkeypatch.setattr("tyro.cli", lambda *_, parent=parent, **__: config(tmp_path, **asked, parent_pid=parent))
        assert main([]) == expected


def test_a_bit_flipped_anywhere_in_a_checkpoint_is_noticed(whole: Path, tmp_path: Path) -> None:
    """Of 400 flips, 374 loaded before checkpoints were sealed, most of them with other weights."""
    good = (whole / "checkpoints" / "latest.pt").read_bytes()
    path = tmp_path / "flipped.pt"
    for bit in np.random.default_rng(5).integers(8 * len(good), size=400):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << int(bit % 8)
        path.write_bytes(flipped)
        with pytest.raises(UserError, match=r"flipped\.pt is no checkpoint, or a damaged one"):
            Checkpoint.load(path)
    path.write_bytes(good)
    assert Checkpoint.load(path).standing.iteration == 12
