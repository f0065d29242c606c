"""Each distinct training is run once: the same configuration under the same seeds is the same training."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ghm.search import SearchSpace
from ghm.search.methods.proposals import Known, RandomProposal, unseen
from ghm.search.methods.registry import make_proposal
from ghm.search.records.reader import read_search
from ghm.search.settings.configurations import NAMES
from ghm.search.settings.distributions import Values
from ghm.search.settings.inactive import effective_choices, size
from ghm.search.settings.space import Choices
from tests.search.instant import INSTANT
from tests.search.support import read, run_search

FLAGS = ("--n_iterations", 6, "--eval_freq", 2, "--progress", "none")
ONE = {
    name: [list(values[0]) if isinstance(values[0], tuple) else values[0]]
    for name, values in SearchSpace().choices().items()
}


def space_file(directory: Path, **lists: Any) -> Path:
    path = directory / "space.json"
    path.write_text(json.dumps({**ONE, **lists}))
    return path


def trainings(results: dict[str, Any], ignoring: tuple[str, ...] = ()) -> Counter[str]:
    """How often each distinct training was run."""
    found: Counter[str] = Counter()
    for entry in results["results"]:
        active = {name: value for name, value in entry["hyperparameters"].items() if name not in ignoring}
        iterations = entry["metrics"]["iterations"]
        found[json.dumps([active, entry["seed"], entry["calibration"], iterations], sort_keys=True)] += 1
    return found


@pytest.mark.parametrize("method", ["random", "tpe", "gp"])
def test_no_training_is_run_twice(method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = space_file(tmp_path, lr_policy=[1e-3, 1e-4])
    flags = ("--search_type", method, "--space", space, "--n_trials", 5, "--n_seeds", 2, "--confirm", 3, *FLAGS)
    assert run_search(*flags, "--results_dir", tmp_path / "r", "--progress", "plain", **INSTANT) == 0
    results = read(tmp_path / "r")
    assert len(results["configurations"]) == 2
    assert set(trainings(results).values()) == {1}
    assert results["confirmation"]["chosen"] in ([1, 2], [2, 1])
    printed = capsys.readouterr().out
    assert "The space has only 2 distinct configurations: each is trained once on each seed." in printed
    assert "seed alone" not in printed
    # Resumed, it is complete, and asked for more, there is no more.
    assert run_search("--resume", tmp_path / "r", "--progress", "none", **INSTANT) == 0
    assert read(tmp_path / "r")["results"] == results["results"]


def test_hyperparameters_without_effect_make_no_other_training(tmp_path: Path) -> None:
    lists = {"lr_policy": [1e-3, 1e-4], "lr_baseline": [1e-3, 1e-4, 1e-2], "value_hidden": [[32, 32], [64, 64]]}
    flags = ("--space", space_file(tmp_path, **lists), "--n_trials", 9, "--n_seeds", 2, "--baseline", "exact")
    assert run_search(*flags, "--confirm", 4, *FLAGS, "--results_dir", tmp_path / "r", **INSTANT) == 0
    results = read(tmp_path / "r")
    assert len(results["configurations"]) == 2
    assert set(trainings(results, ("lr_baseline", "value_hidden")).values()) == {1}
    assert max(trainings(results).values()) == 1


def test_with_one_seed_a_repetition_is_another_training_but_is_confirmed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--space", space_file(tmp_path, lr_policy=[1e-3, 1e-4]), "--n_trials", 5, "--confirm", 3)
    assert run_search(*flags, *FLAGS, "--results_dir", tmp_path / "r", "--progress", "plain", **INSTANT) == 0
    results = read(tmp_path / "r")
    assert len(results["configurations"]) == 5
    assert len(results["confirmation"]["configurations"]) == 2
    assert set(trainings(results).values()) == {1}
    assert "only 2 distinct configurations: some trials differ in their seed alone." in capsys.readouterr().out


def test_trial_k_of_a_random_search_is_what_it_was_where_nothing_repeats(tmp_path: Path) -> None:
    """With several seeds too; where one repeats, the others stay."""
    lists = {"lr_policy": [1e-3, 1e-4], "entropy_weight": [0.01, 0.05, 0.1]}
    flags = ("--space", space_file(tmp_path, **lists), "--n_seeds", 2, "--n_trials", 6)
    run_search(*flags, *FLAGS, "--results_dir", tmp_path / "r", **INSTANT)
    choices = SearchSpace.from_file(tmp_path / "space.json").choices()
    drawn = [RandomProposal(choices, 123)(number) for number in range(1, 7)]
    found = [one["hyperparameters"] for one in read(tmp_path / "r")["configurations"]]
    assert len({json.dumps(one, sort_keys=True) for one in found}) == 6
    repeats = 0
    for number, (one, other) in enumerate(zip(drawn, found, strict=True)):
        if one in drawn[:number]:
            repeats += 1
        else:
            taken = [(o["lr_policy"], o["entropy_weight"]) for o in found[:number]]
            same = (one.lr_policy, one.entropy_weight) == (other["lr_policy"], other["entropy_weight"])
            assert same or (one.lr_policy, one.entropy_weight) in taken
    assert repeats, "the seed of this test was chosen so that something repeats"


def proposed(method: str, choices: Choices, count: int, seed: int) -> list[Any]:
    propose, found = make_proposal(method, choices, seed), []
    for number in range(1, count + 1):
        history = [Known(one, 0.5 + 1e-3 * at, pending=at > number - 5) for at, one in enumerate(found)]
        found.append(propose(number, history))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("method", ["tpe", "gp"])
def test_methods_that_learn_repeat_nothing_while_others_are_left(method: str, seed: int) -> None:
    """Of twelve; the random draws that they begin with included."""
    single = effective_choices(SearchSpace().choices(), NAMES)
    choices = {**single, "lr_policy": Values((1e-4, 3e-4, 1e-3)), "entropy_weight": Values((0.01, 0.02, 0.05, 0.1))}
    assert size(choices) == 12
    found = proposed(method, choices, 14, seed)
    assert len(set(found[:12])) == 12
    drawn = [RandomProposal(choices, seed)(number) for number in range(1, 13)]
    assert len(set(drawn)) < 12, "the wrong variant repeats"


def test_the_place_of_another_one_depends_on_seed_and_number() -> None:
    choices = SearchSpace().choices()
    first = RandomProposal(choices, 1)(1)
    others = [unseen(choices, first, {first}, seed, number) for seed in (1, 2) for number in range(1, 7)]
    assert len(set(others)) == 12
    assert unseen(choices, first, {first}, 1, 1) == others[0]
    single = effective_choices(choices, NAMES)
    only = RandomProposal(single, 1)(1)
    assert unseen(single, only, {only}, 1, 2) == only, "nothing else is left"
    assert set(vars(only)) == set(NAMES)


def of_the_same(results: dict[str, Any]) -> None:
    """Each configuration is one set of hyperparameters, on each of its seeds and calibrations once."""
    for number in {entry["configuration"] for entry in results["results"]}:
        ours = [entry for entry in results["results"] if entry["configuration"] == number]
        assert len({json.dumps(entry["hyperparameters"], sort_keys=True) for entry in ours}) == 1
        assert len({(entry["seed"], entry["calibration"]) for entry in ours}) == len(ours)


@pytest.mark.parametrize(
    ("started", "changed", "named"),
    [
        ((), ("--seed_base", 122), "seed_base: recorded 123, now 122"),
        (("--search_type", "grid"), ("--space", "other.json"), "search space: lr_policy: recorded [0.001, 0.0001]"),
        ((), ("--search_type", "grid"), "search_type: recorded random, now grid"),
        (("--calibrations", "c.json"), ("--calibrations", "swapped.json"), "calibrations: recorded ['calm', 'wild']"),
        (("--calibrations", "c.json"), ("--calibrations", "third.json"), "calibrations: recorded ['calm', 'wild']"),
        (("--calibrations", "c.json"), ("--calibrations", "wilder.json"), "calibration wild.sigma_x: recorded 0.3"),
    ],
)
def test_a_number_never_comes_to_mean_another_training(
    started: tuple[Any, ...],
    changed: tuple[Any, ...],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also with --allow_drift, and without advice to give it; nothing is written."""
    monkeypatch.chdir(tmp_path)
    space_file(tmp_path, lr_policy=[1e-3, 1e-4])
    (tmp_path / "other.json").write_text(json.dumps({**ONE, "lr_policy": [1e-4, 1e-3]}))
    calm, wild = {"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3}
    for name, models in (
        ("c", [calm, wild]),
        ("swapped", [wild, calm]),
        ("third", [calm, {"name": "new", "sigma_x": 0.2}, wild]),
        ("wilder", [calm, wild | {"sigma_x": 0.4}]),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(models))
    flags = ("--space", "space.json", "--n_trials", 2, *started, *FLAGS, "--results_dir", "r")
    assert run_search(*flags, **INSTANT) == 0
    before = (tmp_path / "r/search.json").read_bytes()
    for drift in ((), ("--allow_drift",)):
        assert run_search("--resume", "r", *changed, *drift, "--progress", "none", **INSTANT) == 2
        said = capsys.readouterr().err
        assert named in said
        assert "start a new search in another --results_dir" in said
        assert "accept it with --allow_drift" not in said
    assert (tmp_path / "r/search.json").read_bytes() == before


def test_a_configuration_that_was_begun_stays_what_it_was(tmp_path: Path) -> None:
    """A random search goes on in another space: what is recorded of a configuration holds for its other seeds too."""
    flags = ("--space", space_file(tmp_path, lr_policy=[1e-3, 1e-4]), "--n_trials", 2, "--n_seeds", 2)
    assert run_search(*flags, *FLAGS, "--results_dir", tmp_path / "r", **INSTANT) == 0
    before = read(tmp_path / "r")["results"]
    shutil.rmtree(tmp_path / "r/trial_002")
    (tmp_path / "r" / f"search_results_{read_search(tmp_path / 'r').record.name}.json").unlink()
    other = tmp_path / "other"
    other.mkdir()
    wider = ("--space", space_file(other, lr_policy=[3e-4, 1e-3, 1e-4]), "--n_trials", 3)
    assert run_search("--resume", tmp_path / "r", *wider, "--allow_drift", "--progress", "none", **INSTANT) == 0
    results = read(tmp_path / "r")
    of_the_same(results)
    assert [e["hyperparameters"] for e in results["results"][:4]] == [e["hyperparameters"] for e in before]
    assert set(trainings(results).values()) == {1}
