"""Event files, read back with TensorBoard's own reader and its HParams plugin."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from ghm.search import SearchSpace
from ghm.search.methods.registry import make_proposal
from ghm.search.settings.config import SearchConfig
from ghm.search.trials.trial import make_trial
from ghm.solvers.dynamic_program import dynamic_program
from ghm.training.logging.progress import TrainingView
from ghm.training.logging.tensorboard import EventLog
from ghm.training.settings import SEARCHABLE, TrainConfig
from ghm.training.trainer import Interrupted, Paused, Trainer


def read(log_dir: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(log_dir), size_guidance={"scalars": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def hparams(accumulator: EventAccumulator, tag: str) -> plugin_data_pb2.HParamsPluginData:
    content = accumulator.summary_metadata[tag].plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(content)


def test_scalars_and_missing_figures(tmp_path: Path) -> None:
    with EventLog(tmp_path, TrainConfig()) as log:
        log.history({"iteration": 100, "simulated_return": 6.1, "exact_return": None, "seconds": 3.0})
        log.history(
            {
                "iteration": 200,
                "simulated_return": 6.2,
                "exact_return": 6.5,
                "payout_level": 0.2,
                "optimal_payout_level": 0.19,
            }
        )
    events = read(tmp_path)
    assert [(e.step, round(e.value, 5)) for e in events.Scalars("return/simulated")] == [(100, 6.1), (200, 6.2)]
    assert [e.step for e in events.Scalars("return/exact")] == [200]
    assert events.Scalars("payout_level/optimal")[0].value == pytest.approx(0.19)


def test_both_action_rules_and_what_becomes_of_a_firm_are_there(tmp_path: Path) -> None:
    with EventLog(tmp_path, TrainConfig()) as log:
        log.history({"iteration": 3, "randomised_return": 6.4, "greedy_return": 6.6})
        log.finish({"issues": 1.6, "payouts": 150.0, "years": 9.9, "early_liquidation": 0.05}, success=True)
    events = read(tmp_path)
    shown = {"return/randomised": 6.4, "return/greedy": 6.6, "final/issues": 1.6, "final/early_liquidation": 0.05}
    for tag, value in shown.items():
        assert events.Scalars(tag)[0].value == pytest.approx(value)


def test_figure_is_readable_image(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 1), dpi=100)
    figure.subplots().plot([1, 2])
    with EventLog(tmp_path, TrainConfig()) as log:
        log.figure("policy", figure, 7)
    (image,) = read(tmp_path).Images("policy")
    assert image.step == 7
    assert Image.open(io.BytesIO(image.encoded_image_string)).size == (200, 100) == (image.width, image.height)


@pytest.mark.parametrize(("success", "status"), [(True, "STATUS_SUCCESS"), (False, "STATUS_FAILURE")])
def test_hparams_dashboard_has_values_metrics_and_end(tmp_path: Path, success: bool, status: str) -> None:
    config = TrainConfig(lr_policy=3e-4, policy_hidden=(64, 32), learner="model_free", gae_lambda=0.125)
    with EventLog(tmp_path, config) as log:
        log.history({"iteration": 300, "simulated_return": 6.2})
        log.finish({"captured_value": 0.9, "best_return": 6.5, "final_return": None}, success)
    events = read(tmp_path)
    start = hparams(events, metadata.SESSION_START_INFO_TAG).session_start_info
    assert start.hparams["lr_policy"].number_value == 3e-4
    assert start.hparams["policy_hidden"].string_value == "64x32"
    assert start.hparams["gae_lambda"].number_value == 0.125
    assert start.hparams["estimator"].string_value == "after_state"
    assert set(start.hparams) == {*SEARCHABLE}
    experiment = hparams(events, metadata.EXPERIMENT_TAG).experiment
    assert {info.name for info in experiment.hparam_infos} == set(start.hparams)
    end = hparams(events, metadata.SESSION_END_INFO_TAG).session_end_info
    assert end.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[end.status].name == status
    tags = {info.name.tag for info in experiment.metric_infos}
    assert "final/captured_value" in tags
    (captured,) = events.Scalars("final/captured_value")
    (missing,) = events.Scalars("final/log10_gap")
    assert missing.value == pytest.approx(-1.0), "a tenth is missing"
    assert (captured.step, captured.value) == (300, pytest.approx(0.9))
    assert "final/final_return" not in events.Tags()["scalars"]


def session_groups(logdir: Path) -> list[Any]:
    """Rows of the HParams dashboard, from its own request handler."""
    from tensorboard import context as context_module
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(logdir))
    context = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    request_context = context_module.RequestContext()
    experiment = context.experiment_from_metadata(
        request_context,
        "",
        True,
        context.hparams_metadata(request_context, ""),
        context.hparams_from_data_provider(request_context, "", 0),
    )
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=10,
        include_metrics=True,
        aggregation_type=api_pb2.AGGREGATION_AVG,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING],
        col_params=[api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos],
    )
    return list(list_session_groups.Handler(request_context, context, "", request).run().session_groups)


def captured(group: Any) -> float:
    return float({value.name.tag: value.value for value in group.metric_values}["final/captured_value"])


def test_hparams_table_of_two_trials_through_tensorboards_own_plugin(tmp_path: Path) -> None:
    """The dashboard lists both trials with their values and metrics."""
    for trial, rate in ((1, 1e-3), (2, 3e-4)):
        (directory := tmp_path / f"trial_{trial:03d}").mkdir()
        with EventLog(directory / "logs", TrainConfig(lr_policy=rate)) as log:
            log.finish({"captured_value": trial / 10, "best_return": 6.0}, True)
    found = {group.hparams["lr_policy"].number_value: captured(group) for group in session_groups(tmp_path)}
    assert found == {1e-3: pytest.approx(0.1), 3e-4: pytest.approx(0.2)}


def test_the_dashboard_has_whatever_a_search_varies(tmp_path: Path) -> None:
    """Settings beside the eight hyperparameters, drawn from ranges and lists, as trials are given them by a search."""
    space = SearchSpace.from_dict(
        {
            "lr_policy": {"low": 1e-5, "high": 1e-1, "log": True},
            "gae_lambda": {"low": 0.8, "high": 1.0},
            "critic_memory": {"low": 0.05, "high": 1.0, "log": True},
            "policy_hidden": {"layers": {"low": 1, "high": 3}, "width": {"low": 16, "high": 256, "log": True}},
            "learner": ["model_free"],
            "estimator": ["gae", "after_state"],
            "baseline": ["returns"],
            "select": ["exact", "simulated"],
        }
    ).choices()
    propose = make_proposal("random", space, 123)
    drawn = {}
    for number in range(1, 7):
        trial = make_trial(SearchConfig(), tmp_path, number, propose(number, []))
        trial.directory.mkdir()
        drawn[number] = vars(trial.hyperparameters)
        with EventLog(trial.config.log_dir, trial.config) as log:
            log.finish({"captured_value": number / 10, "best_return": 6.0}, True)
    shown = {
        round(10 * captured(group)): {
            name: value.number_value if value.HasField("number_value") else value.string_value
            for name, value in group.hparams.items()
        }
        for group in session_groups(tmp_path)
    }
    for number, values in drawn.items():
        assert {name: shown[number][name] for name in values} == {
            name: "x".join(map(str, value)) if isinstance(value, tuple) else value for name, value in values.items()
        }


def test_a_configurations_seeds_are_one_row_of_the_dashboard(tmp_path: Path) -> None:
    """With the mean of their figures; a configuration of another name is a row of its own."""
    for trial, group in ((1, "configuration 1"), (2, "configuration 1"), (3, "configuration 2")):
        (directory := tmp_path / f"trial_{trial:03d}").mkdir()
        with EventLog(directory / "logs", TrainConfig(seed=trial, group=group)) as log:
            log.finish({"captured_value": trial / 10, "best_return": 6.0}, True)
    found = {group.name: (len(group.sessions), captured(group)) for group in session_groups(tmp_path)}
    assert found == {"configuration 1": (2, pytest.approx(0.15)), "configuration 2": (1, pytest.approx(0.3))}


def test_a_resumed_run_replaces_what_the_interrupted_one_logged_beyond_its_checkpoint(tmp_path: Path) -> None:
    with EventLog(tmp_path, TrainConfig()) as log:
        for iteration in (100, 200, 300):
            log.history({"iteration": iteration, "simulated_return": 1.0})
    with EventLog(tmp_path, TrainConfig(), start_iteration=200) as log:
        for iteration in (300, 400):
            log.history({"iteration": iteration, "simulated_return": 2.0})
    values = [(event.step, event.value) for event in read(tmp_path).Scalars("return/simulated")]
    assert values == [(100, 1.0), (200, 1.0), (300, 2.0), (400, 2.0)]


def test_neither_tensorflow_nor_matplotlib_is_imported(tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from ghm.training.settings import TrainConfig
from ghm.solvers.dynamic_program import dynamic_program
from ghm.training.logging.progress import TrainingView
from ghm.training.logging.tensorboard import EventLog
assert "tensorboard" not in sys.modules
EventLog(Path({str(tmp_path)!r}), TrainConfig()).close()
assert not {{"tensorflow", "matplotlib", "torch"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("how", ["paused", "interrupted"])
def test_a_run_that_stops_before_its_end_leaves_the_figures_it_reached(how: str, tmp_path: Path) -> None:
    """A trial stopped at a rung, or by --trial_timeout."""
    config = TrainConfig(
        n_iterations=6, dt=0.1, T=0.5, n_trajectories=10, policy_hidden=(4,), value_hidden=(4,), progress="none",
        log_dir=tmp_path / "logs", ckpt_dir=tmp_path / "checkpoints", pause_at=2 if how == "paused" else None,
    )  # fmt: skip
    (tmp_path / "checkpoints").mkdir()
    reference = dynamic_program(config.problem)
    asked = iter([False, False, True])
    with TrainingView(6, "none", start_iteration=0) as view:
        trainer = Trainer(config, reference, view, lambda: how == "interrupted" and next(asked))
        with pytest.raises(Paused if how == "paused" else Interrupted):
            trainer.run()
    events = read(tmp_path / "logs")
    (best,) = events.Scalars("final/best_return")
    assert (best.step, best.value) == (2, pytest.approx(trainer.standing.best_return))
    assert events.Scalars("final/captured_value")
    assert "final/failed" not in events.Tags()["scalars"], "it may go on"
