"""A search that grows: what was decided stands, what is added is decided by content, and is the same however it is run."""

import dataclasses
import json
import multiprocessing
import os
import random
import re
import shlex
import shutil
import signal
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ghm
from ghm.report.analysis.certainty import certainty
from ghm.search.decisions.ranking import rung_agreements
from ghm.search.decisions.scheduler import Scheduler, Step
from ghm.search.explain import explain
from ghm.search.records.journal import read_journal
from ghm.search.records.reader import read_search
from ghm.search.replay import replay
from ghm.search.settings.calibrations import Calibration
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.space import SearchSpace
from ghm.search.settings.trial_numbering import Extent, TrialNumbering
from ghm.search.trials.outcome import TrialRecord, TrialState
from ghm.search.trials.runner import TrialRunner
from ghm.search.trials.trial import Trial
from ghm.training.settings import TrainConfig
from tests.search.instant import INSTANT
from tests.search.support import STUB, comparable, read, run_search
from tests.search.test_decisions import CALIBRATIONS, child, everything

QUIET = ("--progress", "none")
COMMON = ("--n_iterations", 6, "--eval_freq", 2, "--max_retries", 100, *QUIET)

Words = Sequence[object]

SEARCHES: dict[str, tuple[Words, ...]] = {
    "rungs": (
        ("--n_trials", 6, "--rungs", 2, 4, "--keep", 0.5),
        ("--n_trials", 10, "--rungs", 1, 2, 4),
        ("--n_seeds", 3, "--top", 2),
        ("--n_trials", 12),
    ),
    "gp": (
        ("--search_type", "gp", "--n_trials", 13, "--proposal_lag", 2, "--rungs", 2, "--keep", 0.3),
        ("--n_seeds", 2),
        ("--n_trials", 16),
        ("--confirm", 2, "--confirm_seeds", 2),
    ),
    "tpe, firms": (
        ("--search_type", "tpe", "--n_trials", 12, "--proposal_lag", 2, "--n_seeds", 2, "--calibrations", "calibrations.json"),
        ("--n_trials", 14, "--rungs", 2, "--keep", 0.5),
        ("--n_seeds", 4, "--top", 2, "--rungs", 2, 4),
    ),
}  # fmt: skip
"""The words of a search, and those by which it grows."""


@pytest.fixture(autouse=True)
def calibrations(tmp_path: Path) -> None:
    (tmp_path / "calibrations.json").write_text(CALIBRATIONS)


def all_of(results_dir: Path) -> tuple[Any, ...]:
    return *everything(results_dir), json.loads((results_dir / "search.json").read_text()).get("growth")


def grown(name: str, results_dir: Path, *more: object) -> Path:
    """The directory of a search that has grown to its end, undisturbed."""
    start, *growths = SEARCHES[name]
    assert run_search(*start, *COMMON, *more, "--results_dir", results_dir) == 0
    for growth in growths:
        assert run_search("--resume", results_dir, *growth, *QUIET, *more) == 0
    return results_dir


