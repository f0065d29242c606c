"""One trial: its number, its settings, and where its files lie."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from ghm.search.settings.config import SearchConfig
from ghm.search.settings.space import NAMES, hyperparameters_dict
from ghm.training.config import Hyperparameters, TrainConfig

OUTCOME_NAME = "outcome.json"

_DIRECTORY = re.compile(r"trial_(\d{3,7})\Z")


@dataclass(frozen=True)
class Trial:
    """A trial of a search."""

    number: int
    """k, numbered from 1."""
    config: TrainConfig
    """Settings of its training run; ``seed`` is seed_base + k."""

    @property
    def label(self) -> str:
        """How messages name the trial."""
        return f"[Trial {self.number}]"

    @property
    def directory(self) -> Path:
        """The trial's own directory."""
        return self.config.ckpt_dir.parent

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The eight hyperparameters."""
        return Hyperparameters(**{name: getattr(self.config, name) for name in NAMES})

    @property
    def checkpoint(self) -> Path:
        """Where an interrupted run continues from."""
        return self.config.ckpt_dir / "latest.pt"

    @property
    def hyperparameters_path(self) -> Path:
        """The eight hyperparameters as JSON."""
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


def make_trial(config: SearchConfig, results_dir: Path, number: int, hyperparameters: Hyperparameters) -> Trial:
    """Trial ``number`` of the search, with its directories under ``results_dir``."""
    training = config.training(**hyperparameters_dict(hyperparameters), seed=config.seed_base + number)
    return relocated(Trial(number, training), results_dir)


def relocated(trial: Trial, results_dir: Path) -> Trial:
    """The trial with its directories under ``results_dir``, to be started from its beginning."""
    directory = results_dir / directory_name(trial.number)
    config = dataclasses.replace(
        trial.config,
        log_dir=directory / "logs",
        ckpt_dir=directory / "checkpoints",
        result_file=directory / "result.json",
        reference_file=results_dir / "reference.npz",
        resume=None,
        parent_pid=None,
        progress="plain",
    )
    return Trial(trial.number, config)


def directory_name(number: int) -> str:
    """``trial_001`` and so on."""
    return f"trial_{number:03d}"


def directory_number(name: str) -> int | None:
    """The trial number in a directory's name; None if it is no trial's."""
    match = _DIRECTORY.match(name)
    return int(match.group(1)) if match and directory_name(int(match.group(1))) == name else None
