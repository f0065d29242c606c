"""The command line of the search."""

import contextlib
import dataclasses
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from ghm.command_line import parse as parse_words
from ghm.errors import UserError, shown
from ghm.io.platforms import ExitStatus
from ghm.search.display.lines import fitting, plan_text, trials_table
from ghm.search.display.live import LiveView, PlainView
from ghm.search.display.observer import Observer
from ghm.search.display.page_writer import ReportRefresher
from ghm.search.records.directory import find_record
from ghm.search.records.journal import counted, read_journal
from ghm.search.records.reader import restored_search
from ghm.search.resolved import resumed_config
from ghm.search.search import HyperparameterSearch
from ghm.search.settings.command import file_arguments
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.configurations import NAMES
from ghm.search.settings.space import SearchSpace
from ghm.search.taking import require_continuation
from ghm.search.trials.trial import Trial

SHOWN = 5
"""Trials that a dry run shows."""

DESCRIPTION = (
    "Search the hyperparameters of training: many trainings, ranked by captured value, the share of the way from "
    "immediate liquidation to the optimum that their policies cover. A configuration is one choice of hyperparameters, "
    "a trial one training of it."
)

GROUPS = {
    "search": ("search_type", "space", "n_trials", "start_with", "learn_from", "config", "proposal_lag", "dry_run"),
    "budget and rungs": ("n_iterations", "budget", "time_limit", "rungs", "keep", "trial_timeout", "max_retries"),
    "seeds and confirmation": (
        "seed_base", "n_seeds", "top", "calibrations", "rank_by", "confirm", "confirm_seeds", "race",
        "confirm_iterations",
    ),
    "training": ("dt", "T", "terminal", "learner", "estimator", "baseline", "gae_lambda", "critic_memory", "select"),
    "execution": ("n_workers", "n_threads", "device", "executor", "dask_scheduler", "heartbeat"),
    "files and resuming": (
        "results_dir", "resume", "retry_failed", "allow_drift", "log_freq", "eval_freq", "ckpt_freq", "keep_checkpoints",
    ),
    "display": ("progress",),
}  # fmt: skip
"""How help groups the options."""


def parse(arguments: Sequence[str], prog: str | None = None) -> SearchConfig:
    """The settings that the flags give; where none is given, those of ``--config`` hold, or with ``--resume`` the recorded ones.

    Raises:
        UserError: when the search to resume cannot be found, or a flag is one of training's that the search varies.
        SystemExit: with status 2 and a message when the flags are wrong; with 0 after ``--help``.
    """
    _refuse_varied(arguments)
    resume, config = _path_of("--resume", arguments), _path_of("--config", arguments)
    if resume is not None and config is not None:
        raise UserError("--config is of a new search, and --resume has the recorded settings; leave one out")
    if config is not None:
        arguments = [*file_arguments(config), *arguments]
    # Without a default, so that a setting that follows from another is left open.
    default = None if resume is None else dataclasses.replace(resumed_config(resume), resume=None)
    return parse_words(SearchConfig, arguments, prog, default, DESCRIPTION, GROUPS)


def _refuse_varied(arguments: Sequence[str]) -> None:
    """Refuse a hyperparameter given as a flag, and say where its values go."""
    for argument in arguments:
        name = argument.partition("=")[0].removeprefix("--").replace("-", "_")
        if argument.startswith("--") and name in NAMES:
            raise UserError(
                f"--{name} is varied by the search, which has no flag for it; give the values to try in a file, --space "
                f'FILE.json with {{"{name}": [...]}}, or train one configuration with ghm train'
            )


def _path_of(option: str, arguments: Sequence[str]) -> Path | None:
    """What an option names; settings that are given with it may be in order only together with what it reads."""
    path = None  # of several, the last one counts, as for every flag
    for flag, value in zip(arguments, [*arguments, ""][1:], strict=True):
        name, equals, attached = flag.partition("=")
        if name == option:
            text = attached if equals else value
            path = None if text in ("", "None") or (not equals and text.startswith("--")) else Path(text)
    return path