Recorded = Callable[[str], Path]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The directory of each search, grown by one worker; run once, and for reading only."""
    home = tmp_path_factory.mktemp("grown")
    (home / "calibrations.json").write_text(CALIBRATIONS)

    @cache
    def record(name: str) -> Path:
        with chdir(home):
            return grown(name, home / name)

    return record


def n_growths(results_dir: Path) -> int:
    """Growths that are on record; -1 where there is no search."""
    try:
        content = json.loads((results_dir / "search.json").read_text())
    except FileNotFoundError:
        return -1
    return len(content.get("growth", [0])) - 1


def kill_while_it_grows(calls: Sequence[Words], results_dir: Path, rng: random.Random, most: int) -> int:
    """Grow with two workers, each call ended by SIGKILL again and again, ``most`` times in all; return the number of kills.

    Args:
        calls: the words of the search, and those by which it grows.
        results_dir: where it is to be.
        rng: when to kill.
        most: kills.
    """
    start, *growths = calls
    kills, longest = 0, 0.6
    for words in ([*start, *COMMON, "--results_dir", results_dir], *(["--resume", results_dir, *g] for g in growths)):
        before = n_growths(results_dir)
        while True:
            taken = n_growths(results_dir) > before
            call = ["--resume", results_dir] if taken else words
            search = multiprocessing.get_context("fork").Process(
                target=child, args=([*call, *QUIET, "--n_workers", 2],)
            )
            search.start()
            if kills < most:
                search.join(rng.uniform(0.02, longest))
                longest *= 1.1
                if search.is_alive():
                    search.kill()
                    kills += 1
            search.join(300)
            if search.exitcode == 0:
                break
            assert search.exitcode == -signal.SIGKILL
    return kills


@pytest.mark.parametrize("name", SEARCHES)
def test_with_two_workers_and_killed_it_grows_as_with_one(name: str, recorded: Recorded, tmp_path: Path) -> None:
    assert kill_while_it_grows(SEARCHES[name], tmp_path / "r", random.Random(name), 4) == 4
    assert all_of(tmp_path / "r") == all_of(recorded(name))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif("GHM_SOAK" not in os.environ, reason="long: run by `make soak`")
@pytest.mark.parametrize("name", SEARCHES)
def test_killed_twenty_times_it_grows_the_same(name: str, recorded: Recorded, tmp_path: Path) -> None:
    rng, kills = random.Random(name), 0
    while kills < 20:
        shutil.rmtree(tmp_path / "r", ignore_errors=True)
        kills += kill_while_it_grows(SEARCHES[name], tmp_path / "r", rng, 20 - kills)
        assert all_of(tmp_path / "r") == all_of(recorded(name))


class Hasty(Scheduler):
    """A wrong variant: more seeds are for the best of those that happen to be over."""

    slower_first = False
    """Whether the first that goes to its end is not over yet."""

    def _grow(self, ending: Sequence[int]) -> Iterator[Step]:
        yield from super()._grow(list(ending)[1:] if self.slower_first else ending)


def test_a_growth_that_looks_at_what_is_over_is_found_out(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control of the tests above; what is not over is told to the variant, since a busy machine is no clock."""
    monkeypatch.setattr("ghm.search.resolved.Scheduler", Hasty)
    assert all_of(grown("rungs", tmp_path / "1")) == all_of(recorded("rungs"))
    monkeypatch.setattr(Hasty, "slower_first", True)
    assert all_of(grown("rungs", tmp_path / "2", "--n_workers", 2)) != all_of(recorded("rungs"))


@pytest.mark.parametrize("name", SEARCHES)
def test_what_was_decided_stands(name: str, tmp_path: Path) -> None:
    """The journal only gets longer, and recorded trials stay as they are."""
    start, *growths = SEARCHES[name]
    assert run_search(*start, *COMMON, "--results_dir", tmp_path / "r") == 0
    journal, entries = (tmp_path / "r/journal.jsonl").read_bytes(), comparable(read(tmp_path / "r"))["results"]
    for growth in growths:
        assert run_search("--resume", tmp_path / "r", *growth, *QUIET) == 0
        now = (tmp_path / "r/journal.jsonl").read_bytes()
        assert now.startswith(journal)
        assert now != journal
        after = comparable(read(tmp_path / "r"))["results"]
        assert len(after) > len(entries) or "--confirm" in growth
        assert after[: len(entries)] == entries
        journal, entries = now, after
    assert run_search("--resume", tmp_path / "r", *QUIET) == 0, "without flags it goes on as it has grown"
    assert (tmp_path / "r/journal.jsonl").read_bytes() == journal


