"""The power fails at every single write of a search, one after the other; each time the search is continued."""

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.search.instant import INSTANT
from tests.search.support import comparable, read, run_search

POWER_CUT = 77
QUIET = ("--progress", "none")


def die_at(event: int, calls: tuple[str, ...] = ("fsync", "replace", "rename", "mkdir")) -> None:
    """End this process, as a power cut would, just before its write number ``event``."""
    remaining = event

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal remaining
            remaining -= 1
            if remaining == 0:
                os._exit(POWER_CUT)
            return call(*args, **kwargs)

        return wrapped

    for name in calls:
        setattr(os, name, dying(getattr(os, name)))


def run_and_die(event: int, arguments: tuple[object, ...]) -> None:
    die_at(event)
    os._exit(run_search(*arguments, **INSTANT))


def run_until(event: int, *arguments: object) -> int | None:
    """Run the search in a process of its own until its write number ``event``; return its exit status."""
    process = multiprocessing.get_context("fork").Process(target=run_and_die, args=(event, arguments))
    process.start()
    process.join(60)
    return process.exitcode


@pytest.mark.parametrize(("earlier", "n_trials"), [(False, 2), (True, 1)], ids=["new", "over an earlier search"])
def test_a_power_cut_at_any_write_loses_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, earlier: bool, n_trials: int
) -> None:
    event, status, trains = 0, None, False
    flags = ("--n_trials", n_trials, *QUIET)
    run_search(*flags, "--results_dir", alone := tmp_path_factory.mktemp("undisturbed") / "results", **INSTANT)
    undisturbed = comparable(read(alone))
    if earlier:
        before = tmp_path_factory.mktemp("before") / "results"
        run_search("--n_trials", 2, "--seed_base", 5, "--results_dir", before, *QUIET, **INSTANT)
        old = comparable(read(before))
    # Where an earlier search has gone elsewhere, all that follows is as in a new one once the first trial is there.
    while status != 0 and not (earlier and trains):
        event += 1
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        results_dir = tmp_path / "results"
        if earlier:
            shutil.copytree(before, results_dir)
        status = run_until(event, *flags, "--results_dir", results_dir)
        assert status in (0, POWER_CUT)
        new_began = (results_dir / "search.json").exists() and not (results_dir / ".moving").exists()
        if new_began and '"seed_base": 5' not in (results_dir / "search.json").read_text():
            trains = (results_dir / "trial_001/hyperparameters.json").exists()
            assert run_search("--resume", results_dir, *QUIET, **INSTANT) == 0
        else:
            assert run_search(*flags, "--results_dir", results_dir, **INSTANT) == 0
        assert comparable(read(results_dir)) == undisturbed
        assert not list(results_dir.rglob(".*.tmp")), "litter of writes that were cut short"
        if earlier:
            (kept,) = (tmp_path / "results_earlier").iterdir()
            assert comparable(read(kept)) == old
            assert run_search("--resume", kept, *QUIET, **INSTANT) == 0
        trials = (tmp_path / "ledger").read_text().split()
        # A trial whose process had begun but left no result may begin again: nothing else may.
        assert set(trials) == {str(123 + number) for number in range(1, n_trials + 1)}
        assert len(trials) <= n_trials + 1
    assert event > 20, "the power never failed: the test tests nothing"
