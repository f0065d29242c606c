"""Real trainings, forked: search, trials and the process that they are forked from killed at random; results as undisturbed.

Part of `make soak`: 200 kills (``GHM_SOAK_KILLS`` says how many instead).
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ghm.search.trials.forking import SERVER
from tests.search.support import comparable, read
from tests.search.test_real_training import finish, launch

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(7200),
    pytest.mark.skipif("GHM_SOAK" not in os.environ, reason="long: run by `make soak`"),
]

KILLS = int(os.environ.get("GHM_SOAK_KILLS", "200"))
COMMON = ("--max_retries", 100, "--progress", "none")
SEARCH = (
    "--n_trials",
    12,
    "--n_iterations",
    200,
    "--eval_freq",
    20,
    "--T",
    0.2,
    "--dt",
    0.02,
    "--space",
    "space.json",
    *COMMON,
)
SPACE = '{"n_trajectories": [20, 30], "policy_hidden": [[8], [16]], "value_hidden": [[8], [16]]}'

CHANCES = {"trial": 0.7, "server": 0.15, "search": 0.15}
"""Of what is killed: a search and its server take seconds to come back, a trial none."""


def to_kill(search: "subprocess.Popen[bytes]", rng: random.Random) -> tuple[str, int] | None:
    """Kind and number of a process of the search's; None where there is none of the kind that came up."""
    (kind,) = rng.choices([*CHANCES], [*CHANCES.values()])
    if kind == "search":
        return kind, search.pid
    found = []
    for child in psutil.Process(search.pid).children():
        try:
            words = child.cmdline()
        except psutil.NoSuchProcess:
            continue
        if ("--ckpt_dir" in words) if kind == "trial" else (SERVER in words):
            found.append(child.pid)
    return (kind, rng.choice(found)) if found else None


def disturb(results_dir: Path, rng: random.Random, killed: dict[str, int]) -> None:
    """Run a search to its end, killing as it goes; ``killed`` is added to."""
    while True:
        resumed = (results_dir / "search.json").exists()
        words = ("--resume", results_dir, *COMMON[-2:]) if resumed else (*SEARCH, "--results_dir", results_dir)
        search = launch(*words, "--n_workers", 2)
        while search.poll() is None:
            time.sleep(rng.uniform(0.0, 2.0))
            victim = to_kill(search, rng) if search.poll() is None else None
            if victim is not None:
                try:
                    os.kill(victim[1], 9)
                except ProcessLookupError:
                    continue
                killed[victim[0]] += 1
        output, _ = search.communicate()
        if search.returncode == 0:
            return
        assert search.returncode == -9, output.decode()


def test_forked_trials_end_the_same_whatever_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("space.json").write_text(SPACE)
    finish(launch(*SEARCH, "--n_workers", 2, "--results_dir", "alone"))
    alone = comparable(read(Path("alone")))
    rng, killed, rounds = random.Random(3), dict.fromkeys(CHANCES, 0), 0
    while sum(killed.values()) < KILLS:
        rounds += 1
        disturb(Path(f"killed-{rounds}"), rng, killed)
        found = comparable(read(Path(f"killed-{rounds}")))
        for entry in (*found["results"], *(() if rounds > 1 else alone["results"])):
            entry["metrics"].pop("log", None)
            entry.pop("log", None)
        assert found == alone
        sys.stdout.write(f"after {rounds} searches: {killed}\n")
        sys.stdout.flush()
    assert min(killed.values()) > 0
