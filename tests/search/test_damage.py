"""One bit flipped in any file of a results directory: the same results in the end, or a refusal that names the file.

Never another result, never a traceback. The trials are stand-ins, with the files of a real training among theirs.
"""

import json
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghm.errors import UserError
from ghm.io.safe_read import parse_object
from ghm.report.analysis.frames import trials_frame
from ghm.search.backends.heartbeat import DIRECTORY, Heartbeat
from ghm.search.backends.lease import take
from ghm.search.records.reader import read_search
from ghm.search.settings.config import MIN_HEARTBEAT
from ghm.solvers import store
from ghm.training.checkpoints.checkpoint import load_trained
from ghm.training.settings import TrainConfig
from tests.search.support import comparable, read, results_file, run_search

# The shortest heartbeat there is: a damaged lease is respected for so long.
SEARCH = ("--n_trials", 4, "--n_iterations", 8, "--max_retries", 0, "--heartbeat", MIN_HEARTBEAT, "--progress", "none")
REAL = {
    "n_iterations": 4, "dt": 0.05, "T": 0.5, "n_trajectories": 20, "policy_hidden": (8,), "value_hidden": (8,),
    "eval_freq": 2, "ckpt_freq": 4, "log_freq": 2, "progress": "none",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real training of a fraction of a second."""
    from ghm.training.main import train

    place = tmp_path_factory.mktemp("trained")
    assert train(TrainConfig(**REAL, log_dir=place / "logs", ckpt_dir=place / "checkpoints")) == 0
    return place


@pytest.fixture
def searched(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search that died: trials over, one that the search did not record, one interrupted, one not begun."""
    results_dir = tmp_path / "searched"
    monkeypatch.setenv("STUB_MODES", json.dumps({"126": "interrupted"}))
    run_search(*SEARCH, "--n_trials", 3, "--results_dir", results_dir)
    run_search("--resume", results_dir, "--progress", "none")
    monkeypatch.delenv("STUB_MODES")
    (results_dir / "trial_002/outcome.json").unlink()
    for name in ("checkpoints", "logs"):  # in the place of the stand-in's
        shutil.rmtree(results_dir / "trial_001" / name)
        shutil.copytree(trained / name, results_dir / "trial_001" / name)
    shutil.copy(trained / "reference.npz", results_dir)
    # What workers on other hosts leave.
    for number in (1, 3):
        lease = take(results_dir / f"trial_{number:03d}", MIN_HEARTBEAT, lambda: False)
        assert lease is not None
        lease.release()
    with Heartbeat(results_dir, MIN_HEARTBEAT):
        pass
    (results_dir / "report.html").write_text("a page")
    return results_dir


def figures(results_dir: Path) -> list[Any]:
    """What the report shows of the search."""
    search = read_search(results_dir)
    frame = trials_frame(search)
    assert len(frame.to_csv()) > 100
    return [(trial.trial_num, trial.status, trial.best_return, trial.hyperparameters) for trial in search.trials]


def contents(file: Path) -> Any:
    """What a checkpoint or the stored solution says, as bytes."""
    if file.suffix == ".pt":
        trained = load_trained(file)
        return [trained.tables.modes.tobytes(), np.asarray(trained.value_table).tobytes(), trained.standing]
    reference = store.load(file)
    return [np.asarray(value).tobytes() for value in vars(reference).values() if not isinstance(value, dict)]


def same_or_refused(file: Path, read_it: Callable[[], Any], expected: Any) -> bool:
    """Whether it was refused, by name."""
    try:
        found = read_it()
    except UserError as error:
        said = str(error)
    else:
        assert found == expected, f"{file} says something else"
        return False
    assert file.name in said, f"the refusal does not name {file}: {said}"
    return True


class Flipper:
    """Flips bits of a directory's files, and looks what comes of it."""

    def __init__(self, good: Path, place: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
        self._good, self._place, self._capsys, self._rng = good, place, capsys, random.Random(seed)
        self.files = sorted(path for path in good.rglob("*") if path.is_file() and path.stat().st_size)
        self._shown = figures(good)
        self._contents = {file: contents(file) for file in self.files if self._is_archive(file)}
        whole = place / "whole"
        self._copy(whole)
        assert run_search("--resume", whole, "--n_trials", 4, "--progress", "none") == 0
        self._results = comparable(read(whole))
        self.refused: Counter[str] = Counter()

    def flip(self, file: Path) -> str:
        """Flip one bit of ``file`` in a copy; return its kind."""
        results_dir = self._place / "r"
        shutil.rmtree(results_dir, ignore_errors=True)
        self._copy(results_dir)
        victim = results_dir / file.relative_to(self._good)
        data = bytearray(victim.read_bytes())
        bit = self._rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        victim.write_bytes(data)
        kind = "events" if file.name.startswith("events") else file.name.split("_2")[0]
        kind = "heartbeat" if file.parent.name == DIRECTORY else kind
        kind = f"stand-in's {kind}" if file.suffix == ".pt" and file not in self._contents else kind
        refused = same_or_refused(victim, lambda: figures(results_dir), self._shown)
        if file in self._contents:
            refused |= same_or_refused(victim, lambda: contents(victim), self._contents[file])
        status = run_search("--resume", results_dir, "--n_trials", 4, "--progress", "none")
        said = self._capsys.readouterr().err
        if status == 2:
            assert victim.name in said, f"bit {bit} of {file}: the refusal does not name it: {said}"
            refused = True
        else:
            assert status == 0, said
            assert comparable(read(results_dir)) == self._results, f"bit {bit} of {file} changed the results"
        self.refused[kind] += refused
        return kind

    def flip_many(self, count: int) -> Counter[str]:
        """At random, each file as often as any other; the number of flips of each kind."""
        return Counter(self.flip(self.files[number % len(self.files)]) for number in range(count))

    def _copy(self, target: Path) -> None:
        shutil.copytree(self._good, target)

    def _is_archive(self, file: Path) -> bool:
        real = file.suffix == ".pt" and file.parent.parent.name == "trial_001"
        return real or file.name == "reference.npz"


KINDS = {
    "search.json", "search_results", "outcome.json", "result.json", "hyperparameters.json", "history.jsonl", "latest.pt",
    "journal.jsonl", "lease-1.json", "heartbeat",
    "stand-in's latest.pt", "best_model.pt", "final_model.pt", "reference.npz", "stdout.log", "events", "report.html",
}  # fmt: skip


def test_a_flipped_bit_changes_no_result(searched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flipper = Flipper(searched, tmp_path, capsys, seed=1)
    flips = flipper.flip_many(len(flipper.files))
    assert set(flips) >= KINDS
    assert flipper.refused["best_model.pt"] == flips["best_model.pt"] > 0
    assert flipper.refused["reference.npz"] == flips["reference.npz"] > 0
    assert flipper.refused["search_results"] > 0


def test_without_seals_it_would(
    searched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the same flips, and nobody looks at the seals."""

    def unchecked(data: bytes) -> dict[str, Any]:
        return {key: value for key, value in parse_object(data).items() if key != "sha256"}

    flipper = Flipper(searched, tmp_path, capsys, seed=1)
    for place in ("ghm.io.sealed", "ghm.search.records.reader"):
        monkeypatch.setattr(f"{place}.check_seal", unchecked)
    (victim,) = (file for file in flipper.files if file.parent.name == "trial_001" and file.name == "outcome.json")
    assert any(changed(flipper, victim) for _ in range(100))


def changed(flipper: Flipper, victim: Path) -> bool:
    try:
        flipper.flip(victim)
    except AssertionError as error:
        return "changed the results" in str(error) or "says something else" in str(error)
    return False


def test_a_result_whose_search_died_is_taken_only_with_its_seal(searched: Path) -> None:
    """The end of a training that the search did not live to record: with a digit changed, it is not believed."""
    results_file(searched).unlink()
    result = searched / "trial_002/result.json"
    content = json.loads(result.read_text())
    best = content["metrics"]["best_return"]
    result.write_text(result.read_text().replace(repr(best), repr(best + 1)))
    assert run_search("--resume", searched, "--n_trials", 3, "--progress", "none") == 0
    entry = read(searched)["results"][1]
    assert entry["metrics"]["best_return"] == best


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.skipif("GHM_SOAK" not in os.environ, reason="long: run by `make soak`")
def test_two_thousand_flipped_bits_change_no_result(
    searched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flipper = Flipper(searched, tmp_path, capsys, seed=2)
    flips = flipper.flip_many(2000)
    assert set(flips) >= KINDS
    with capsys.disabled():
        lines = [f"  {kind}: {count} flips, {flipper.refused[kind]} refused" for kind, count in sorted(flips.items())]
        sys.stdout.write(f"{sum(flips.values())} flips over {len(flips)} kinds of files\n" + "\n".join(lines) + "\n")