def test_each_group_is_cut_by_itself_at_its_own_rungs(recorded: Recorded) -> None:
    cuts = [one for one in read_journal(recorded("rungs")) if one.kind == "cut"]
    assert [(one.subject.get("growth"), one.subject["rung"], one.content["of"]) for one in cuts] == [
        *((None, rung, of) for rung, of in ((2, 6), (4, 3))),
        *((1, rung, of) for rung, of in ((1, 4), (2, 2), (4, 1))),
        *((3, rung, of) for rung, of in ((1, 2), (2, 1), (4, 1))),
    ]
    groups = {None: range(1, 7), 1: range(7, 11), 3: range(11, 13)}
    for one in cuts:
        assert {k for k, _ in one.content["ranking"]} <= {*groups[one.subject.get("growth")]}
    passed = {entry["configuration"]: entry["rungs"] for entry in read(recorded("rungs"))["results"]}
    assert [result["iteration"] for result in passed[1]][:1] == [2]
    assert [result["iteration"] for result in passed[7]][:1] == [1]


def test_the_best_get_more_seeds_and_the_ranking_counts_all_of_them(recorded: Recorded) -> None:
    results = read(recorded("rungs"))
    by_configuration: dict[int, list[Any]] = {}
    for entry in results["results"]:
        by_configuration.setdefault(entry["configuration"], []).append(entry)
    ended = {k: e[0] for k, e in by_configuration.items() if e[0]["metrics"]["status"] == "completed" and k <= 10}
    best = sorted(ended, key=lambda k: -ended[k]["metrics"]["best_return"])[:2]
    assert {k for k, entries in by_configuration.items() if len(entries) == 3} == {*best}
    for k in best:
        assert [entry["seed"] for entry in by_configuration[k]] == [123 + k, 2_000_125, 2_000_126]
    growth = next(one for one in read_journal(recorded("rungs")) if "chosen" in one.content)
    assert growth.content["chosen"] == [[k, ended[k]["metrics"]["best_return"]] for k in best]
    assert growth.content["of"] == len(ended)
    means = {
        one["number"]: np.mean([e["metrics"]["captured_value"] for e in by_configuration[one["number"]]])
        for one in results["configurations"]
    }
    for one in results["configurations"]:
        assert one["mean"] == pytest.approx(means[one["number"]], rel=1e-12)
        assert len(one["instances"]) == len(by_configuration[one["number"]])
    frame = ghm.load_results(recorded("rungs")).configurations
    assert dict(zip(frame["configuration"], frame["n_trials"], strict=True)) == {
        k: len(entries) for k, entries in by_configuration.items()
    }
    order = frame.sort_values("rank").query("iterations == 6")["configuration"]
    assert list(order) == sorted(order, key=lambda k: -means[k])


def test_more_seeds_for_all_are_what_they_would_have_been_from_the_start(tmp_path: Path) -> None:
    small = ("--n_trials", 4, "--n_iterations", 6, *QUIET)
    assert run_search(*small, "--n_seeds", 2, "--results_dir", tmp_path / "r", **INSTANT) == 0
    assert run_search("--resume", tmp_path / "r", "--n_seeds", 3, *QUIET, **INSTANT) == 0
    assert run_search(*small, "--n_seeds", 3, "--results_dir", tmp_path / "whole", **INSTANT) == 0
    ours, whole = (
        {(e["configuration"], e["seed"]): e["metrics"]["best_return"] for e in read(tmp_path / name)["results"]}
        for name in ("r", "whole")
    )
    assert ours == whole
    added = [e["trial_num"] for e in read(tmp_path / "r")["results"] if e["seed"] == 126]
    assert added == [9, 10, 11, 12]
    # A configuration that is added now has three seeds at once.
    assert run_search("--resume", tmp_path / "r", "--n_trials", 5, *QUIET, **INSTANT) == 0
    assert [e["seed"] for e in read(tmp_path / "r")["results"] if e["configuration"] == 5] == [124, 125, 126]


