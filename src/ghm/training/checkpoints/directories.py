"""Where a run leaves its record: never over that of another run."""

import dataclasses
import itertools
import shlex
from pathlib import Path

from ghm.errors import UserError
from ghm.training.settings import TrainConfig

_DEFAULT = TrainConfig()


def own_directories(config: TrainConfig) -> TrainConfig:
    """The settings with directories in which nothing of another run's would be overwritten or mixed.

    With the default directories a run that finds a record there gets the next free ones (``runs/train-2`` and so on), or
    with ``--resume`` those of the run that it continues. A search's trials are left as they are: the search keeps them apart.

    Raises:
        UserError: when a directory that the user chose holds another run's record.
    """
    if config.parent_pid is not None or _continues(config):
        return config
    if not _chosen(config):
        if config.resume is not None and (own := _default_run_of(config.resume)) is not None:
            return _in(config, own)
        home = _DEFAULT.ckpt_dir.parent
        numbered = (home.with_name(f"{home.name}-{number}") for number in itertools.count(2))
        return next(moved for run in itertools.chain([home], numbered) if not found(moved := _in(config, run)))
    if there := found(config):
        latest = config.ckpt_dir / "latest.pt"
        go_on = f"continue that run (--resume {shlex.quote(str(latest))}), " if latest.is_file() else ""
        raise UserError(
            f"{there[0]} is of another run, which this one would overwrite; choose other places, such as {_free(config)}, "
            f"{go_on}or remove it"
        )
    return config


def follow_own_links(config: TrainConfig) -> TrainConfig:
    """The settings with the user's links followed, once: while it runs, a run writes through none (`ghm.io.atomic`)."""
    places = (config.ckpt_dir, config.ckpt_dir.parent, config.result_path.parent)
    if config.parent_pid is not None or not any(place.is_symlink() for place in places):
        return config
    result = config.result_path.parent.resolve() / config.result_path.name
    return dataclasses.replace(config, ckpt_dir=config.ckpt_dir.resolve(), result_file=result)


def _free(config: TrainConfig) -> str:
    """Flags that put the run into a folder of its own: the result and the history lie beside the checkpoint directory."""
    home = config.ckpt_dir.parent
    for number in itertools.count(2):
        run = home / f"run-{number}"
        result = None if config.result_file is None else run / config.result_file.name
        moved = dataclasses.replace(_in(config, run), result_file=result)
        if not found(moved):
            break
    flags = f"--ckpt_dir {shlex.quote(str(moved.ckpt_dir))} --log_dir {shlex.quote(str(moved.log_dir))}"
    return flags if result is None else f"{flags} --result_file {shlex.quote(str(result))}"


def found(config: TrainConfig) -> list[Path]:
    """Files of another run that this one would write over, or mix its own with."""
    files = [file for file in (config.result_path, config.history_path) if file.exists()]
    return [*files, *sorted(config.ckpt_dir.glob("*.pt")), *sorted(config.log_dir.glob("*tfevents*"))]


def _chosen(config: TrainConfig) -> bool:
    """Whether the user said where this run's record goes."""
    return any(getattr(config, name) != getattr(_DEFAULT, name) for name in ("log_dir", "ckpt_dir", "result_file"))


def _in(config: TrainConfig, run: Path) -> TrainConfig:
    return dataclasses.replace(config, log_dir=run / _DEFAULT.log_dir.name, ckpt_dir=run / _DEFAULT.ckpt_dir.name)


def _continues(config: TrainConfig) -> bool:
    """Whether the run goes on in the directory of the checkpoint that it continues from."""
    return config.resume is not None and config.resume.parent.resolve() == config.ckpt_dir.resolve()


def _default_run_of(checkpoint: Path) -> Path | None:
    """The run under the default directories that a checkpoint belongs to; None where it is of elsewhere."""
    home = _DEFAULT.ckpt_dir.parent
    run = checkpoint.resolve().parent.parent
    named = run.name == home.name or run.name.startswith(f"{home.name}-")
    return home.with_name(run.name) if named and run.parent == home.parent.resolve() else None
