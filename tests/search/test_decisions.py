"""A search is a function of its settings and recorded outcomes: any number of workers, killed anywhere, the same decisions."""

import contextlib
import itertools
import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghm.errors import UserError
from ghm.io.sealed import read_sealed, write_sealed
from ghm.search import step_queue as step_queue_module
from ghm.search.decisions import scheduler as scheduler_module
from ghm.search.decisions.scheduler import Scheduler, Step
from ghm.search.decisions.selection import Decision
from ghm.search.explain import explain
from ghm.search.records.journal import read_journal
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.trial_numbering import TrialNumbering
from ghm.search.taking import require_same_size
from tests.search.instant import INSTANT, InstantTrial
from tests.search.support import comparable, read, run_search

QUIET = ("--progress", "none")
CALIBRATIONS = json.dumps([{"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3}])
COMMON = ("--n_iterations", 6, "--eval_freq", 2, "--max_retries", 100, *QUIET)

MODEL_FREE = ("--learner", "model_free")

SEARCHES: dict[str, tuple[object, ...]] = {
    "tpe": ("--search_type", "tpe", "--n_trials", 16, "--proposal_lag", 2),
    "gp": ("--search_type", "gp", "--n_trials", 16, "--proposal_lag", 2),
    "random, mixed": ("--space", "space.json", "--n_trials", 6, "--n_seeds", 2, *MODEL_FREE),
    "tpe, mixed": (
        "--search_type",
        "tpe",
        "--space",
        "space.json",
        "--n_trials",
        16,
        "--proposal_lag",
        2,
        "--learner",
        "model_free",
    ),
    "gp, seeds": (
        "--search_type",
        "gp",
        "--space",
        "ranges.json",
        "--n_trials",
        14,
        "--n_seeds",
        2,
        "--proposal_lag",
        2,
    ),
    "gp, ranges": ("--search_type", "gp", "--space", "ranges.json", "--n_trials", 16, "--proposal_lag", 2),
    "rungs": ("--n_trials", 6, "--rungs", 2, 4, "--keep", 0.5, "--n_seeds", 2, "--calibrations", "calibrations.json"),
    "gp, rungs": (
        *("--search_type", "gp", "--space", "ranges.json", "--n_trials", 16, "--proposal_lag", 2),
        *("--rungs", 2, 4, "--keep", 0.5, "--confirm", 2, "--confirm_seeds", 2),
    ),
    "confirm": ("--n_trials", 4, "--confirm", 2, "--confirm_seeds", 3),
    "race": ("--n_trials", 4, "--confirm", 3, "--race", "--confirm_seeds", 9, "--calibrations", "calibrations.json"),
}


RANGES = {
    "lr_policy": {"low": 1e-5, "high": 1e-1, "log": True},
    "max_grad_norm": {"low": 0.1, "high": 10},
    "n_trajectories": {"low": 100, "high": 2000, "step": 50},
    "policy_hidden": {"layers": {"low": 1, "high": 3}, "width": {"low": 16, "high": 256, "log": True}},
}
MIXED = RANGES | {
    "estimator": ["gae", "after_state"],
    "gae_lambda": {"low": 0.8, "high": 1.0},
    "entropy_weight": [0.01, 0.1],
}


def write_files(directory: Path) -> None:
    (directory / "calibrations.json").write_text(CALIBRATIONS)
    (directory / "space.json").write_text(json.dumps(MIXED))
    (directory / "ranges.json").write_text(json.dumps(RANGES))


@pytest.fixture(autouse=True)
def calibrations(tmp_path: Path) -> None:
    write_files(tmp_path)


def flags(name: str, results_dir: Path) -> list[object]:
    return [*SEARCHES[name], *COMMON, "--results_dir", results_dir]


def everything(results_dir: Path) -> tuple[dict[str, Any], bytes]:
    """What must not differ: results, configurations, confirmation, and the journal's every byte."""
    results = read(results_dir)
    content = comparable(results) | {key: results[key] for key in ("configurations", "confirmation")}
    return content, (results_dir / "journal.jsonl").read_bytes()


Recorded = Callable[[str], Path]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The directory of a search of each kind that nothing disturbed; run once, and for reading only."""
    home = tmp_path_factory.mktemp("recorded")
    write_files(home)

    @cache
    def record(name: str) -> Path:
        with contextlib.chdir(home):
            assert run_search(*flags(name, home / name)) == 0
        return home / name

    return record


def child(arguments: list[object]) -> None:
    """A search in a process of its own, a copy of this one, so that kills fall on the search and not on Python's start.

    Its trials take different times, so that they end in another order than they began in.
    """
    os.environ |= {"STUB_STEP_S": "0.01", "STUB_UNEVEN": "1"}
    os._exit(run_search(*arguments))


def kill_until_done(arguments: list[object], results_dir: Path, rng: random.Random, most: int) -> int:
    """Run a search to its end, ended by SIGKILL again and again, ``most`` times; return the number of kills."""
    # A resumed search makes its decisions again. Every life may last longer than the one before, or a slow machine would never
    # see the end.
    kills, longest = 0, 0.8
    while True:
        resumed = (results_dir / "search.json").exists()
        words = ["--resume", results_dir, *QUIET] if resumed else arguments
        search = multiprocessing.get_context("fork").Process(target=child, args=(words,))
        search.start()
        if kills < most:
            search.join(rng.uniform(0.02, longest))
            longest *= 1.1
            if search.is_alive():
                search.kill()
                kills += 1
        search.join(300)
        if search.exitcode == 0:
            return kills
        assert search.exitcode == -signal.SIGKILL


def kill_again_and_again(name: str, wanted: int, recorded: Recorded, tmp_path: Path) -> None:
    expected = everything(recorded(name))
    rng, kills, rounds = random.Random(name), 0, 0
    while kills < wanted:
        rounds += 1
        results_dir = tmp_path / f"r{rounds}"
        kills += kill_until_done([*flags(name, results_dir), "--n_workers", 3], results_dir, rng, wanted - kills)
        assert everything(results_dir) == expected


@pytest.mark.parametrize("name", SEARCHES)
def test_with_three_workers_and_killed_it_decides_as_with_one(name: str, recorded: Recorded, tmp_path: Path) -> None:
    kill_again_and_again(name, 3, recorded, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif("GHM_SOAK" not in os.environ, reason="long: run by `make soak`")
@pytest.mark.parametrize("name", SEARCHES)
def test_killed_fifty_times_it_decides_the_same(name: str, recorded: Recorded, tmp_path: Path) -> None:
    kill_again_and_again(name, 50, recorded, tmp_path)


class Impatient(Scheduler):
    """A wrong variant: its proposals look at all outcomes that are there, whichever happened to end first."""

    slower_first = False
    """Whether the first trial takes longest, so that what it ended with is not there yet."""

    def _wait(self, configuration: int, until: int | None) -> Iterator[Step]:
        while len(self._outcomes) < configuration:  # as many as it should see, and not those
            yield None

    def _score(self, configuration: int, rung: int | None, measure: Any, numbers: Any = None) -> Any:
        known = [number for number in self._numbering.numbers(configuration) if number in self._outcomes]
        if known and not (self.slower_first and configuration == 1):
            return super()._score(configuration, rung, measure, numbers)
        return type("Nothing", (), {"value": None, "configuration": configuration, "results": ()})()


class ByTheClock(Scheduler):
    """A wrong variant: its cuts go by the time that trainings took."""

    slower_first = False
    """Whether the first are the slowest."""

    def _cut(self, rung: int, still: list[int]) -> Any:
        seconds = {k: sum(self._outcomes[n].seconds for n in self._numbering.numbers(k)) for k in still}
        by_time = sorted(still, key=lambda k: (seconds[k] > 0, k), reverse=self.slower_first)
        chosen = sorted(by_time[: (len(still) + 1) // 2])
        content = {"of": len(still), "ranking": [], "go_on": chosen}
        yield Decision("cut", {"rung": rung, "keep": self._config.keep}, content, "")
        return chosen


class Hasty(Scheduler):
    """A wrong variant: a look at a race goes by what happens to be over."""

    slower_first = False
    """Whether the last of them is not over yet."""

    def _standing(self, in_race: Any, fresh: Any) -> Any:
        return super()._standing(in_race, list(fresh)[:-1] if self.slower_first else fresh)


@pytest.mark.parametrize(("wrong", "name"), [(Impatient, "gp"), (ByTheClock, "rungs"), (Hasty, "race")])
def test_a_variant_that_looks_at_time_is_found_out(
    wrong: type[Scheduler], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the tests above; what took longer is told to the variants, since a busy machine is no clock."""
    monkeypatch.setattr("ghm.search.resolved.Scheduler", wrong)
    monkeypatch.setenv("STUB_STEP_S", "0.002")
    seen = []
    for workers in (1, 3):
        monkeypatch.setattr(wrong, "slower_first", workers == 3)
        status = run_search(*flags(name, tmp_path / str(workers)), "--n_workers", workers)
        seen.append((status, (tmp_path / str(workers) / "journal.jsonl").read_bytes()))
    assert seen[0] != seen[1]


def test_a_decision_that_comes_out_otherwise_is_refused(
    recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(recorded("rungs"), tmp_path / "r")
    cut = next(decision for decision in read_journal(tmp_path / "r") if decision.kind == "cut")
    loser = next(k for k, _ in cut.content["ranking"] if k not in cut.content["go_on"])
    results = read(tmp_path / "r")
    entry = next(one for one in results["configurations"] if one["number"] == loser)
    path = tmp_path / "r" / f"trial_{entry['instances'][0]:03d}" / "outcome.json"
    record = read_sealed(path)
    record["rungs"][0]["captured_value"] = 0.999
    write_sealed(path, record)
    assert run_search("--resume", tmp_path / "r", *QUIET) == 2
    message = capsys.readouterr().err
    assert "comes out otherwise than it was recorded" in message


def entries(results_dir: Path, configuration: int) -> list[dict[str, Any]]:
    """What is recorded of a configuration's trials."""
    return [entry for entry in read(results_dir)["results"] if entry["configuration"] == configuration]


def a_bit_that_the_mean_rounds_away(results_dir: Path) -> None:
    """Change the last bit of a reading at the first rung such that the mean, which ranks, stays the same."""
    for configuration in range(1, 7):
        trials = entries(results_dir, configuration)
        values = [entry["rungs"][0]["captured_value"] for entry in trials]
        for position, towards in itertools.product(range(len(values)), (-math.inf, math.inf)):
            nudged = values.copy()
            nudged[position] = math.nextafter(values[position], towards)
            if np.mean(nudged) == np.mean(values):
                path = results_dir / trials[position]["directory"] / "outcome.json"
                record = read_sealed(path)
                record["rungs"][0]["captured_value"] = nudged[position]
                write_sealed(path, record)
                return
    raise AssertionError("every last bit shows in a mean")


def a_bit_of_one_that_was_not_chosen(results_dir: Path) -> None:
    """Change the last bit of the return of a configuration that was not confirmed, and so is not in the decision."""
    chosen = {one["configuration"] for one in read(results_dir)["confirmation"]["configurations"]}
    (trial,) = entries(results_dir, min({1, 2, 3, 4} - chosen))
    path = results_dir / trial["directory"] / "outcome.json"
    record = read_sealed(path)
    record["metrics"]["best_return"] = math.nextafter(record["metrics"]["best_return"], -math.inf)
    write_sealed(path, record)


@pytest.mark.parametrize(
    ("name", "kind", "change"),
    [("rungs", "cut", a_bit_that_the_mean_rounds_away), ("confirm", "confirmation", a_bit_of_one_that_was_not_chosen)],
)
def test_a_decision_made_from_other_bits_is_refused_though_it_comes_out_the_same(
    name: str,
    kind: str,
    change: Callable[[Path], None],
    recorded: Recorded,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(recorded(name), tmp_path / "r")
    change(tmp_path / "r")
    before = read_journal(tmp_path / "r")
    decided = next(decision for decision in before if decision.kind == kind)
    assert run_search("--resume", tmp_path / "r", *QUIET) == 2
    message = capsys.readouterr().err
    assert f"{tmp_path / 'r/journal.jsonl'}: the {kind} on" in message
    assert "would now be made from other figures than it was" in message
    assert read_journal(tmp_path / "r") == before
    # Accepted, it is written down anew: what was decided is the same, what it was made from is not.
    assert run_search("--resume", tmp_path / "r", "--allow_drift", *QUIET) == 0
    *earlier, anew = read_journal(tmp_path / "r")
    assert earlier == before
    assert (anew.key, anew.content) == (decided.key, decided.content)
    assert anew.basis != decided.basis


def test_a_damaged_journal_is_refused_and_a_lost_one_is_made_again(
    recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(recorded("confirm"), tmp_path / "undisturbed")
    expected = everything(tmp_path / "undisturbed")
    journal = tmp_path / "undisturbed/journal.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data.replace(b"proposal", b"proposed", 1))
    assert run_search("--resume", tmp_path / "undisturbed", *QUIET) == 2
    assert "line 1 is damaged" in capsys.readouterr().err
    journal.write_bytes(data[: len(data) // 2])  # a last line cut short, and the lines after it lost
    assert run_search("--resume", tmp_path / "undisturbed", *QUIET) == 0
    assert everything(tmp_path / "undisturbed") == expected
    journal.unlink()
    assert run_search("--resume", tmp_path / "undisturbed", *QUIET) == 0
    assert everything(tmp_path / "undisturbed") == expected


def test_where_all_failed_before_the_first_rung_nobody_is_left_at_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal says so, and can be read again."""
    monkeypatch.setenv("STUB_MODES", json.dumps({str(123 + k): "diverge" for k in range(1, 4)}))
    words = ("--n_trials", 3, "--rungs", 3, 4, *COMMON, "--results_dir", tmp_path / "r")
    statuses = [run_search(*words), run_search("--resume", tmp_path / "r", *QUIET)]
    assert statuses == [1, 1]
    assert [one.content["of"] for one in read_journal(tmp_path / "r") if one.kind == "cut"] == [3, 0]
    told = " ".join(explain(tmp_path / "r", 1).split())
    assert "At rung 3 its configuration was stopped: all its trials had failed, rank" in told
    assert "of 3. All had failed: nobody could be promoted." in told
    assert "best 0" not in told


def test_decisions_are_written_down_before_they_are_acted_on(tmp_path: Path) -> None:
    started: list[tuple[int, int]] = []
    original = subprocess.Popen

    def spy(command: list[str], **options: Any) -> Any:
        directory = Path(command[command.index("--result_file") + 1]).parent
        started.append((int(directory.name[6:]), len(read_journal(directory.parent))))
        return original(command, **options)

    run_search(*flags("gp", tmp_path / "r"), popen=spy)
    assert all(written >= number for number, written in started)


def test_decisions_are_on_the_disk_before_they_are_acted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut must not lose a decision whose consequences it leaves: its line is forced to disk first."""
    journal = tmp_path / "r/journal.jsonl"
    forced: list[bytes] = [b""]
    acted_on: list[tuple[str, bytes]] = []
    force = os.fsync

    def spy_on_disk(descriptor: int) -> None:
        force(descriptor)
        if journal.exists() and os.path.samestat(os.fstat(descriptor), journal.stat()):
            forced.append(journal.read_bytes())

    class Spy(InstantTrial):
        def __init__(self, command: list[str], **options: Any) -> None:
            directory = Path(command[command.index("--result_file") + 1]).parent
            acted_on.append((directory.name, forced[-1]))
            super().__init__(command, **options)

    monkeypatch.setattr(os, "fsync", spy_on_disk)
    assert run_search(*flags("confirm", tmp_path / "r"), **INSTANT | {"popen": Spy}) == 0
    results = read(tmp_path / "r")
    stages = {entry["directory"]: (entry["stage"], entry["configuration"]) for entry in results["results"]}
    assert len(acted_on) == len(stages) == 4 + 2 * 3
    for directory, on_disk in acted_on:
        decisions = [json.loads(line) for line in on_disk.splitlines()]
        stage, configuration = stages[directory]
        proposed = [one["on"] for one in decisions if one["decision"] == "proposal"]
        assert {"configuration": configuration} in proposed, directory
        confirmed = [one["decided"]["chosen"] for one in decisions if one["decision"] == "confirmation"]
        assert stage == "explore" or configuration in [number for number, _ in confirmed[0]], directory


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("rungs", ("--keep", 0.2), "--keep 0.2: at --rungs"),
        ("rungs", ("--n_seeds", 1), "--n_seeds 1 is fewer than the 2 of the search to --resume"),
        ("rungs", ("--rungs", 2), "--rungs 2: the search to --resume has 2 4, and 4 would be lost"),
        ("confirm", ("--n_trials", 5), "--n_trials, --n_seeds, --rungs: a confirmation has been made"),
        ("confirm", ("--confirm_seeds", 4), "--confirm: the confirmation runs 3 seeds"),
        ("confirm", ("--retry_failed",), "--retry_failed: a confirmation has been made"),
        ("race", ("--no-race",), "--race: the confirmation has been made as a race; give --race"),
        ("race", ("--confirm_seeds", 12), "--confirm: the confirmation runs 9 seeds"),
        ("race", ("--retry_failed",), "--retry_failed: a confirmation has been made"),
        ("tpe", ("--proposal_lag", 3), "proposal_lag: recorded 2, now 3"),
    ],
)
def test_what_would_undo_a_decision_is_refused(
    name: str,
    change: tuple[object, ...],
    message: str,
    recorded: Recorded,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(recorded(name), tmp_path / "r")
    before = (tmp_path / "r/search.json").read_bytes()
    assert run_search("--resume", tmp_path / "r", *change, *QUIET) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "r/search.json").read_bytes() == before


def test_a_search_that_let_more_go_on_and_was_confirmed_can_be_resumed() -> None:
    """What was decided at the smaller share is superseded, and holds nobody up."""
    cuts = [Decision("cut", {"rung": 20, "keep": keep}, {"of": 6, "go_on": []}, "") for keep in (0.5, 0.7)]
    made = [*cuts, Decision("confirmation", {}, {"of": 6, "seeds": [1, 2], "iterations": 60, "chosen": []}, "")]
    six = TrialNumbering(SearchConfig(n_trials=6, n_iterations=60, rungs=(20,)), (), 6)
    require_same_size(made, six, 2, 60, 0.7)
    with pytest.raises(
        UserError, match=r"--keep 1: a confirmation has been made among those that went on at --keep 0\.7"
    ):
        require_same_size(made, six, 2, 60, 1.0)
    with pytest.raises(UserError, match=r"--keep 0\.5: at --rungs 20 a share of 0\.7 has gone on"):
        require_same_size(made, six, 2, 60, 0.5)


def test_all_that_were_stopped_can_go_on(recorded: Recorded, tmp_path: Path) -> None:
    shutil.copytree(recorded("rungs"), tmp_path / "r")
    statuses = {entry["metrics"]["status"] for entry in read(tmp_path / "r")["results"]}
    assert statuses == {"completed", "stopped_at_rung"}
    assert run_search("--resume", tmp_path / "r", "--keep", 1.0, *QUIET) == 0
    resumed = read(tmp_path / "r")
    assert {entry["metrics"]["status"] for entry in resumed["results"]} == {"completed"}
    # Bit for bit what a search without rungs trains.
    without = list(flags("rungs", tmp_path / "whole"))
    at = without.index("--rungs")
    del without[at : at + 5]
    run_search(*without)
    for ours, theirs in zip(
        comparable(resumed)["results"], comparable(read(tmp_path / "whole"))["results"], strict=True
    ):
        assert ours | {"rungs": []} == theirs


def test_the_modules_that_decide_know_no_clock() -> None:
    """Nothing in the room of decisions imports what tells time, draws without a seed, or runs anything."""
    forbidden = ("import time", "datetime", "import random", "subprocess", "threading", "os.environ")
    for module in sorted(Path(scheduler_module.__file__).parent.glob("*.py")):
        for word in forbidden:
            assert word not in module.read_text(), (module.name, word)
    assert step_queue_module.__doc__