def test_proposals_learn_from_configurations_of_different_numbers_of_seeds(tmp_path: Path) -> None:
    """Ten of two seeds, then four of three, the last of which are proposed from both kinds."""
    small = ("--search_type", "gp", "--n_iterations", 6, "--n_trials", 10, "--n_seeds", 2, "--proposal_lag", 1, *QUIET)
    assert run_search(*small, "--results_dir", tmp_path / "r", **INSTANT) == 0
    assert run_search("--resume", tmp_path / "r", "--n_seeds", 3, *QUIET, **INSTANT) == 0
    assert run_search("--resume", tmp_path / "r", "--n_trials", 14, *QUIET, **INSTANT) == 0
    seeds = {k: sum(e["configuration"] == k for e in read(tmp_path / "r")["results"]) for k in (1, 10, 11, 14)}
    assert seeds == {1: 3, 10: 3, 11: 3, 14: 3}
    (last,) = (one for one in read_journal(tmp_path / "r") if one.subject.get("configuration") == 14)
    assert last.content["seen"] == 13


def test_numbers_seeds_and_firms_as_counted_by_hand() -> None:
    """Two firms: 3 configurations of one seed are trials 1 to 6; the best two on three seeds have 4 more each."""
    firms = (Calibration("a", SearchConfig().model), Calibration("b", SearchConfig().model))
    grown = (Extent(3, (), 1), Extent(3, (), 3, 2), Extent(5, (), 1))
    numbering = TrialNumbering(SearchConfig(n_trials=5, confirm=1, confirm_seeds=2), firms, 5, grown)
    assert [list(numbering.numbers(k)) for k in range(1, 6)] == [[1, 2], [3, 4], [5, 6], [15, 16], [17, 18]]
    added = numbering.added({1: (3, 1)})
    assert {number: (k, one.seed, one.calibration.name) for number, (k, one) in added.items() if one.calibration} == {
        7: (3, 2_000_125, "a"), 8: (3, 2_000_126, "a"), 9: (3, 2_000_125, "b"), 10: (3, 2_000_126, "b"),
        11: (1, 2_000_125, "a"), 12: (1, 2_000_126, "a"), 13: (1, 2_000_125, "b"), 14: (1, 2_000_126, "b"),
    }  # fmt: skip
    stretches = [((2,), numbering.confirmation_seeds(2))]
    assert [number for number, _, _ in numbering.confirmation(stretches)] == [19, 20, 21, 22]
    for number in range(1, 23):
        configuration, instance, stage = numbering.placed(number, stretches, {1: (3, 1)})
        assert instance.calibration is not None
        if number <= 18:
            assert stage == "explore"
            assert number in {*numbering.numbers(configuration), *added}
        else:
            assert (configuration, stage) == (2, "confirm")


def test_asked_for_again_when_it_is_over_the_best_are_chosen_anew(tmp_path: Path) -> None:
    """Those that have the seeds already are not trained again."""
    run_search("--n_trials", 5, "--n_iterations", 6, *QUIET, "--results_dir", tmp_path / "r", **INSTANT)
    for _ in range(2):
        assert run_search("--resume", tmp_path / "r", "--n_seeds", 2, "--top", 2, *QUIET, **INSTANT) == 0
    chosen = [{k for k, _ in d.content["chosen"]} for d in read_journal(tmp_path / "r") if "chosen" in d.content]
    assert len(chosen) == 2
    trained = {e["configuration"] for e in read(tmp_path / "r")["results"] if e["seed"] > 2_000_000}
    assert trained == chosen[0] | chosen[1]
    assert len(read(tmp_path / "r")["results"]) == 5 + len(trained)


