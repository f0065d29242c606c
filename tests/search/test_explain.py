"""What `ghm explain` says: true of the decisions that were made, whatever the method."""

import json
import re
from pathlib import Path

import pytest

import ghm
from ghm.cli import main
from ghm.io.text import percent_text
from ghm.report.drawing.instances import confirmation_table
from ghm.report.page import render
from ghm.search.decisions.statistics import interquartile_mean
from ghm.search.explain import _despite, _last, explain
from ghm.search.methods.proposals import RandomProposal
from ghm.search.records.journal import read_journal
from ghm.search.records.reader import read_search
from tests.search.instant import INSTANT
from tests.search.support import read, run_search
from tests.search.test_duplicates import space_file
from tests.search.test_every_field import sealed_line

FLAGS = ("--n_iterations", 6, "--eval_freq", 2, "--progress", "none")


def says(results_dir: Path, trial: int, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["explain", str(results_dir), "--trial", str(trial)]) == 0
    return capsys.readouterr().out


def test_each_trial_of_a_search_with_rungs_and_a_confirmation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rungs = ("--rungs", 2, "--keep", 0.5, "--confirm", 1, "--confirm_seeds", 2)
    run_search("--n_trials", 4, *rungs, *FLAGS, "--results_dir", tmp_path)
    cut = next(decision for decision in read_journal(tmp_path) if decision.kind == "cut")
    for rank, (configuration, value) in enumerate(cut.content["ranking"], 1):
        text = says(tmp_path, configuration, capsys)
        verdict = "was promoted" if rank <= 2 else "was stopped"
        assert f"At rung 2 its configuration {verdict}: it had a firm value of {value:.4f}, rank {rank} of 4" in text
        assert "drawn at random" in text
    confirmation = read(tmp_path)["confirmation"]
    (winner,) = confirmation["configurations"]
    for number in winner["trials"]:
        text = says(tmp_path, number, capsys)
        assert f" repeats configuration {winner['configuration']} with the fresh seed " in text
        assert f"On the fresh seeds it had a captured value of {winner['confirmed']:.1%}, rank 1 of 1." in text
        assert "ranked 1 of 4 in the search" in text


def test_a_race_is_told_alike_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who was left out, when and by how much; and of which seeds the winner's value is."""
    flags = ("--n_trials", 5, "--confirm", 3, "--confirm_seeds", 9, "--race", "--n_iterations", 6, "--eval_freq", 2)
    assert run_search(*flags, "--progress", "plain", "--results_dir", tmp_path / "r") == 0
    printed = capsys.readouterr().out
    search, content = read_search(tmp_path / "r"), read(tmp_path / "r")
    rounds = [one for one in read_journal(tmp_path / "r") if one.kind == "race"]
    assert [one.content for one in rounds] == content["confirmation"]["race"] == [one.content for one in search.rounds]
    assert rounds[-1].content["final"]
    winner, *others = content["confirmation"]["configurations"]
    last = rounds[-1].content["next"]
    entries = {one["trial_num"]: one for one in content["results"]}
    assert winner["seeds"] == len(last) == 9
    assert [entries[number]["seed"] for number in winner["trials"]] == last
    values = [entries[number]["metrics"]["captured_value"] for number in winner["trials"]]
    assert winner["confirmed"] == pytest.approx(interquartile_mean(values))
    assert (
        len(entries) == 5 + sum(len(one["go_on"]) * len(one["next"]) for one in content["confirmation"]["race"]) + 3 * 3
    )
    assert content["best_config"] == winner["hyperparameters"]
    frame = ghm.load_results(tmp_path / "r").configurations.set_index("configuration")
    page = confirmation_table(search)
    assert page is not None
    for one in (winner, *others):
        word, _, at = one["race"].partition(" at ")
        assert f"  {one['seeds']}  {word}" in re.sub("  +", "  ", printed)
        assert at == f"{7 if one is winner else one['seeds']} seeds"
        assert frame.loc[one["configuration"], "race"] == one["race"]
        assert frame.loc[one["configuration"], "confirmed_seeds"] == one["seeds"]
        assert one["race"] in [cell.text for row in page.rows for cell in row]
    for one in rounds:
        after = f"After {one.subject['seeds']} seeds it"
        for number, behind, allowed in one.content["compared"]:
            text = says(tmp_path / "r", number, capsys)
            how = "went on" if number in one.content["go_on"] else "was left out"
            assert f"{after} {how}: it was {100 * behind:.3f} percentage points" in text
            assert f"more than {100 * allowed:.3f} is beyond chance" in text
        assert f"{after} led the race" in says(tmp_path / "r", one.content["leader"], capsys)


