"""An earlier search's outcomes as knowledge: what is used, that it is copied, and that decisions stay a pure function."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from ghm.errors import UserError
from ghm.io.sealed import read_sealed, write_sealed
from ghm.search import SearchSpace
from ghm.search.methods.earlier import Earlier
from ghm.search.methods.proposals import Known, RandomProposal
from ghm.search.records.journal import read_journal
from ghm.search.records.reader import read_search
from tests.search.instant import INSTANT
from tests.search.support import read, run_search
from tests.search.test_decisions import everything, kill_until_done

FLAGS = ("--n_iterations", 6, "--eval_freq", 2, "--progress", "none")
QUIET = ("--progress", "none")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random search of 14 configurations; the third failed."""
    home = tmp_path_factory.mktemp("earlier")
    assert run_search("--n_trials", 14, *FLAGS, "--results_dir", home / "r", **INSTANT) == 0
    path = home / "r/trial_003/outcome.json"
    record = read_sealed(path)
    record["metrics"] |= {"status": "diverged", "error": "ReturnError: not finite"}
    write_sealed(path, record)
    assert run_search("--resume", home / "r", *QUIET, **INSTANT) == 0
    return home / "r"


def learned(earlier: Path, results_dir: Path, *more: object, method: str = "gp", **options: Any) -> int:
    flags = ("--search_type", method, "--n_trials", 5, *FLAGS, "--results_dir", results_dir, "--learn_from", earlier)
    return run_search(*flags, *more, **INSTANT | options)


def proposed(results_dir: Path) -> list[dict[str, Any]]:
    return [one.content["hyperparameters"] for one in read_journal(results_dir) if one.kind == "proposal"]