def status(*words: object) -> int | str | None:
    """Exit status of a call; one that is refused before the search is known exits by itself."""
    try:
        return run_search(*words)
    except SystemExit as error:
        return error.code


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search with rungs that has not grown; for reading only."""
    results_dir = tmp_path_factory.mktemp("started") / "r"
    assert run_search(*SEARCHES["rungs"][0], *COMMON, "--results_dir", results_dir) == 0
    return results_dir


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--top", 2), "--top 2 needs --n_seeds above 1, which all configurations have"),
        (("--n_seeds", 3, "--top", 4), "--top 4: only 2 configurations are trained to their ends; give at most 2"),
        (("--n_seeds", 3, "--top", 0), "--top must be"),
        (("--n_seeds", 0), "--n_seeds must be"),
        (("--rungs", 2, "--n_trials", 8), "--rungs 2: the search to --resume has 2 4, and 4 would be lost"),
        (("--rungs", 2, 4, 7, "--n_trials", 8), "--rungs must increase and stay below --n_iterations 6"),
        (("--n_trials", 3), "--n_trials 3 is fewer than the 6"),
    ],
)
def test_what_is_no_growth_is_refused(
    change: Words, message: str, started: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (started / "search.json").read_bytes()
    for more in ((), ("--dry_run",)):
        assert status("--resume", started, *change, *QUIET, *more) == 2
        assert message in capsys.readouterr().err
    assert (started / "search.json").read_bytes() == before


def test_growths_that_would_undo_a_choice_are_refused(
    recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status("--n_trials", 4, "--top", 2, "--results_dir", tmp_path / "new", *QUIET) == 2
    assert "--top 2 needs --resume" in capsys.readouterr().err
    shutil.copytree(recorded("rungs"), tmp_path / "r")
    assert run_search("--resume", tmp_path / "r", "--keep", 1.0, *QUIET) == 2
    assert "--keep 1: a choice for more seeds has been made" in capsys.readouterr().err
    run_search("--n_trials", 4, "--rank_by", "worst", *COMMON, "--results_dir", tmp_path / "worst", **INSTANT)
    capsys.readouterr()
    assert run_search("--resume", tmp_path / "worst", "--n_seeds", 3, "--top", 2, *QUIET) == 2
    assert "with --rank_by worst, more seeds make a configuration's figure lower" in capsys.readouterr().err


def test_after_a_confirmation_the_advice_is_a_new_search_on_other_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Followed by the word: it begins with the best of the earlier one, and shares no other configuration or seed with it."""
    results_dir = tmp_path / "my r"
    words = ("--n_trials", 5, "--confirm", 2, "--confirm_seeds", 9, *COMMON, "--results_dir", results_dir)
    assert run_search(*words, **INSTANT) == 0
    capsys.readouterr()
    for change in (("--n_trials", 8), ("--n_seeds", 2, "--top", 1), ("--n_trials", 8, "--rungs", 2)):
        assert run_search("--resume", results_dir, *change, *QUIET) == 2
        said = capsys.readouterr().err
    again, learned = advised(said)
    assert learned[0] == "--learn_from"
    assert "--start_with FILE" in said
    best = read(results_dir)["best_config"]
    (tmp_path / "best.json").write_text(json.dumps([best]))
    begun = (*again, "--results_dir", tmp_path / "on", *QUIET)
    assert run_search(*begun, "--start_with", tmp_path / "best.json", **INSTANT) == 0
    earlier, later = read(results_dir), read(tmp_path / "on")
    tried = [[one["hyperparameters"] for one in each["configurations"]] for each in (earlier, later)]
    assert tried[1][0] == best
    assert not [one for one in tried[1][1:] if one in tried[0]]
    assert not {one["seed"] for one in earlier["results"]} & {one["seed"] for one in later["results"]}
    assert later["confirmation"]["complete"]
    learns = ("--search_type", "gp", *learned, "--dry_run")
    assert run_search(*again, *learns, "--results_dir", tmp_path / "learned", *QUIET) == 0
    assert "5 of 5 configurations of search" in capsys.readouterr().out


