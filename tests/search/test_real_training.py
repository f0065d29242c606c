"""Searches whose trials are real trainings, as processes, killed, resumed and replayed: the same bits in the end.

Most tests of the search use a stand-in that starts at once; these few show that the stand-in's promises are the trainer's.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.search.support import comparable, read
from tests.search.test_spec import SPEC, check_structure, commands

pytestmark = pytest.mark.journey

ROOT = Path(__file__).parents[2]

# Of one wait: less than pytest's own limit, so that a failure says what was waited for, and no less than needed, since on a
# fresh clone and busy cores Numba compiles for minutes before the first iteration.
LIMIT_S = 500.0

SCRIPT = ROOT / "scripts/hyperparameter_search.py"
SPACE = '{"n_trajectories": [20, 30], "policy_hidden": [[8], [16]], "value_hidden": [[8]]}'
TINY = ("--n_trials", 2, "--n_iterations", 120, "--eval_freq", 10, "--T", 0.2, "--dt", 0.02, "--progress", "none")

# What Python runs before anything else in a search whose trials wait: once a trial has written a checkpoint it stands
# still until it is asked to stop or its search is gone. So it cannot be over before it was disturbed, however busy the machine.
WAITING = """
import os, signal, time

asked, parent, replace, handle = [], os.getppid(), os.replace, signal.signal


def handle_and_note(number, handler):
    note = lambda *received: (asked.append(number), handler(*received))
    return handle(number, note if number == signal.SIGTERM and callable(handler) else handler)


def replace_and_wait(source, target, **options):
    replace(source, target, **options)
    if os.fspath(target).endswith("/checkpoints/latest.pt"):
        while not asked and os.getppid() == parent:
            time.sleep(0.01)


signal.signal = handle_and_note
os.replace = replace_and_wait
"""


def launch(*arguments: object, waiting: Path | None = None) -> "subprocess.Popen[bytes]":
    """The search; its trials wait where ``waiting``, a directory to import from, has :data:`WAITING`."""
    command, environment = [sys.executable, str(SCRIPT), *map(str, arguments)], dict(os.environ)
    if waiting is not None:
        waiting.mkdir(exist_ok=True)
        (waiting / "sitecustomize.py").write_text(WAITING)
        environment["PYTHONPATH"] = os.pathsep.join([str(waiting), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(search: "subprocess.Popen[bytes]", exit_status: int = 0) -> str:
    output, _ = search.communicate(timeout=LIMIT_S)
    assert search.returncode == exit_status, output.decode()
    return output.decode()


def wait_until(condition: Callable[[], object], search: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert search.poll() is None, "the search ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)


def trials(search: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """The trials' processes; a search has other children for a moment, such as git's."""
    found = []
    for child in psutil.Process(search.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "train_monte_carlo" in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "space.json"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module", params=["model_based", "model_free"])
def flags(request: pytest.FixtureRequest, space: Path) -> tuple[object, ...]:
    """Of a search with each learner."""
    return *TINY, "--space", space, "--learner", request.param


@pytest.fixture(scope="module")
def undisturbed(flags: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One worker, left alone."""
    results_dir = tmp_path_factory.mktemp("undisturbed")
    finish(launch(*flags, "--results_dir", results_dir))
    return results_dir


def without_paths(results: dict[str, Any]) -> dict[str, Any]:
    """What must be the same, the reports' paths aside."""
    content = comparable(results)
    for entry in content["results"]:
        entry.pop("log", None)
        entry["metrics"].pop("log", None)
    return content


def test_killed_two_ways_and_stopped_with_two_workers_it_ends_the_same(
    undisturbed: Path, flags: tuple[object, ...], tmp_path: Path
) -> None:
    results_dir = tmp_path / "r"
    latest = results_dir / "trial_001/checkpoints/latest.pt"
    waiting = tmp_path / "waiting"
    search = launch(*flags, "--results_dir", results_dir, "--n_workers", 2, waiting=waiting)
    wait_until(latest.exists, search)
    written = latest.stat().st_mtime_ns
    (first,) = (one for one in trials(search) if str(latest.parent) in one.cmdline())
    first.kill()  # a trial alone: it is started again
    wait_until(lambda: latest.stat().st_mtime_ns > written, search)
    search.kill()  # the search alone: its trials notice and end
    search.communicate()

    written = latest.stat().st_mtime_ns
    search = launch("--resume", results_dir, "--progress", "none", waiting=waiting)
    wait_until(lambda: latest.stat().st_mtime_ns > written, search)
    search.send_signal(signal.SIGTERM)  # stopped in order
    assert "--resume" in finish(search, exit_status=4)

    finish(launch("--resume", results_dir, "--progress", "none"))
    assert without_paths(read(results_dir)) == without_paths(read(undisturbed))


def test_a_real_trial_is_replayed_bit_for_bit(undisturbed: Path) -> None:
    command = [str(Path(sys.executable).with_name("ghm")), "replay", str(undisturbed), "--trial", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    assert "reproduced bit for bit" in done.stdout


def test_other_seeds_end_elsewhere(undisturbed: Path) -> None:
    """Negative control: the comparisons above can fail."""
    first, second = without_paths(read(undisturbed))["results"]
    assert first["metrics"]["final_return"] != second["metrics"]["final_return"]


@pytest.mark.skipif(not SPEC.exists(), reason=f"the specification is not at {SPEC}")
def test_the_specs_search_and_verification_run_as_documented(tmp_path: Path) -> None:
    """On the real trainer, from the repository's scripts, with smaller numbers."""
    smaller = ["--n_iterations", "20", "--T", "0.2", "--dt", "0.02"]
    search = [*commands("hyperparameter_search.py")[0], *smaller, "--n_trials", "2"]
    subprocess.run([sys.executable, str(SCRIPT), *search], cwd=tmp_path, check=True, timeout=LIMIT_S)
    check_structure(tmp_path / "results/hyperparam_search", trials=2)
    assert [entry["metrics"]["success"] for entry in read(tmp_path / "results/hyperparam_search")["results"]] == [
        True
    ] * 2
    (verification,) = commands("train_monte_carlo_ghm_time_augmented.py")
    script = SCRIPT.with_name("train_monte_carlo_ghm_time_augmented.py")
    done = subprocess.run(
        [sys.executable, str(script), *verification, *smaller],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    assert "captured value" in done.stdout
