"""Command lines: of a trial's process, those that the user is shown, and the settings file that says the same."""

import dataclasses
import difflib
import itertools
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.io.platforms import PYTHON
from ghm.io.safe_read import MAX_GIVEN_BYTES, DamagedError, parse_toml, read_bytes
from ghm.search.settings.calibrations import Calibration
from ghm.search.settings.config import OF_ONE_CALL, SearchConfig
from ghm.search.settings.configurations import configured, plain_hyperparameters
from ghm.search.settings.space import Choices
from ghm.search.settings.trial_numbering import Extent
from ghm.training.settings import BASELINES, ESTIMATORS, Hyperparameters, TrainConfig

TRAINING_SCRIPT = "scripts/train_monte_carlo_ghm_time_augmented.py"
SEARCH_SCRIPT = "scripts/hyperparameter_search.py"

# What a search finds is trained longer and with a seed that no trial had, as the documentation's example does:
# 20,000 iterations after trials of 5,000.
VERIFICATION_FACTOR = 4
VERIFICATION_SEED = 999
VERIFICATION_RUNS = Path("runs")

_OF_FILES = [one.name for one in dataclasses.fields(SearchConfig) if one.name not in (*OF_ONE_CALL, "results_dir")]
"""Settings that a file may have."""

_READ = ("space", "calibrations", "start_with", "learn_from")
"""Settings that are files of their own, or tables in it."""

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


def settings_text(
    config: SearchConfig,
    choices: Choices,
    calibrations: Sequence[Calibration] = (),
    start_with: Sequence[Hyperparameters] = (),
    grown: Sequence[Extent] = (),
    learn_from: Mapping[str, Any] | None = None,
) -> str:
    """The settings file (TOML) that repeats a search elsewhere: all settings but where it is, its space, its calibrations.

    Of one that has grown in rungs or seeds those of its start, and the commands that made it grow.
    """
    if all((one.rungs, one.n_seeds) == ((), grown[0].n_seeds) for one in grown):
        grown = ()  # configurations alone are the same, however many calls they came in
    if grown:
        first = grown[0]
        config = dataclasses.replace(config, n_trials=first.n_trials, rungs=first.rungs, n_seeds=first.n_seeds)
    values = {name: value for name, value in config.to_dict().items() if name in _OF_FILES}
    # Files that it read are there whole; the learner's own estimator and baseline are left to the learner.
    own = {"estimator": ESTIMATORS[config.learner][0], "baseline": BASELINES[config.learner][0]}
    plain = {
        name: value
        for name, value in values.items()
        if name not in (*_READ, "model") and value not in (None, [], own.get(name))
    }
    lines = ["# ghm search --config search.toml --results_dir ELSEWHERE does this search again."]
    lines += [f"# Then: ghm search --resume ELSEWHERE {_growth_flags(*pair)}" for pair in itertools.pairwise(grown)]
    lines.append("")
    lines += [f"{name} = {_toml(value)}" for name, value in plain.items()]
    space = {name: one.to_json() for name, one in choices.items()}
    tables: dict[str, Mapping[str, Any]] = {"[model]": values["model"], "[space]": space}
    tables |= {} if learn_from is None else {"[learn_from]": learn_from}
    models = [("[[calibrations]]", one.to_dict()) for one in calibrations]
    given = [("[[start_with]]", plain_hyperparameters(one)) for one in start_with]
    for title, table in (*tables.items(), *models, *given):
        lines += ["", title, *(f"{name} = {_toml(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _growth_flags(before: Extent, after: Extent) -> str:
    """The flags by which a search grows."""
    if after.n_trials == before.n_trials and after.rungs == before.rungs:
        return f"--n_seeds {after.n_seeds}" + ("" if after.top is None else f" --top {after.top}")
    flags = [f"--n_trials {after.n_trials}"] if after.n_trials > before.n_trials else []
    flags += [f"--rungs {' '.join(map(str, after.rungs))}"] if after.rungs != before.rungs else []
    return " ".join(flags)


def file_arguments(path: Path) -> list[str]:
    """The flags that say the same as a settings file.

    Raises:
        UserError: when the file cannot be read, is not TOML, or has a name that is no setting.
    """
    try:
        content = parse_toml(read_bytes(path, MAX_GIVEN_BYTES, follow=True))
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}; give a readable TOML file") from error
    except DamagedError as error:
        raise UserError(f"--config {path}: the file is {error}; give a TOML file of settings") from error
    arguments: list[str] = []
    for name, value in content.items():
        if name not in _OF_FILES:
            close = difflib.get_close_matches(name, _OF_FILES, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise UserError(f"--config {path}: there is no setting {name!r} for a file{hint}; see ghm search --help")
        if name == "model" and isinstance(value, dict):
            arguments += [word for key, one in value.items() for word in (f"--model.{key}", _text(one))]
        elif isinstance(value, bool):
            arguments += [f"--{name}"] * value  # without it, it is off
        elif name in _READ and not isinstance(value, str):
            arguments += [f"--{name}", str(path)]
        else:
            arguments += [f"--{name}", *map(_text, value if isinstance(value, list) else [value])]
    return arguments


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # Of texts TOML differs from JSON in one character that needs an escape.
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


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