def test_a_grid_that_was_confirmed_goes_on_as_advised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has all its configurations, and neither takes any first nor learns."""
    space, results_dir = tmp_path / "space.json", tmp_path / "my grid"
    one = {name: values.to_json()[:1] for name, values in SearchSpace().choices().items()}  # type: ignore[index]
    space.write_text(json.dumps(one | {"lr_policy": [0.001, 0.002, 0.004]}))
    words = ("--search_type", "grid", "--space", space, "--confirm", 2, "--confirm_seeds", 2, *COMMON)
    assert run_search(*words, "--results_dir", results_dir, **INSTANT) == 0
    capsys.readouterr()
    assert run_search("--resume", results_dir, "--n_seeds", 2, *QUIET) == 2
    again, rest = advised(said := capsys.readouterr().err)
    assert rest == []
    assert "--start_with" not in said
    assert run_search(*again, "--results_dir", tmp_path / "on", *QUIET, **INSTANT) == 0
    earlier, later = read(results_dir), read(tmp_path / "on")
    assert [one["hyperparameters"] for one in earlier["configurations"]] == [
        one["hyperparameters"] for one in later["configurations"]
    ]
    assert not {one["seed"] for one in earlier["results"]} & {one["seed"] for one in later["results"]}


def advised(said: str) -> tuple[list[str], list[str]]:
    """The flags of a new search that a message names, as a shell takes them, without its directory; and those of learning."""
    flags, rest = re.search(r"(--config .*) --results_dir ELSEWHERE(.*)", said).groups()  # type: ignore[union-attr]
    learn = re.search(r"\(tpe and gp: (.*)\)", rest)
    words = shlex.split(flags)
    assert [word for word in words if word.startswith("--")] == ["--config", "--seed_base"]
    assert len(words) == 4
    return words, [] if learn is None else shlex.split(learn[1])


def test_a_dry_run_says_what_grows_and_writes_nothing(started: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in sorted(started.rglob("*.json*"))}
    capsys.readouterr()
    assert run_search("--resume", started, "--n_trials", 10, "--rungs", 1, 2, 4, "--dry_run") == 0
    said = capsys.readouterr().out
    assert "The search grows: configurations 7 to 10 are added with rungs 1 2 4; what was decided stands." in said
    assert "the best 50% of 7 to 10 are promoted at 1 and 2 and 4 iterations: 2 and 1 and 1" in said
    assert run_search("--resume", started, "--n_seeds", 3, "--top", 2, "--dry_run") == 0
    said = capsys.readouterr().out
    assert (
        "the 2 best of 2 configurations that are trained to their ends, ranked by the mean, get 3 seeds each." in said
    )
    assert "10 trials (6 configurations x 1 seed" in said
    assert "4 to run" in said
    assert {path: path.read_bytes() for path in sorted(started.rglob("*.json*"))} == before


def test_it_is_explained_and_shown(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    state = read_search(recorded("rungs"))
    growth = next(one for one in read_journal(recorded("rungs")) if "chosen" in one.content)
    (first, value), (second, _) = growth.content["chosen"]
    told = explain(recorded("rungs"), first)
    assert f"More seeds: its configuration ranked 1 of {growth.content['of']} that were trained to their ends" in told
    assert f"with a firm value of {value:.4f}. The best 2 are trained on 3 seeds." in told
    other = next(one.configuration for one in state.scores() if one.configuration not in (first, second))
    assert "No more seeds: its configuration was not among the 2 that were trained on 3 seeds." in explain(
        recorded("rungs"), other
    )
    assert "(of configurations 7 to 10). The best 2 were promoted" in explain(recorded("rungs"), 7)
    assert run_search("--resume", recorded("rungs"), *QUIET) == 0
    said = capsys.readouterr().out
    assert "They have 1 to 3 seeds." in said
    (row,) = (one for one in certainty(state, ()) if one.question.startswith("Seeds"))
    ended = sum(one.reached == 6 for one in state.scores())
    assert ended == 4, "the first five have one that was stopped at a rung: more seeds are not for it"
    assert row[:2] == ("Seeds of the first 4 configurations", "1 to 3")
    assert row.follows.endswith("--n_seeds 3 --top 4.")
    assert row.follows in " ".join(said.split())
    advice = ("--n_seeds", 3, "--top", 4)
    assert " ".join(map(str, advice)) in said
    assert run_search("--resume", recorded("rungs"), *advice, *QUIET, "--dry_run") == 0
    assert run_search("--resume", recorded("rungs"), "--n_seeds", 3, "--top", 5, *QUIET, "--dry_run") == 2


@pytest.mark.parametrize("name", SEARCHES)
def test_a_trial_is_trained_again_as_it_was_though_its_result_is_lost(
    name: str, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the search's record alone, with the rungs of the configurations that it came with, at each of which it evaluates."""
    trained: list[TrainConfig] = []
    state = read_search(recorded(name))
    known = {one.trial_num: one for one in state.trials}

    def train(_: TrialRunner, trial: Trial) -> TrialRecord:
        trained.append(dataclasses.replace(trial.config, group=None))
        return known[trial.number]

    monkeypatch.setattr(TrialRunner, "__call__", train)
    shutil.copytree(recorded(name), tmp_path / "r")
    placed = {n: (one.stage, one.configuration) for n, one in known.items() if one.status is TrialState.COMPLETED}
    kinds = {
        (stage, state.numbering.group_of(k), number in state.numbering.numbers(k), known[number].calibration): number
        for number, (stage, k) in placed.items()
    }
    for number in kinds.values():
        replay(tmp_path / "r", number, runner=TrialRunner(STUB))
        (tmp_path / f"r/trial_{number:03d}/result.json").unlink()
        replay(tmp_path / "r", number, runner=TrialRunner(STUB))
        assert trained[-2] == trained[-1]
    passed = {one.evaluate_at for one in trained}
    assert len(passed) > 1, "trials of different rungs"