def main(
    arguments: Sequence[str] | None = None,
    space: SearchSpace | None = None,
    prog: str = "ghm search",
    others: Sequence[Observer] | None = None,
    **search_options: object,
) -> int:
    """Run the command line; return its exit status.

    Args:
        arguments: flags; None: those of the process.
        space: a search space of the caller's own, used unless ``--space`` is given.
        prog: what the user called, for messages.
        others: watch the search besides its display, whatever --progress says; None: what keeps the report's page up to date.
        search_options: passed on to :class:`HyperparameterSearch`; for tests.
    """
    try:
        config = parse(sys.argv[1:] if arguments is None else arguments, prog)
        observers = [*_displays(config), *([ReportRefresher()] if others is None else others)]
        own = space if space is not None and _edited(space) and not _space_of_a_file(config) else None
        search = HyperparameterSearch(own, config, observers=observers, **search_options)  # type: ignore[arg-type]
        if config.dry_run:
            _dry_run(search)
            return 0
        outcome = search.run()
    except UserError as error:
        return _fail(str(error), ExitStatus.USER_ERROR)
    except BrokenPipeError:  # nobody reads what --help says, see `ghm.io.platforms`
        raise
    except OSError as error:
        return _fail(
            f"the search cannot go on: {error}; what was recorded is kept, see --resume", ExitStatus.INFRASTRUCTURE
        )
    _say(outcome.summary)
    return outcome.exit_status


def _edited(space: SearchSpace) -> bool:
    """Whether the caller's lists are not the documented ones; those would replace a resumed search's own."""
    return space.choices() != SearchSpace().choices()


def _space_of_a_file(config: SearchConfig) -> bool:
    """Whether the lists come from a file, of this call or of the search that it resumes."""
    return config.space is not None or (
        config.resume is not None and find_record(config.resume)[1].config.space is not None
    )


def _displays(config: SearchConfig) -> list[Observer]:
    if config.progress == "none":
        return []
    moving = config.progress == "live" or (config.progress == "auto" and sys.stdout.isatty())
    return [LiveView() if moving else PlainView()]


def _dry_run(search: HyperparameterSearch) -> None:
    resolved = search.resolved()
    if resolved.results_dir.exists() and not resolved.results_dir.is_dir():
        raise UserError(f"--results_dir {resolved.results_dir} is no directory; choose another")
    if resolved.recorded is None:
        plan, scheduler, to_run = resolved.plan(), resolved.scheduler({}), ""
    else:  # as the run itself will find it
        require_continuation(resolved)
        state = restored_search(resolved.results_dir, resolved.record())
        retry = not counted(read_journal(resolved.results_dir))
        plan = resolved.plan(state, retry)
        # What is recorded is not proposed once more: it is checked when the search runs.
        scheduler, to_run = resolved.scheduler(state.by_number, retry_machine=retry, drifted=True), " to run"
    if plan.n_pending == 0:
        _say("\n".join([*plan.notes, plan_text(plan), "Nothing left to run."]))
        return
    # What depends on outcomes cannot be shown before there are any.
    known = (
        step
        for step in itertools.takewhile(lambda step: step is not None, scheduler.steps())
        if isinstance(step, Trial)
    )
    trials = fitting(list(itertools.islice(known, min(SHOWN, plan.n_pending))))
    first = f"first {len(trials)} of {plan.n_pending:,} " if plan.n_pending > len(trials) else ""
    shown = [f"The {first}trials{to_run}:"] if trials else []
    lines = [*plan.notes, plan_text(plan), *shown, *trials_table(trials)]
    _say("\n".join([*lines, "Dry run: nothing was run, nothing written."]))


def _fail(message: str, exit_status: int) -> int:
    _write(sys.stderr, f"error: {message}\n")
    return exit_status


def _say(text: str) -> None:
    _write(sys.stdout, text + "\n")


def _write(stream: TextIO, text: str) -> None:
    """Write, if anybody is left to read: a search that ends because its terminal was closed ends well."""
    try:
        stream.write(shown(text))
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
