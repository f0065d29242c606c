"""Hires a backend: for the executor that the settings name, or for one of the caller's own."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghm.errors import UserError
from ghm.search.backends.backend import Backend, ExecutorBackend, LocalBackend
from ghm.search.backends.heartbeat import Heartbeat
from ghm.search.backends.preflight import Answer, ProbeRequest, probe, prove
from ghm.search.backends.spawning import require_guard
from ghm.search.backends.task import Report, Task, run_task
from ghm.search.records.environment import code_version
from ghm.search.settings.command import training_command
from ghm.search.settings.config import ExecutorName, SearchConfig
from ghm.search.trials.forking import FORK_SERVER, starter
from ghm.search.trials.process import Start
from ghm.search.trials.runner import TrialRunner
from ghm.search.trials.trial import Trial

CONNECT_S = 10.0
"""Seconds in which a scheduler answers."""

WORKERS_S = 300.0
"""Seconds for which a cluster without any worker is waited for: those of a queue may take a while."""

# Schedulers and workers have HTTP servers, without a dashboard too, which answer any user of the host.
_NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}

# How often a cluster is asked for its workers.
_COUNT_S = 1.0


@dataclass(frozen=True)
class Engine:
    """An executor, and what a search must know of it."""

    executor: Executor
    slots: Callable[[], int]
    """How many at the same time, now."""
    ask: Callable[[ProbeRequest], list[Answer]]
    """Has every worker answer."""


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
    engines = ENGINES[config.executor](config) if executor is None else _own(executor, config.n_workers)
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


@contextlib.contextmanager
def _dask(config: SearchConfig) -> Iterator[Engine]:
    """The workers of the scheduler that the settings name, or of one that is started here."""
    try:
        import dask
        import distributed
    except ImportError as error:
        raise UserError(f"--executor dask needs the package distributed: pip install 'ghm[dask]' ({error})") from error
    with contextlib.ExitStack() as stack:
        stack.enter_context(_silenced())
        settings = {"distributed.comm.timeouts.connect": CONNECT_S, **_NO_PAGES}
        stack.enter_context(dask.config.set(settings))
        client = stack.enter_context(_client(distributed, config))
        slots = _Slots(client, config.dask_scheduler or "started here")
        _wait_for_workers(slots, 1 if config.dask_scheduler else config.n_workers)

        def ask(question: ProbeRequest) -> list[Answer]:
            found = client.run(probe, question, on_error="return")
            return [
                one if isinstance(one, Answer) else Answer(f"{address}", fault=f"it cannot answer ({one!r})")
                for address, one in found.items()
            ]

        # A task is run for what it does: two of the same arguments are two (pure=False).
        yield Engine(client.get_executor(pure=False), slots, ask)


ENGINES: Mapping[ExecutorName, Callable[[SearchConfig], contextlib.AbstractContextManager[Engine]]] = {"dask": _dask}
"""What opens the workers of ``--executor``, where they are not this process's own (local)."""


@contextlib.contextmanager
def _client(distributed: Any, config: SearchConfig) -> Iterator[Any]:
    where: dict[str, Any]
    with contextlib.ExitStack() as stack:
        if config.dask_scheduler is None:
            stack.enter_context(_safe_path())
            require_guard()
            where = {"address": stack.enter_context(_local_cluster(distributed, config.n_workers))}
        elif "://" in config.dask_scheduler:
            where = {"address": config.dask_scheduler}
        elif Path(config.dask_scheduler).is_file():
            where = {"scheduler_file": config.dask_scheduler}
        else:
            raise UserError(
                f"--dask_scheduler {config.dask_scheduler} is neither an address (tcp://host:port) nor a file that is "
                "there; give what `dask scheduler` prints, or its --scheduler-file"
            )
        try:
            client = distributed.Client(**where, timeout=CONNECT_S, set_as_default=False)
        except Exception as error:  # of the network, of the address, of the file: there is no common kind
            raise UserError(
                f"--dask_scheduler {config.dask_scheduler}: no scheduler answers there ({error}); start one with "
                "`dask scheduler`"
            ) from error
        try:
            yield client
        finally:
            with contextlib.suppress(OSError, RuntimeError):  # of a cluster, or an event loop, that is gone
                client.close(timeout=CONNECT_S)


@contextlib.contextmanager
def _local_cluster(distributed: Any, n_workers: int) -> Iterator[Any]:
    """A scheduler in this process and worker processes of one thread each, which only this user can talk to."""
    cluster = distributed.LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        # The memory is the trials', which are processes of their own.
        memory_limit=0,
        silence_logs=logging.CRITICAL,
        # Whoever can talk to a scheduler can run anything: other users of this host cannot, without its key.
        security=True,
        preload=["ghm.search.backends.task"],
    )
    cluster.scheduler.http_server.stop()  # the workers': see `dask_setup`
    try:
        yield cluster
    finally:
        with contextlib.suppress(OSError, RuntimeError):
            cluster.close(timeout=CONNECT_S)


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Worker processes are started by others, also anew when one is lost, and import nothing from the working directory."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PYTHONSAFEPATH", None)
        else:
            os.environ["PYTHONSAFEPATH"] = before


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """What Dask says of lost workers, tracebacks among it, is for its own developers; what matters is told by the search."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("distributed", "tornado")]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


class _Slots:
    """How many threads a cluster's workers have together."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name
        self._found, self._at = 0, -_COUNT_S

    def __call__(self) -> int:
        """The number now, or a moment ago.

        Raises:
            OSError: when the scheduler is gone.
        """
        if time.monotonic() - self._at >= _COUNT_S:
            try:
                if self._client.status != "running":
                    raise OSError(f"its client is {self._client.status}")
                self._found = sum(self._client.nthreads().values())
            except Exception as error:  # of the network: there is no common kind
                raise OSError(f"the Dask scheduler {self._name} is gone ({error})") from error
            self._at = time.monotonic()
        return self._found


def _wait_for_workers(slots: _Slots, wanted: int) -> None:
    until, told = time.monotonic() + WORKERS_S, False
    try:
        while slots() < wanted:
            if time.monotonic() > until:
                raise UserError(
                    f"--executor dask: {slots()} of {wanted} workers after {WORKERS_S:g} s; start them with `dask worker`, "
                    "one thread each"
                )
            if not told and time.monotonic() > until - WORKERS_S + CONNECT_S:
                sys.stderr.write("waiting for Dask workers...\n")
                told = True
            time.sleep(0.1)
    except KeyboardInterrupt:
        raise UserError("--executor dask: stopped while no worker was there") from None
