"""Searches that decide, on real trainings: with one worker, with two, and killed again and again, the same to the last bit.

Long, so part of `make soak`; tests/search/test_decisions.py has the same on stand-in trials.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ghm.search.methods.proposals import RandomProposal
from ghm.search.settings.configurations import parse_hyperparameters
from ghm.search.settings.space import SearchSpace
from tests.search.support import comparable, read
from tests.search.test_real_training import finish, launch

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(7200),
    pytest.mark.skipif("GHM_SOAK" not in os.environ, reason="long: run by `make soak`"),
]

KILLS = 20
COMMON = (
    "--n_iterations",
    60,
    "--eval_freq",
    20,
    "--T",
    0.2,
    "--dt",
    0.02,
    "--max_retries",
    100,
    "--progress",
    "none",
)
SEARCHES: dict[str, tuple[object, ...]] = {
    # The first ten outcomes are a random search's, and the last two are not seen: two proposals are learned.
    "tpe": ("--search_type", "tpe", "--n_trials", 14, "--proposal_lag", 2),
    "gp": ("--search_type", "gp", "--n_trials", 14, "--proposal_lag", 2),
    "rungs": ("--n_trials", 3, "--rungs", 20, 40, "--keep", 0.5, "--n_seeds", 2, "--calibrations", "calibrations.json"),
    "confirm": ("--n_trials", 4, "--confirm", 2, "--confirm_seeds", 3),
}
SPACE = {"n_trajectories": [20, 30], "policy_hidden": [[8], [16]], "value_hidden": [[8], [16]]}


def everything(results_dir: Path) -> tuple[dict[str, Any], bytes]:
    """What must not differ: results, paths of logs aside, configurations, confirmation, and the journal's every byte."""
    results = read(results_dir)
    content = comparable(results) | {key: results[key] for key in ("configurations", "confirmation")}
    for entry in content["results"]:
        entry.pop("log", None)
        entry["metrics"].pop("log", None)
    return content, (results_dir / "journal.jsonl").read_bytes()


@pytest.mark.parametrize("name", SEARCHES)
def test_real_trainings_decide_the_same_however_they_are_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("space.json").write_text(json.dumps(SPACE))
    Path("calibrations.json").write_text(
        json.dumps([{"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3}])
    )
    flags = (*SEARCHES[name], *COMMON, "--space", "space.json")
    for workers in (1, 2):
        finish(launch(*flags, "--n_workers", workers, "--results_dir", workers), limit=600)
    alone = everything(Path("1"))
    assert everything(Path("2")) == alone
    if name in ("tpe", "gp"):
        drawn = RandomProposal(SearchSpace.from_dict(SPACE).choices(), seed_base=123)
        proposed = [parse_hyperparameters(one["hyperparameters"]) for one in alone[0]["configurations"]]
        assert proposed[:10] == [drawn(number) for number in range(1, 11)]
        assert proposed != [drawn(number) for number in range(1, len(proposed) + 1)], "nothing was learned"

    rng, kills, rounds = random.Random(name), 0, 0
    while kills < KILLS:
        rounds += 1
        results_dir, longest = Path(f"killed-{rounds}"), 6.0
        while True:
            resumed = (results_dir / "search.json").exists()
            words = ("--resume", results_dir, *COMMON[-2:]) if resumed else (*flags, "--results_dir", results_dir)
            search = launch(*words, "--n_workers", 2)
            try:
                search.communicate(timeout=rng.uniform(0.5, longest))
            except subprocess.TimeoutExpired:
                search.kill()
                search.communicate()
                kills, longest = kills + 1, 1.1 * longest
                continue
            assert search.returncode == 0
            break
        assert everything(results_dir) == alone
    sys.stdout.write(f"{name}: {kills} kills over {rounds} searches, decisions and results the same\n")
