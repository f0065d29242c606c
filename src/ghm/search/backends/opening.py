"""Hires a backend: for the executor that the settings name, or for one of the caller's own."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path

from ghm.errors import UserError
from ghm.search.backends.backend import Backend, ExecutorBackend, LocalBackend
from ghm.search.backends.engines.registry import Engine, open_engine
from ghm.search.backends.heartbeat import Heartbeat
from ghm.search.backends.preflight import Answer, ProbeRequest, probe, prove
from ghm.search.backends.task import Report, Task, run_task
from ghm.search.records.environment import code_version
from ghm.search.settings.command import training_command
from ghm.search.settings.config import SearchConfig
from ghm.search.trials.forking import FORK_SERVER, starter
from ghm.search.trials.process import Start
from ghm.search.trials.runner import TrialRunner
from ghm.search.trials.trial import Trial


@contextlib.contextmanager
def open_backend(
    config: SearchConfig,
    results_dir: Path,
    gpus: Sequence[str],
    command: Sequence[str] | None,
    popen: Start,
    executor: Executor | None,
    run: Callable[[Task], Report] = run_task,
    require_directory: Callable[[], None] = lambda: None,
) -> Iterator[Backend]:
    """The backend that runs a search's trials, for as long as the block takes.

    Args:
        config: the search's settings.
        results_dir: its directory, whose lock it holds.
        gpus: those of this host, for trials that run here.
        command: what starts the training script; None: what each worker has.
        popen: starts a process.
        executor: the caller's own; None: as the settings have it.
        run: what workers run.
        require_directory: raises an `OSError` when the results directory is not where it was.

    Raises:
        UserError: when there is no such cluster, or its workers do not see the directory or run other code.
    """
    if executor is None and config.executor == "local":
        start, command = starter(command, popen), command or training_command()
        runner = TrialRunner(command, gpus, config.trial_timeout, config.max_retries, start, require_directory)
        try:
            yield LocalBackend(runner, config.n_workers)
        finally:
            FORK_SERVER.close()
        return
    engines = open_engine(config) if executor is None else _own(executor, config.n_workers)
    with engines as engine:
        prove(results_dir, config.device, engine.ask)
        code = code_version()
        with Heartbeat(results_dir, config.heartbeat) as signs:

            def task(trial: Trial) -> Task:
                return Task(
                    trial,
                    results_dir,
                    signs.token,
                    config.heartbeat,
                    code,
                    command=None if command is None else tuple(command),
                    trial_timeout=config.trial_timeout,
                    max_retries=config.max_retries,
                    popen=popen,
                )

            yield ExecutorBackend(engine.executor, engine.slots, signs, task, run)


@contextlib.contextmanager
def _own(executor: Executor, n_workers: int) -> Iterator[Engine]:
    """An executor of the caller's, which stays open; as many workers are asked as it is given trials at once."""

    def ask(question: ProbeRequest) -> list[Answer]:
        try:
            return [future.result() for future in [executor.submit(probe, question) for _ in range(n_workers)]]
        except Exception as error:  # each executor has its own
            raise UserError(
                f"executor: {type(executor).__name__} does not run a function of this package ({error!r})"
            ) from error

    yield Engine(executor, lambda: n_workers, ask)
