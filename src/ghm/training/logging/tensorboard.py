"""The TensorBoard record of a training run: scalars, figures, and the run's row in the HParams dashboard.

Events are written record by record into an ordinary file. TensorBoard's own writer would start a thread and, where
TensorFlow happens to be installed, import it; a run writes some tens of numbers every ``log_freq`` iterations and needs
neither.

The HParams dashboard reads three summaries without values, whose metadata carry the content (protocol buffers of
``tensorboard.plugins.hparams``): the experiment (names of hyperparameters and metrics), the start of the session (the
values of this run) and its end (whether it succeeded). A run without an end is shown as running.
"""

import io
import math
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ghm.errors import printable
from ghm.training.logging.metrics import METRICS
from ghm.training.settings import SEARCHABLE, TrainConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TAGS = {
    "simulated_return": "return/simulated",
    "exact_return": "return/exact",
    "randomised_return": "return/randomised",
    "greedy_return": "return/greedy",
    "captured_value": "return/captured_value",
    "policy_loss": "loss/policy",
    "value_loss": "loss/value",
    "entropy": "policy/entropy",
    "policy_grad_norm": "gradient_norm/policy",
    "value_grad_norm": "gradient_norm/value",
    "payout_level": "payout_level/learned",
    "optimal_payout_level": "payout_level/optimal",
    "issue_below": "issue_below/learned",
    "optimal_issue_below": "issue_below/optimal",
    "issue_target": "issue_target/learned",
    "optimal_issue_target": "issue_target/optimal",
}
"""Tag of each figure of a line of history.jsonl: learned levels stand beside the optimal ones."""

COLUMNS = (*(metric.name for metric in METRICS if metric.dashboard), "log10_gap", "seconds")
"""Columns of the HParams dashboard besides the hyperparameters; their tags are ``final/<name>``."""

FINEST = 1e-6
"""What is missing to the optimum is resolved down to this, about as much as the optimum itself is good to."""


class EventLog:
    """Writes one run's events; a context manager that closes the file."""

    def __init__(self, log_dir: Path, config: TrainConfig, start_iteration: int = 0) -> None:
        """Open a new event file in ``log_dir`` and enter the run in the HParams dashboard.

        Args:
            log_dir: Directory of the event files, made if missing, but not those above it.
            config: Settings of the run.
            start_iteration: Iteration that the run continues from; what an interrupted run logged beyond it is
                discarded by TensorBoard.

        Raises:
            OSError: when the directory cannot be made or written.
        """
        from tensorboard.summary.writer.record_writer import RecordWriter

        log_dir.mkdir(exist_ok=True)
        # TensorBoard finds event files by "tfevents" in their names, and reads them in the order of the time after it.
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._file = (log_dir / name).open("wb")
        self._records = RecordWriter(self._file)
        self._last_iteration = start_iteration
        self._begin(config)

    def history(self, record: Mapping[str, Any]) -> None:
        """Log a line of the run's history; the optimal levels may be among its keys."""
        values = {TAGS[key]: value for key, value in record.items() if key in TAGS}
        self.scalars(int(record["iteration"]), values)

    def scalars(self, iteration: int, values: Mapping[str, float | None]) -> None:
        """Log numbers by tag; a missing figure (None) is left out, a non-finite one is shown as such."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        present = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if value is not None]
        if present:
            self._write(iteration, summary=Summary(value=present))

    def figure(self, tag: str, figure: "Figure", iteration: int) -> None:
        """Log a Matplotlib figure as an image."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from tensorboard.compat.proto.summary_pb2 import Summary

        canvas = FigureCanvasAgg(figure)
        png = io.BytesIO()
        figure.savefig(png, format="png")
        width, height = canvas.get_width_height()
        image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png.getvalue())
        self._write(iteration, summary=Summary(value=[Summary.Value(tag=tag, image=image)]))

    def reached(self, metrics: Mapping[str, Any]) -> None:
        """Log the figures of a run that stops where it is; it may go on, so it has no end."""
        finals = {f"final/{name}": metrics.get(name) for name in COLUMNS}
        captured = metrics.get("captured_value")
        if captured is not None:
            # One ruined trial at -100 leaves those from 0.97 to 0.99 one point on an axis of captured value, not on this.
            finals["final/log10_gap"] = math.log10(max(1.0 - captured, FINEST))
        self.scalars(self._last_iteration, finals)

    def finish(self, metrics: Mapping[str, Any], success: bool) -> None:
        """Log the run's final figures and its end."""
        from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

        self.reached(metrics)
        self.scalars(self._last_iteration, {"final/failed": 0.0 if success else 1.0})
        status = api_pb2.STATUS_SUCCESS if success else api_pb2.STATUS_FAILURE
        end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
        self._hparams(metadata.SESSION_END_INFO_TAG, session_end_info=end)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, config: TrainConfig) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.plugins.hparams import metadata, plugin_data_pb2

        self._write(0, file_version="brain.Event:2")
        if self._last_iteration:
            # TensorBoard drops what earlier files hold at and beyond this step.
            self._write(self._last_iteration + 1, session_log=SessionLog(status=SessionLog.START))
        values = hyperparameter_values(config)
        self._hparams(metadata.EXPERIMENT_TAG, experiment=_experiment(values))
        start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time(), group_name=printable(config.group or ""))
        for name, value in values.items():
            kind = "number_value" if isinstance(value, float) else "string_value"
            setattr(start.hparams[name], kind, value)
        self._hparams(metadata.SESSION_START_INFO_TAG, session_start_info=start)

    def _hparams(self, tag: str, **content: Any) -> None:
        """Write a summary that carries HParams data in its metadata."""
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams import metadata, plugin_data_pb2

        plugin_data = plugin_data_pb2.HParamsPluginData(**content)
        value = Summary.Value(
            tag=tag, metadata=metadata.create_summary_metadata(plugin_data), tensor=metadata.NULL_TENSOR
        )
        self._write(0, summary=Summary(value=[value]))

    def _write(self, step: int, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._last_iteration = max(self._last_iteration, step)
        self._records.write(Event(wall_time=time.time(), step=step, **content).SerializeToString())
        self._records.flush()


def hyperparameter_values(config: TrainConfig) -> dict[str, float | str]:
    """Every setting that a search may vary as one of the dashboard's two types: a number, or text such as 64x64 or gae."""
    values: dict[str, float | str] = {}
    for name in SEARCHABLE:
        value = getattr(config, name)
        text = "x".join(map(str, value)) if isinstance(value, tuple) else value
        values[name] = text if isinstance(text, str) else float(text)
    return values


def _experiment(values: Mapping[str, float | str]) -> Any:
    """The dashboard's columns: hyperparameters, then metrics."""
    from tensorboard.plugins.hparams import api_pb2

    return api_pb2.Experiment(
        hparam_infos=[
            api_pb2.HParamInfo(
                name=name,
                type=api_pb2.DATA_TYPE_FLOAT64 if isinstance(value, float) else api_pb2.DATA_TYPE_STRING,
            )
            for name, value in values.items()
        ],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=f"final/{name}"), display_name=name.replace("_", " "))
            for name in COLUMNS
        ],
    )
