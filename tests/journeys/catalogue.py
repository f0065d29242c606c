"""All journeys with their stages, and which of them are quick enough for every run of the tests."""

from collections.abc import Callable
from pathlib import Path

from tests.journeys.programs import notebook, script, thread
from tests.journeys.searches import (
    Stages,
    crashed,
    ctrl_c_between,
    ctrl_c_once,
    ctrl_c_twice,
    dask,
    firms,
    grid,
    killed,
    learning,
    random_one_worker,
    random_two_workers,
    rungs,
    seeds_interrupted,
    trial_killed,
    two_rungs,
)

JOURNEYS: dict[Callable[[Path], Stages], tuple[str, ...]] = {
    random_two_workers: ("random, two workers",),
    rungs: ("a rung", "a rung, larger --keep"),
    random_one_worker: ("random, one worker", "moved", "moved, resumed"),
    two_rungs: ("two rungs", "two rungs, larger --keep", "two rungs, confirmed"),
    grid: ("grid",),
    learning("tpe"): ("tpe",),
    learning("gp"): ("gp",),
    firms: ("firms, mean", "firms, iqm", "firms, worst", "firms, confirmed"),
    ctrl_c_once: ("Ctrl-C", "Ctrl-C, resumed"),
    ctrl_c_twice: ("Ctrl-C twice", "Ctrl-C twice, resumed"),
    ctrl_c_between: ("Ctrl-C between trials",),
    seeds_interrupted: ("three seeds, Ctrl-C",),
    killed: ("running", "SIGKILL", "SIGKILL, resumed"),
    crashed: ("a trial crashes", "a trial crashes, --retry_failed"),
    trial_killed: ("a trial is killed",),
    script: ("a script",),
    thread: ("a thread, run() twice",),
    notebook: ("a notebook",),
    dask: ("Dask",),
}
"""The stages of each journey, by name."""

CORE = ("random, two workers", "a rung", "a rung, larger --keep")
"""Stages of `make test`; the others are marked ``journey``."""

COMPARED = ("grid", "firms, confirmed")
"""Stages that are set beside each other on a page, each the last of its journey."""
