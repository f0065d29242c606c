"""Command lines: of a trial's process, and those that the user is shown."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from ghm.economics.model import GHMModel
from ghm.io.platforms import PYTHON
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.configurations import configured
from ghm.training.settings import Hyperparameters, TrainConfig

TRAINING_SCRIPT = "scripts/train_monte_carlo_ghm_time_augmented.py"
SEARCH_SCRIPT = "scripts/hyperparameter_search.py"

# What a search finds is trained longer and with a seed that no trial had, as the documentation's example does:
# 20,000 iterations after trials of 5,000.
VERIFICATION_FACTOR = 4
VERIFICATION_SEED = 999
VERIFICATION_RUNS = Path("runs")

_SETTINGS = tuple(field.name for field in dataclasses.fields(TrainConfig))


def training_command() -> list[str]:
    """The command that starts a training run: the script of this checkout, or the installed package's module."""
    script = Path(__file__).resolve().parents[4] / TRAINING_SCRIPT
    return [*PYTHON, str(script)] if script.is_file() else [*PYTHON, "-m", "ghm.training"]


def training_arguments(config: TrainConfig, names: Sequence[str] = _SETTINGS) -> list[str]:
    """The flags that give the settings ``names`` of ``config``; numbers read back as the same bits."""
    arguments: list[str] = []
    for name in names:
        value = getattr(config, name)
        if name == "model":
            for parameter in value.names():
                arguments += [f"--model.{parameter}", _text(getattr(value, parameter))]
        elif value is not None and value != ():
            arguments += [f"--{name}", *(map(_text, value) if isinstance(value, tuple) else [_text(value)])]
    return arguments


def verification_command(config: SearchConfig, best: Hyperparameters, model: GHMModel | None = None) -> str:
    """The command that trains the configuration ``best`` of a search longer, with another seed, on ``model`` or its own."""
    long = dataclasses.replace(
        config, n_iterations=VERIFICATION_FACTOR * config.n_iterations, model=model or config.model
    )
    longer = configured(long.training(), best, seed=VERIFICATION_SEED)
    decisive = (
        "dt", "T", "terminal", "learner", "estimator", "baseline", "gae_lambda", "critic_memory", "select", "device", "model"
    )  # fmt: skip
    changed = [name for name in decisive if getattr(longer, name) != getattr(TrainConfig(), name)]
    names = dict.fromkeys((*vars(best), "n_iterations", "seed", *changed))
    run = VERIFICATION_RUNS / f"best-of-{config.results_dir.name}"
    kept = ["--log_dir", str(run / "logs"), "--ckpt_dir", str(run / "checkpoints")]
    return shlex.join([*_front(TRAINING_SCRIPT, "train"), *training_arguments(longer, tuple(names)), *kept])


def check_command(config: SearchConfig) -> str:
    """The command that checks the solution of a search's own problem."""
    training = config.training()
    changed = [
        name for name in ("dt", "T", "terminal", "model") if getattr(training, name) != getattr(TrainConfig(), name)
    ]
    return shlex.join(["ghm", "solve", "--check", *training_arguments(training, changed)])


def _front(script: str, command: str) -> list[str]:
    """What starts a command here: the documented script where the user stands in the checkout, else the installed command."""
    return ["python", script] if Path(script).is_file() else ["ghm", command]


def resume_command(results_file: Path) -> str:
    """The command that continues a search."""
    return shlex.join([*_front(SEARCH_SCRIPT, "search"), "--resume", str(results_file)])


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
