"""The searches that people run: each yields its stages by name, a stage after each of its calls.

What is expected of a stage stands among its surfaces, as one more of them.
"""

import dataclasses
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.journeys.commands import Ran, run, start
from tests.journeys.surfaces.files import read_json, results_file
from tests.journeys.surfaces.stage import Stage, observe
from tests.journeys.surfaces.table import Figure, Table

Stages = Iterator[tuple[str, Stage]]

SMALL = ("--n_iterations", 60, "--eval_freq", 20, "--log_freq", 20, "--dt", 0.1, "--T", 2)
SHORT = ("--n_iterations", 20, "--eval_freq", 10, "--log_freq", 10, "--dt", 0.1, "--T", 2)
SPACE: dict[str, list[Any]] = {
    "lr_policy": [0.001, 0.01],
    "lr_baseline": [0.001],
    "entropy_weight": [0.01],
    "action_reg_weight": [0.0],
    "max_grad_norm": [1.0],
    "n_trajectories": [50],
    "policy_hidden": [[8], [16]],
    "value_hidden": [[8]],
}
WIDE_SPACE = SPACE | {"lr_policy": [0.001, 0.003, 0.01, 0.03], "entropy_weight": [0.01, 0.02, 0.05]}
FIRMS = [{"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3}]
CHECKPOINT, LAST_POLICY = "checkpoints/latest.pt", "checkpoints/final_model.pt"


def search(place: Path, *words: object, space: dict[str, list[Any]] = SPACE) -> tuple[object, ...]:
    """The words of a new search in ``place``."""
    file = place / "space.json"
    file.write_text(json.dumps(space))
    return ("search", "--space", file, "--results_dir", place / "r", *words)


def plain(place: Path, *words: object) -> tuple[object, ...]:
    return (*search(place, *words), "--progress", "plain")


def expecting(stage: Stage, trials: int, configurations: int | None = None, **counts: int) -> Stage:
    """The stage with what is known beforehand: so many trials, of which the states given, and all others completed."""
    said: dict[str, Any] = {f"trials_{state}": 0 for state in ("failed", "interrupted", "paused", "stopped")}
    said |= {f"trials_{state}": count for state, count in counts.items()}
    asked = {} if configurations is None else {"configurations_asked": configurations}
    said.setdefault("trials_unfinished", said["trials_interrupted"] + said["trials_paused"])
    others = said["trials_failed"] + said["trials_stopped"] + said["trials_unfinished"]
    over = {"progress": Figure(1.0), "time_left": "0:00"} if not said["trials_unfinished"] else {}
    table = Table(**said | asked | over, trials_asked=trials, trials_completed=trials - others)
    return dataclasses.replace(stage, tables={**stage.tables, "expected": table})


def with_status(results_dir: Path, status: str) -> int | None:
    """The first trial that the results JSON gives this status."""
    entries = json.loads(results_file(results_dir).read_text())["results"]
    return next((one["trial_num"] for one in entries if one["metrics"]["status"] == status), None)


def random_one_worker(place: Path) -> Stages:
    """The directory goes to another place afterwards, and is read and resumed there."""
    ran = run(*search(place, *SMALL, "--n_trials", 3), columns=80)
    yield "random, one worker", expecting(observe(place / "r", ran), 3)
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (place / "r").rename(elsewhere / "r")
    yield "moved", expecting(observe(elsewhere / "r", replayed=1), 3)
    ran = run("search", "--resume", results_file(elsewhere / "r"), "--n_trials", 4, "--progress", "plain")
    yield "moved, resumed", expecting(observe(elsewhere / "r", ran), 4)


def random_two_workers(place: Path) -> Stages:
    ran = run(*plain(place, *SMALL, "--n_trials", 3, "--n_workers", 2))
    yield "random, two workers", expecting(observe(place / "r", ran, replayed=2, exported=True), 3)


def rungs(place: Path) -> Stages:
    results = place / "r"
    ran = run(*plain(place, *SMALL, "--n_trials", 3, "--rungs", 20, "--keep", 0.3, "--n_workers", 2))
    yield "a rung", expecting(observe(results, ran, with_status(results, "stopped_at_rung")), 3, 3, stopped=2)
    ran = run("search", "--resume", results, "--keep", 0.6, columns=120)
    yield "a rung, larger --keep", expecting(observe(results, ran), 3, 3, stopped=1)


def two_rungs(place: Path) -> Stages:
    results = place / "r"
    ran = run(*search(place, *SMALL, "--n_trials", 6, "--rungs", 20, 40, "--keep", 0.5, "--n_workers", 2), columns=160)
    yield "two rungs", expecting(observe(results, ran, exported=True), 6, 6, stopped=4)
    ran = run("search", "--resume", results, "--keep", 0.6, "--progress", "plain")
    yield "two rungs, larger --keep", expecting(observe(results, ran), 6, 6, stopped=3)
    ran = run("search", "--resume", results, "--confirm", 2, "--confirm_seeds", 2, "--progress", "plain")
    yield "two rungs, confirmed", expecting(observe(results, ran), 10, 6, stopped=3)


def grid(place: Path) -> Stages:
    ran = run(*search(place, *SMALL, "--search_type", "grid", "--n_workers", 2), columns=160)
    yield "grid", expecting(observe(place / "r", ran, command=run), 4)


def learning(method: str) -> Callable[[Path], Stages]:
    def stages(place: Path) -> Stages:
        words = (*SHORT, "--search_type", method, "--n_trials", 16, "--n_workers", 2, "--progress", "plain")
        ran = run(*search(place, *words, space=WIDE_SPACE))
        yield method, expecting(observe(place / "r", ran), 16)

    return stages


def firms(place: Path) -> Stages:
    """Two seeds on two models, ranked by each of the figures in turn, and confirmed."""
    (place / "firms.json").write_text(json.dumps(FIRMS))
    words = (*SHORT, "--n_trials", 2, "--n_seeds", 2, "--calibrations", place / "firms.json", "--n_workers", 2)
    ran = run(*search(place, *words), columns=120)
    yield "firms, mean", expecting(observe(place / "r", ran), 8, 2)
    for rank_by in ("iqm", "worst"):
        ran = run("search", "--resume", place / "r", "--rank_by", rank_by, "--allow_drift", "--progress", "plain")
        yield f"firms, {rank_by}", expecting(observe(place / "r", ran), 8, 2)
    more = ("--confirm", 2, "--confirm_seeds", 2, "--confirm_iterations", 40)
    ran = run("search", "--resume", place / "r", *more, columns=120)
    yield "firms, confirmed", expecting(observe(place / "r", ran, exported=True), 16, 2)


def interrupted(place: Path, disturbed: str, until: str, signals: int, *words: object) -> Ran:
    """A search that gets Ctrl-C, once or twice, when a trial has written a file and waits there."""
    begun = start(*plain(place, *words), disturbed=f"{disturbed}:{until}", planted=place / "planted")
    begun.wait_for(place / "r" / until)
    begun.tell(signal.SIGINT)
    said = begun.read_until("Stopping")
    if signals > 1:
        begun.tell(signal.SIGINT)
    return begun.finish(said)


def ctrl_c_once(place: Path) -> Stages:
    words = (*SMALL, "--n_trials", 4)
    ran = interrupted(place, "wait", f"trial_002/{CHECKPOINT}", 1, *words)
    yield "Ctrl-C", expecting(observe(place / "r", ran, 2, exported=True), 4, interrupted=1, unfinished=3)
    ran = run("search", "--resume", place / "r", columns=80)
    yield "Ctrl-C, resumed", expecting(observe(place / "r", ran), 4)


def ctrl_c_twice(place: Path) -> Stages:
    ran = interrupted(place, "deaf", f"trial_002/{CHECKPOINT}", 2, *SMALL, "--n_trials", 3)
    yield "Ctrl-C twice", expecting(observe(place / "r", ran, exported=True), 3, interrupted=1, unfinished=2)
    ran = run("search", "--resume", place / "r", "--progress", "plain")
    yield "Ctrl-C twice, resumed", expecting(observe(place / "r", ran), 3)


def ctrl_c_between(place: Path) -> Stages:
    """The running trial had nothing left to do but to end, so that none is interrupted and two were never begun."""
    ran = interrupted(place, "wait", f"trial_002/{LAST_POLICY}", 1, *SHORT, "--n_trials", 4)
    yield "Ctrl-C between trials", expecting(observe(place / "r", ran), 4, unfinished=2)


def seeds_interrupted(place: Path) -> Stages:
    """Of the second configuration one trial has completed, one is interrupted and one was not begun."""
    words = (*SHORT, "--n_trials", 2, "--n_seeds", 3)
    ran = interrupted(place, "wait", f"trial_005/{CHECKPOINT}", 1, *words)
    yield "three seeds, Ctrl-C", expecting(observe(place / "r", ran, exported=True), 6, 2, interrupted=1, unfinished=2)


def killed(place: Path) -> Stages:
    until = f"trial_002/{CHECKPOINT}"
    begun = start(*plain(place, *SMALL, "--n_trials", 3), disturbed=f"wait:{until}", planted=place / "planted")
    begun.wait_for(place / "r" / until)
    begun.wait_until(lambda: 1 in (read_json(place / "r").statuses or {}), "the results JSON has trial 1")
    yield "running", observe(place / "r")
    begun.process.kill()
    begun.process.communicate()
    yield "SIGKILL", observe(place / "r")
    ran = run("search", "--resume", place / "r", columns=120)
    yield "SIGKILL, resumed", expecting(observe(place / "r", ran), 3)


def crashed(place: Path) -> Stages:
    words = plain(place, *SMALL, "--n_trials", 3, "--n_workers", 2)
    ran = run(*words, disturbed=f"crash:trial_002/{CHECKPOINT}", planted=place / "planted")
    yield "a trial crashes", expecting(observe(place / "r", ran, exported=True), 3, failed=1)
    ran = run("search", "--resume", place / "r", "--retry_failed", "--progress", "plain")
    yield "a trial crashes, --retry_failed", expecting(observe(place / "r", ran), 3)


def trial_killed(place: Path) -> Stages:
    words = plain(place, *SMALL, "--n_trials", 2, "--max_retries", 0)
    ran = run(*words, disturbed=f"kill:trial_002/{CHECKPOINT}", planted=place / "planted")
    yield "a trial is killed", expecting(observe(place / "r", ran), 2, failed=1)


def dask(place: Path) -> Stages:
    ran = run(*plain(place, *SHORT, "--n_trials", 2, "--n_workers", 2, "--executor", "dask"))
    yield "Dask", expecting(observe(place / "r", ran), 2)