def test_a_configuration_of_several_trials_is_not_taken_for_one_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--n_seeds", 3, "--rank_by", "worst", "--rungs", 2, "--keep", 0.5, "--confirm", 1)
    run_search("--n_trials", 4, *flags, *FLAGS, "--results_dir", tmp_path)
    cut = next(decision for decision in read_journal(tmp_path) if decision.kind == "cut")
    entries = {entry["trial_num"]: entry for entry in read(tmp_path)["results"]}
    for rank, (configuration, value) in enumerate(cut.content["ranking"], 1):
        ours = [number for number, one in entries.items() if one["configuration"] == configuration]
        explored = [number for number in ours if entries[number]["stage"] == "explore"]
        assert value == min(entries[number]["rungs"][0]["best_return"] for number in explored)
        text = says(tmp_path, explored[0], capsys)
        assert f"had a firm value of {value:.4f}, the worst of its trials, rank {rank} of 4" in text


def test_a_failed_trial_is_told_of_in_the_measure_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no captured value itself; what its configuration had is none the less one."""
    monkeypatch.setenv("STUB_MODES", json.dumps({"125": "crash"}))
    (tmp_path / "c.json").write_text(json.dumps([{"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3}]))
    flags = ("--n_seeds", 2, "--calibrations", tmp_path / "c.json", "--rungs", 2, "--keep", 0.5, "--confirm", 1)
    assert run_search("--n_trials", 2, *flags, *FLAGS, "--results_dir", tmp_path / "r") == 0
    cut = next(decision for decision in read_journal(tmp_path / "r") if decision.kind == "cut")
    (_, threshold), ranking = cut.content["ranking"][0], dict(cut.content["ranking"])
    explored = [entry for entry in read(tmp_path / "r")["results"] if entry["stage"] == "explore"]
    assert {entry["seed"]: entry["metrics"]["status"] == "crashed" for entry in explored} == {124: False, 125: True}
    for entry in explored:
        text = says(tmp_path / "r", entry["trial_num"], capsys)
        assert f"it had a captured value of {percent_text(ranking[entry['configuration']])}, the mean of its" in text
        assert f"the last of them with {percent_text(threshold)}" in text
        assert "firm value of" not in text.partition("At rung")[2].partition("It ")[0]


def test_why_one_was_stopped_that_had_no_less_than_the_last_that_went_on() -> None:
    ranking = [[2, 0.5], [1, 0.4], [3, 0.4], [4, 0.3], [5, 0.9]]
    assert _last(ranking, [1, 2]) == 0.4
    assert _despite(ranking, [1, 2], 0.4, failed=False) == "; of equal ones the lower number ranks first"
    assert _despite(ranking, [1, 2], 0.3, failed=False) == ""
    assert (
        _despite(ranking, [1, 2], 0.9, failed=True) == "; a configuration with a failed trial ranks below all without"
    )
    # The last in rank went on in spite of a failure.
    assert _last(ranking, [1, 2, 3, 4, 5]) == 0.9


def test_a_cut_is_told_with_its_threshold_and_a_confirmation_with_all_its_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rungs = ("--rungs", 2, "--keep", 0.5, "--confirm", 1, "--confirm_seeds", 3)
    run_search("--n_trials", 4, *rungs, *FLAGS, "--results_dir", tmp_path)
    cut = next(decision for decision in read_journal(tmp_path) if decision.kind == "cut")
    (_, greatest), (_, threshold), (stopped, value), _ = cut.content["ranking"]
    assert f"{greatest:.4f}" != f"{threshold:.4f}"
    # Of those that went on the last, which the one that was stopped would have had to beat.
    words = f"it had a firm value of {value:.4f}, rank 3 of 4. The best 2 were promoted (--keep 0.5)"
    assert f"{words}, the last of them with {threshold:.4f}." in says(tmp_path, stopped, capsys)
    confirmation = read(tmp_path)["confirmation"]
    first, _, last = confirmation["seeds"]
    # As it is told of the trial that was tuned on, which has another seed itself.
    tuned_on = confirmation["configurations"][0]["configuration"]
    assert {first, last} <= set(map(int, re.findall(r"\d+", says(tmp_path, tuned_on, capsys))))


def test_a_learning_proposal_names_what_it_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_search("--search_type", "gp", "--n_trials", 14, "--proposal_lag", 2, *FLAGS, "--results_dir", tmp_path)
    assert "drawn at random, because only 0 outcomes were available" in says(tmp_path, 1, capsys)
    assert "from the outcomes of configurations 1 to 12. The 1 after these were treated as pending" in says(
        tmp_path, 14, capsys
    )


def test_an_unknown_trial_and_a_search_without_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_search("--n_trials", 2, *FLAGS, "--results_dir", tmp_path)
    assert main(["explain", str(tmp_path), "--trial", "9"]) == 2
    assert "it has 1 to 2" in capsys.readouterr().err
    (tmp_path / "journal.jsonl").unlink()
    assert "not recorded" in says(tmp_path, 1, capsys)


def snapshot(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


def test_after_a_confirmation_no_more_go_on_and_nothing_recommends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It trained everything, then refused for good, since another one would have been chosen."""
    flags = ("--n_trials", 4, "--rungs", 2, 4, "--keep", 0.5, "--confirm", 1, "--confirm_seeds", 2)
    assert run_search(*flags, *FLAGS, "--results_dir", tmp_path / "r") == 0
    before = snapshot(tmp_path / "r")
    for more in ((), ("--dry_run",)):
        assert run_search("--resume", tmp_path / "r", "--keep", 1.0, *more, "--progress", "none") == 2
        said = capsys.readouterr().err
        assert "--keep 1: a confirmation has been made among those that went on at --keep 0.5" in said
        assert "leave --keep out, or start a new search" in said
    now = snapshot(tmp_path / "r")
    assert {name: now[name] for name in before if name != "report.html"} == {
        name: content for name, content in before.items() if name != "report.html"
    }
    told = [explain(tmp_path / "r", number) for number in range(1, 7)]
    assert not any("--keep 1.0" in text for text in told)
    assert sum("cannot be promoted any more: the confirmation has been made" in text for text in told) == 3
    assert "--keep 1.0" not in render(read_search(tmp_path / "r")).decode()
    assert run_search("--resume", tmp_path / "r", "--progress", "none") == 0, "which is what remains"