@pytest.mark.parametrize("method", ["tpe", "gp"])
def test_it_knows_from_the_first_configuration_on(
    method: str, earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert learned(earlier, tmp_path / "r", "--dry_run", method=method) == 0
    plan = capsys.readouterr().out
    name = read(earlier)["search"]
    assert f"--learn_from: 14 of 14 configurations of search {name} are used." in plan
    assert f"{method} learns from the first configuration on." in plan
    assert not (tmp_path / "r").exists()
    assert learned(earlier, tmp_path / "r", method=method) == 0
    record = read_search(tmp_path / "r").record
    assert record.learn_from is not None
    used = [(one.hyperparameters, one.value) for one in record.learn_from.outcomes]
    there = read_search(earlier)
    assert used == [
        (one.hyperparameters, None if one.configuration == 3 else one.trials[0].captured_value)
        for one in there.scores()
    ]
    # The stub's value depends on lr_policy alone and rises with it: all are proposed where it is highest, and none is random.
    random_draws = RandomProposal(SearchSpace().choices(), 123)
    asked = [one["lr_policy"] for one in proposed(tmp_path / "r")]
    assert sum(one == 1e-3 for one in asked) >= 3 > sum(random_draws(k).lr_policy == 1e-3 for k in range(1, 6))
    capsys.readouterr()
    from ghm.search.explain import explain

    said = explain(tmp_path / "r", 1)
    assert f"from 14 outcomes of search {name} (--learn_from). The 0 before it" in said
    assert "and the outcomes of configurations 1 to 1. The 3 after these" in explain(tmp_path / "r", 5)


def test_it_is_a_function_of_its_own_directory(
    earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed, with three workers, and with the earlier search gone, changed or named again: the same decisions."""
    source = tmp_path / "source"
    shutil.copytree(earlier, source)
    flags = ["--search_type", "gp", "--n_trials", 8, "--proposal_lag", 2, *FLAGS, "--learn_from", source]
    assert run_search(*flags, "--results_dir", tmp_path / "one") == 0
    expected = everything(tmp_path / "one")
    arguments = [*flags, "--n_workers", 3, "--max_retries", 100, "--results_dir", tmp_path / "killed"]
    kill_until_done(arguments, tmp_path / "killed", random.Random(1), 4)
    assert everything(tmp_path / "killed") == expected
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    shutil.rmtree(source)
    (tmp_path / "two/journal.jsonl").unlink()
    for again in ((), ("--learn_from", source)):
        assert run_search("--resume", tmp_path / "two", *again, *QUIET) == 0
        assert everything(tmp_path / "two") == expected
    # Its settings file has the outcomes, too.
    assert run_search("--config", tmp_path / "one/search.toml", "--results_dir", tmp_path / "three", *QUIET) == 0
    assert everything(tmp_path / "three")[1] == expected[1]
    # Wrong variant: without what it knew it decides otherwise.
    without = flags[:-2]
    assert run_search(*without, "--results_dir", tmp_path / "without") == 0
    assert everything(tmp_path / "without")[1] != expected[1]
    capsys.readouterr()
    assert run_search("--resume", tmp_path / "without", "--learn_from", earlier, *QUIET) == 2
    assert "learn_from: recorded None, now " in capsys.readouterr().err
    assert run_search("--resume", tmp_path / "one", "--learn_from", tmp_path / "killed", "--allow_drift", *QUIET) == 2
    assert "learn_from: recorded " in capsys.readouterr().err


def test_a_search_can_be_its_own_source(earlier: Path, tmp_path: Path) -> None:
    """It is moved, as every earlier search in a directory is; its outcomes are copied before."""
    shutil.copytree(earlier, tmp_path / "r")
    assert learned(tmp_path / "r", tmp_path / "r") == 0
    record = read_search(tmp_path / "r").record
    assert record.learn_from is not None
    assert record.learn_from.search == read(earlier)["search"]
    assert len(list((tmp_path / "r_earlier").iterdir())) == 1
    assert run_search("--resume", tmp_path / "r", "--n_trials", 6, *QUIET, **INSTANT) == 0


def test_what_is_outside_the_space_or_trained_otherwise_is_left_out(
    earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counted by hand from what the earlier search tried; a setting that it did not search has the value that it was fixed at."""
    tried = [one.hyperparameters for one in read_search(earlier).scores()]
    space = tmp_path / "space.json"
    space.write_text(json.dumps({"lr_policy": {"low": 2e-4, "high": 1e-2, "log": True}, "gae_lambda": [0.9, 0.95]}))
    assert learned(earlier, tmp_path / "r", "--space", space, "--dry_run") == 0
    small = sum(one.lr_policy == 1e-4 for one in tried)
    assert 0 < small < 14
    assert f"{14 - small} of 14 configurations of search" in (plan := capsys.readouterr().out)
    assert f"; left out: {small} with lr_policy outside the space." in plan
    space.write_text(json.dumps({"gae_lambda": [0.9, 0.8]}))
    assert learned(earlier, tmp_path / "r", "--space", space, "--learner", "model_free", "--estimator", "gae") == 2
    message = capsys.readouterr().err
    assert "none of its 14 configurations can be used here; left out: 14 " in message
    assert learned(earlier, tmp_path / "r", "--learner", "model_free") == 2
    assert "left out: 14 trained with another learner" in capsys.readouterr().err
    # Of a setting without effect any value will do: the first of the list stands for it.
    space.write_text(json.dumps({"lr_baseline": [0.5, 0.6]}))
    assert run_search("--n_trials", 12, *FLAGS, "--baseline", "exact", "--results_dir", tmp_path / "e", **INSTANT) == 0
    assert learned(tmp_path / "e", tmp_path / "r", "--space", space, "--baseline", "exact", "--dry_run") == 0
    assert "12 of 12 configurations" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--model.sigma_x", 0.3), "of another problem or of other trainings (model differ)"),
        (("--T", 5.0), "(T differ)"),
        (("--n_iterations", 8), "(n_iterations differ)"),
        (("--calibrations", "firms.json"), "(calibrations, model differ)"),
        (
            ("--rungs", 2),
            "none of its 14 configurations can be used here; left out: 13 without a result at iteration 2",
        ),
        (("--search_type", "random"), "--learn_from is for tpe and gp: --search_type random learns nothing"),
        (("--search_type", "grid"), "--learn_from is for tpe and gp: --search_type grid learns nothing"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    more: tuple[object, ...],
    message: str,
    earlier: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("firms.json").write_text(json.dumps([{"name": "calm", "sigma_x": 0.1}]))
    try:
        status = learned(earlier, tmp_path / "r", *more)
    except SystemExit as left:  # a mistake in the flags themselves
        status = left.code  # type: ignore[assignment]
    assert status == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "r").exists()


def test_of_a_search_with_more_seeds_for_the_best_all_configurations_are_used(
    earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(earlier, tmp_path / "source")
    assert run_search("--resume", tmp_path / "source", "--n_seeds", 3, "--top", 2, *QUIET, **INSTANT) == 0
    capsys.readouterr()
    assert learned(tmp_path / "source", tmp_path / "r", "--dry_run") == 0
    assert "14 of 14 configurations" in capsys.readouterr().out


def test_an_unfinished_search_is_learned_from_as_far_as_it_is(
    earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(earlier, tmp_path / "source")
    for number in (4, 9):
        path = tmp_path / f"source/trial_{number:03d}/outcome.json"
        record = read_sealed(path)
        record["metrics"] |= {"status": "interrupted", "error": "stopped"}
        write_sealed(path, record)
    (tmp_path / "source/trial_005/outcome.json").write_bytes(b"{}")  # damaged: its entry in the results JSON holds
    assert learned(tmp_path / "source", tmp_path / "r", "--dry_run") == 0
    assert "12 of 14 configurations" in (plan := capsys.readouterr().out)
    assert "; left out: 2 not finished." in plan


@pytest.mark.parametrize("damage", ["missing", "no search", "flipped bit", "binary"])
def test_a_damaged_source_is_refused(
    damage: str, earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    shutil.copytree(earlier, source)
    (results,) = source.glob("search_results_*.json")
    if damage == "missing":
        shutil.rmtree(source)
    elif damage == "no search":
        shutil.rmtree(source)
        source.mkdir()
    elif damage == "flipped bit":
        results.write_bytes(results.read_bytes().replace(b"captured_value", b"captured_valve", 1))
    else:
        results.write_bytes(bytes(range(256)) * 40)
    assert learned(source, tmp_path / "r") == 2
    assert capsys.readouterr().err.startswith("error: --learn_from")
    assert not (tmp_path / "r").exists()


def test_outcomes_that_were_changed_in_the_record_are_found_out(earlier: Path, tmp_path: Path) -> None:
    assert learned(earlier, tmp_path / "r") == 0
    choices = SearchSpace().choices()
    told = read_sealed(tmp_path / "r/search.json")["learn_from"]
    assert Earlier.from_dict(told, choices).to_dict() == told
    for at, value in (("value", 0.999), ("value", "high"), ("hyperparameters", {"lr_policy": 7})):
        changed = json.loads(json.dumps(told))
        changed["outcomes"][0][at] = value
        with pytest.raises(UserError, match=r"digest|no outcomes|not in the space"):
            Earlier.from_dict(changed, choices)
    known = Earlier("20260101-000000", (Known(RandomProposal(choices, 1)(1), 1 / 3),), {"not finished": 2})
    assert Earlier.from_dict(json.loads(json.dumps(known.to_dict())), choices) == known
