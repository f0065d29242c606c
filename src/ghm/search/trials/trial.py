"""One trial: its number, its settings, and where its files lie."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ghm.search.settings.config import SearchConfig
from ghm.search.settings.configurations import NAMES, configured, make_hyperparameters
from ghm.search.settings.trial_numbering import Instance
from ghm.training.settings import Hyperparameters, TrainConfig

OUTCOME_NAME = "outcome.json"

Stage = Literal["explore", "confirm"]

_DIRECTORY = re.compile(r"trial_(\d{3,7})\Z")


@dataclass(frozen=True)
class RungResult:
    """What a trial had reached at a rung."""

    iteration: int
    best_return: float
    """Exact return of the best policy so far."""
    captured_value: float | None
    """Share of the attainable value that it captures; None where that is undefined."""


@dataclass(frozen=True)
class Trial:
    """A trial of a search."""

    number: int
    """k, numbered from 1."""
    config: TrainConfig
    configuration: int = 0
    """Number of its configuration; by default the trial's own, as in a search of one seed and one model."""
    calibration: str | None = None
    """Name of the model that it is trained on; None: the search's own."""
    stage: Stage = "explore"
    passed: tuple[RungResult, ...] = ()
    """What it had reached at the rungs that it has passed, in order."""
    machine_failures: int = 0
    """Times that the machine failed it in earlier calls of the search."""
    searched: tuple[str, ...] = NAMES
    """Settings of its training that the search varies."""

    def __post_init__(self) -> None:
        if not self.configuration:
            object.__setattr__(self, "configuration", self.number)

    @property
    def label(self) -> str:
        """How messages name the trial."""
        return f"[Trial {self.number}]"

    @property
    def directory(self) -> Path:
        """The trial's own directory."""
        return self.config.ckpt_dir.parent

    @property
    def until(self) -> int:
        """Iteration at which it ends or pauses."""
        total = self.config.n_iterations
        return total if self.config.pause_at is None else min(self.config.pause_at, total)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """Its configuration."""
        return make_hyperparameters({name: getattr(self.config, name) for name in self.searched})

    @property
    def checkpoint(self) -> Path:
        """Where an interrupted run continues from."""
        return self.config.ckpt_dir / "latest.pt"

    @property
    def hyperparameters_path(self) -> Path:
        """Its configuration as JSON."""
        return self.directory / "hyperparameters.json"

    @property
    def outcome_path(self) -> Path:
        """The search's record of how the trial ended."""
        return self.directory / OUTCOME_NAME

    @property
    def stdout_path(self) -> Path:
        """Training output."""
        return self.directory / "stdout.log"

    @property
    def stderr_path(self) -> Path:
        """Error output."""
        return self.directory / "stderr.log"

    @property
    def history_path(self) -> Path:
        """The training's history, one JSON object a line."""
        return self.config.history_path


def make_trial(
    config: SearchConfig,
    results_dir: Path,
    number: int,
    hyperparameters: Hyperparameters,
    instance: Instance | None = None,
    configuration: int = 0,
    stage: Stage = "explore",
) -> Trial:
    """Trial ``number`` of the search: a configuration on an instance, with its directories under ``results_dir``.

    By default they are those of a search of one seed and one model: configuration ``number`` on seed_base + ``number``.
    """
    instance = instance or Instance(config.seed_base + number, None)
    configuration = configuration or number
    settings: dict[str, Any] = {"seed": instance.seed}
    name = None
    if instance.calibration is not None:
        name = instance.calibration.name
        settings["model"] = instance.calibration.model
    if stage == "confirm":
        settings |= {"n_iterations": config.confirm_iterations or config.n_iterations, "evaluate_at": ()}
    if config.n_seeds > 1 or stage == "confirm":
        parts = [f"configuration {configuration}", name, "confirmed" if stage == "confirm" else None]
        settings["group"] = ", ".join(filter(None, parts))
    training = configured(config.training(), hyperparameters, **settings)
    trial = Trial(number, training, configuration, name, stage, searched=tuple(vars(hyperparameters)))
    return relocated(trial, results_dir)


def relocated(trial: Trial, results_dir: Path) -> Trial:
    """The trial with its directories under ``results_dir``, to be started from its beginning."""
    directory = results_dir / directory_name(trial.number)
    config = dataclasses.replace(
        trial.config,
        log_dir=directory / "logs",
        ckpt_dir=directory / "checkpoints",
        result_file=directory / "result.json",
        reference_file=results_dir / reference_name(trial.calibration),
        resume=None,
        parent_pid=None,
        pause_at=None,
        progress="plain",
        figures="none",  # the report draws the best
    )
    return dataclasses.replace(trial, config=config)


def reference_name(calibration: str | None) -> str:
    """File of a model's solution in the results directory."""
    return "reference.npz" if calibration is None else f"reference_{calibration}.npz"


def card_name(calibration: str | None) -> str:
    """File of the checks of that solution."""
    return reference_name(calibration).replace(".npz", "_checks.json")


def directory_name(number: int) -> str:
    """``trial_001`` and so on."""
    return f"trial_{number:03d}"


def directory_number(name: str) -> int | None:
    """The trial number in a directory's name; None if it is no trial's."""
    match = _DIRECTORY.match(name)
    return int(match.group(1)) if match and directory_name(int(match.group(1))) == name else None