def test_what_why_recommends_works(tmp_path: Path) -> None:
    flags = ("--n_trials", 4, "--rungs", 2, 4, "--keep", 0.5)
    assert run_search(*flags, *FLAGS, "--results_dir", tmp_path / "r") == 0
    stopped = [e["trial_num"] for e in read(tmp_path / "r")["results"] if e["metrics"]["status"] == "stopped_at_rung"]
    assert stopped
    for number in stopped:
        assert "--resume with --keep 1.0 promotes it" in explain(tmp_path / "r", number)
    assert "--keep 1.0" in render(read_search(tmp_path / "r")).decode()
    assert run_search("--resume", tmp_path / "r", "--keep", 1.0, "--progress", "none") == 0
    assert {e["metrics"]["status"] for e in read(tmp_path / "r")["results"]} == {"completed"}
    assert "It completed" in explain(tmp_path / "r", stopped[0])


def test_a_draw_that_was_replaced_is_not_said_to_depend_on_seed_and_number_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = space_file(tmp_path, lr_policy=[1e-3, 1e-4], lr_baseline=[1e-3, 1e-4])
    flags = ("--space", space, "--n_trials", 4, "--n_seeds", 2, "--seed_base", 1, *FLAGS)
    assert run_search(*flags, "--results_dir", tmp_path / "r", **INSTANT) == 0
    state = read_search(tmp_path / "r")
    draw = RandomProposal(state.record.choices, state.config.seed_base)
    told = {}
    for number in range(1, 5):
        trial = 2 * number - 1
        replaced = draw(number) != state.by_number[trial].hyperparameters
        text = says(tmp_path / "r", trial, capsys)
        assert ("was one that an earlier configuration has" in text) == replaced
        assert ("Only --seed_base and the configuration's number decide the draw." in text) == (not replaced)
        told[number] = replaced
    assert set(told.values()) == {True, False}


def test_a_look_at_a_race_that_lacks_a_figure_is_told_without_it(tmp_path: Path) -> None:
    """A journal that another program wrote, and sealed as ours are."""
    flags = ("--n_trials", 4, "--confirm", 2, "--confirm_seeds", 4, "--race", *FLAGS)
    assert run_search(*flags, "--results_dir", tmp_path / "r", **INSTANT) == 0
    journal = tmp_path / "r/journal.jsonl"
    *before, last = journal.read_bytes().splitlines(keepends=True)
    look = json.loads(last)
    ((number, behind, _),) = look["decided"]["compared"]
    look["decided"]["compared"] = [[number, behind, None]]
    journal.write_bytes(b"".join([*before, sealed_line(look)]))
    assert "it was left out" in explain(tmp_path / "r", number)
