"""Opens the workers of ``--executor``, where they are not this process's own (local).

A new one is one entry here, its name among `ExecutorName`, and one module beside this one.
"""

import contextlib
import importlib
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from ghm.search.backends.preflight import Answer, ProbeRequest
from ghm.search.settings.config import ExecutorName, SearchConfig


@dataclass(frozen=True)
class Engine:
    """An executor, and what a search must know of it."""

    executor: Executor
    slots: Callable[[], int]
    """How many at the same time, now."""
    ask: Callable[[ProbeRequest], list[Answer]]
    """Has every worker answer."""


ENGINES: Mapping[ExecutorName, str] = {"dask": "ghm.search.backends.engines.dask_cluster:dask_cluster"}
"""``module:name`` of the context manager that yields an engine."""


def open_engine(config: SearchConfig) -> contextlib.AbstractContextManager[Engine]:
    """The workers that the settings name, for as long as the block takes."""
    module, name = ENGINES[config.executor].split(":")
    opened: contextlib.AbstractContextManager[Engine] = getattr(importlib.import_module(module), name)(config)
    return opened