def test_rungs_agree_as_far_as_the_same_configurations_went_from_one_to_the_next(tmp_path: Path) -> None:
    """Six pass 2 and 4; eight that are added pass 2, 3 and 4: from 2 to 4 at once are the first, and none of the others."""
    words = ("--n_trials", 6, "--rungs", 2, 4, "--keep", 1.0, *COMMON, "--results_dir", tmp_path / "r")
    assert run_search(*words) == 0
    assert run_search("--resume", tmp_path / "r", "--n_trials", 14, "--rungs", 2, 3, 4, *QUIET) == 0
    state = read_search(tmp_path / "r")
    found = {(one.rung, one.following): one.configurations for one in rung_agreements(state.trials, state.numbering)}
    assert found == {(2, 3): 8, (2, 4): 6, (3, 4): 8, (4, 6): 14}


def test_its_settings_file_says_how_to_do_it_again(recorded: Recorded, tmp_path: Path) -> None:
    text = (recorded("rungs") / "search.toml").read_text()
    again, *growths = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    assert tomllib.loads(text)["n_trials"] == 6
    assert again.startswith("ghm search --config search.toml --results_dir ELSEWHERE")
    elsewhere = tmp_path / "again"
    assert run_search("--config", recorded("rungs") / "search.toml", "--results_dir", elsewhere, *QUIET) == 0
    for line in growths:
        words = line.removeprefix("Then: ghm search ").replace("ELSEWHERE", str(elsewhere)).split()
        assert run_search(*words, *QUIET) == 0
    assert all_of(elsewhere) == all_of(recorded("rungs"))


def test_a_record_whose_growth_does_not_lead_to_its_settings_is_refused(recorded: Recorded, tmp_path: Path) -> None:
    from ghm.io.sealed import DamagedError, read_sealed
    from ghm.search.records.search_record import SearchRecord

    content = read_sealed(recorded("rungs") / "search.json")
    assert SearchRecord.from_dict(content).grown
    for wrong in (content["growth"][:-1], content["growth"][::-1], [{"n_trials": "12"}], "12"):
        with pytest.raises(DamagedError):
            SearchRecord.from_dict(content | {"growth": wrong})
