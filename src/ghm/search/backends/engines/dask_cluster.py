"""Dask: the workers of a cluster that runs, or of one that is started here."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ghm.errors import UserError
from ghm.search.backends.engines.registry import Engine
from ghm.search.backends.preflight import Answer, ProbeRequest, probe
from ghm.search.backends.spawning import require_guard
from ghm.search.settings.config import SearchConfig

CONNECT_S = 10.0
"""Seconds in which a scheduler answers."""

WORKERS_S = 300.0
"""Seconds for which a cluster without any worker is waited for: those of a queue may take a while."""

# Schedulers and workers have HTTP servers, without a dashboard too, which answer any user of the host.
_NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}

# How often a cluster is asked for its workers.
_COUNT_S = 1.0


@contextlib.contextmanager
def dask_cluster(config: SearchConfig) -> Iterator[Engine]:
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
