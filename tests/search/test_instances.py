"""Seeds, calibrations, rungs and confirmation, from the command line to the results and what reads them."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ghm
from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.io.text import percent_text
from ghm.report.analysis.certainty import certainty
from ghm.report.analysis.findings import headline, verdict
from ghm.report.analysis.importance import finished
from ghm.report.drawing.economics import parameters_table
from ghm.report.drawing.instances import calibrations_table, configurations_table, confirmation_table
from ghm.report.drawing.tables import leaderboard
from ghm.report.page import render
from ghm.search import SearchConfig
from ghm.search.decisions.ranking import rung_agreement, rung_agreements
from ghm.search.decisions.statistics import rank_correlation
from ghm.search.display.summary import summary
from ghm.search.records.directory import find_record
from ghm.search.records.reader import read_search, restored_search
from ghm.search.records.results_file import ResultsFile
from ghm.search.records.state import SearchState
from ghm.search.settings.command import training_arguments
from ghm.search.settings.config import MAX_TRIALS
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.settings.trial_numbering import TrialNumbering
from ghm.search.trials.trial import Stage, make_trial
from ghm.training.settings import Hyperparameters
from tests.search.instant import INSTANT
from tests.search.support import read, results_file, run_search

FLAGS = ("--n_iterations", 6, "--eval_freq", 2, "--progress", "none")
MODELS = [{"name": "calm", "sigma_x": 0.1}, {"name": "wild", "sigma_x": 0.3, "fixed_cost": 0.01}]


@pytest.fixture
def calibrations(tmp_path: Path) -> Path:
    (tmp_path / "c.json").write_text(json.dumps(MODELS))
    return tmp_path / "c.json"


def test_each_configuration_runs_on_the_same_seeds_and_models(tmp_path: Path, calibrations: Path) -> None:
    flags = ("--n_trials", 3, "--n_seeds", 2, "--calibrations", calibrations)
    assert run_search(*flags, *FLAGS, "--results_dir", tmp_path / "r") == 0
    results = read(tmp_path / "r")
    assert len(results["results"]) == 12
    for number in (1, 2, 3):
        ours = [entry for entry in results["results"] if entry["configuration"] == number]
        assert [(e["calibration"], e["seed"]) for e in ours] == [
            ("calm", 124),
            ("calm", 125),
            ("wild", 124),
            ("wild", 125),
        ]
        assert len({json.dumps(entry["hyperparameters"]) for entry in ours}) == 1
        trained = json.loads((tmp_path / "r" / ours[3]["directory"] / "result.json").read_text())["config"]
        assert trained["model"]["sigma_x"] == 0.3
        assert trained["model"]["fixed_cost"] == 0.01
        assert trained["model"]["sigma_a"] == GHMModel().sigma_a
        assert trained["reference_file"].endswith("reference_wild.npz")
        assert trained["group"] == f"configuration {number}, wild"
    assert [one["name"] for one in results["calibrations"]] == ["calm", "wild"]
    assert results["calibrations"][0]["optimal_return"] == 6.6548


def test_one_seed_is_as_documented(tmp_path: Path) -> None:
    run_search("--n_trials", 3, *FLAGS, "--results_dir", tmp_path / "r")
    results = read(tmp_path / "r")
    assert [(e["trial_num"], e["seed"], e["configuration"], e["stage"]) for e in results["results"]] == [
        (1, 124, 1, "explore"), (2, 125, 2, "explore"), (3, 126, 3, "explore"),
    ]  # fmt: skip
    assert [one["interval"] for one in results["configurations"]] == [None] * 3
    assert results["confirmation"] is None


@pytest.mark.parametrize(("rank_by", "figure"), [("mean", np.mean), ("worst", np.min)])
def test_configurations_are_ranked_by_what_was_asked_for(rank_by: str, figure: Any, tmp_path: Path) -> None:
    flags = ("--n_trials", 5, "--n_seeds", 5, "--rank_by", rank_by)
    run_search(*flags, *FLAGS, "--results_dir", tmp_path / "r")
    results = read(tmp_path / "r")
    returns = {
        number: [e["metrics"]["best_return"] for e in results["results"] if e["configuration"] == number]
        for number in range(1, 6)
    }
    best = max(returns, key=lambda number: figure(returns[number]))
    assert results["best_config"] == results["configurations"][best - 1]["hyperparameters"]
    assert results["best_return"] == max(returns[best]), "the return of its best trial, as everywhere"
    entry = results["configurations"][best - 1]
    assert entry["interval"][0] < entry["iqm"] < entry["interval"][1]
    assert entry["instances"] == list(range(5 * best - 4, 5 * best + 1))


def test_few_seeds_on_several_firms_have_no_interval(tmp_path: Path, calibrations: Path) -> None:
    """Four seeds on two firms are eight numbers and four draws: no interval anywhere, with five seeds everywhere."""
    flags = ("--n_trials", 3, "--calibrations", calibrations, "--confirm", 2, *FLAGS)
    run_search(*flags, "--n_seeds", 4, "--confirm_seeds", 4, "--results_dir", tmp_path / "few", **INSTANT)
    run_search(*flags, "--n_seeds", 5, "--confirm_seeds", 5, "--results_dir", tmp_path / "enough", **INSTANT)
    few, enough = (read(tmp_path / name) for name in ("few", "enough"))
    for results, expected in ((few, False), (enough, True)):
        for one in (*results["configurations"], *results["confirmation"]["configurations"]):
            assert (one["interval"] is not None) == expected
    for name, expected in (("few", False), ("enough", True)):
        search = read_search(tmp_path / name)
        for table in (configurations_table(search), confirmation_table(search)):
            assert table is not None
            (place,) = [at for at, column in enumerate(table.columns) if column.title == "95% interval"]
            assert all((" to " in row[place].text) == expected for row in table.rows)
        assert ("(95% interval" in " ".join(map(" ".join, certainty(search, ())))) == expected
        assert ("(95% interval" in summary(search, interrupted=False)) == expected


@pytest.mark.parametrize("confirm", [0, 2])
def test_ranked_by_the_worst_everything_speaks_of_the_worst(
    confirm: int, tmp_path: Path, calibrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--n_trials", 3, "--n_seeds", 2, "--calibrations", calibrations, "--rank_by", "worst", *FLAGS)
    run_search(*flags, "--confirm", confirm, "--confirm_seeds", 5, "--results_dir", tmp_path / "r", **INSTANT)
    printed = " ".join(capsys.readouterr().out.split())
    search = read_search(tmp_path / "r")
    best, confirmation = search.best_configuration, search.confirmation
    assert best is not None
    values = {one.trial_num: one.captured_value for one in best.trials}
    assert best.figure == min(values.values())
    assert best.shown.trial_num == min(values, key=values.get)
    assert (best.shown.stage == "confirm") == bool(confirm)
    if confirmation is not None:
        assert best.configuration == confirmation.configurations[0].configuration
        assert [one.interval for one in confirmation.configurations] == [None, None]
        reached = [one.confirmed for one in confirmation.configurations]
        assert reached == sorted(min(t.captured_value for t in one.trials) for one in confirmation.configurations)[::-1]
        assert "worst values" in printed
    where = f"trial {best.shown.trial_num} on {best.shown.calibration}"
    assert f"worst captured value {percent_text(best.figure)}" in printed
    assert f"(its worst trial: {where}, firm value {best.shown.best_return:.4f}" in printed
    assert percent_text(best.figure) in headline(search)
    words = verdict(search)
    assert words is None or words == f"Its worst {where.replace(' ', ', ', 1)}: {best.shown.word('verdict_text')}"


def test_the_cost_of_not_tuning_compares_as_many_trainings(tmp_path: Path, calibrations: Path) -> None:
    """Against the mean of the configuration that is the best there, not against the luckiest training."""
    flags = ("--n_trials", 4, "--n_seeds", 3, "--calibrations", calibrations, *FLAGS)
    run_search(*flags, "--results_dir", tmp_path / "r", **INSTANT)
    search = read_search(tmp_path / "r")
    table = calibrations_table(search)
    assert table is not None
    assert [column.title for column in table.columns] == ["", "calm", "wild"]
    for name, column in zip(("calm", "wild"), list(zip(*table.rows, strict=True))[1:], strict=True):
        means = {
            number: np.mean(
                [t.captured_value for t in search.trials if (t.configuration, t.calibration) == (number, name)]
            )
            for number in range(1, 5)
        }
        best = search.best_configuration
        assert best is not None
        ours, top, cost = (cell.key for cell in column[-3:])
        assert ours == pytest.approx(means[best.configuration])
        assert top == pytest.approx(max(means.values()))
        assert cost == pytest.approx(top - ours)
        assert [cell.text for cell in column[:2]] == ["6.6548", "5.9500"]


def test_lines_and_leaderboard_name_seed_and_calibration(
    tmp_path: Path, calibrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--n_trials", 2, "--n_seeds", 2, "--calibrations", calibrations, *FLAGS)
    run_search(*flags, "--results_dir", tmp_path / "r", "--progress", "plain", **INSTANT)
    printed = capsys.readouterr().out
    assert "[Trial 4] Starting training (configuration 1, seed 125, wild)..." in printed
    assert re.search(r"\[Trial 4\] Completed in [^(]+ \(configuration 1, seed 125, wild\): firm value", printed)
    board = leaderboard(read_search(tmp_path / "r"))
    assert board is not None
    assert [column.title for column in board.columns[:5]] == ["Rank", "Trial", "Configuration", "Seed", "Calibration"]
    rows = {row[1].text: [cell.text for cell in row[2:5]] for row in board.rows}
    assert rows["4"] == ["1", "125", "wild"]


def test_the_firm_is_the_best_trials(tmp_path: Path, calibrations: Path) -> None:
    run_search("--n_trials", 2, "--calibrations", calibrations, *FLAGS, "--results_dir", tmp_path / "r", **INSTANT)
    search = read_search(tmp_path / "r")
    best = search.best_trial
    assert best is not None
    table = parameters_table(search)
    (volatility,) = [row for row in table.rows if row[-1].text == "sigma_x"]
    shown = {column.title: cell.text for column, cell in zip(table.columns, volatility, strict=True)}
    assert (shown["calm"], shown["wild"]) == ("0.1", "0.3")
    page = render(search).decode()
    assert f"<dt>Optimum ({best.calibration})</dt>" in page
    assert re.search(rf"<dt>Optimum \({best.calibration}\)</dt>\s*<dd>6.6548</dd>", page)


def test_a_configuration_with_a_failure_is_not_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ("--n_trials", 3, "--n_seeds", 2, "--n_workers", 1)
    run_search(*flags, *FLAGS, "--results_dir", tmp_path / "a")
    best = read(tmp_path / "a")["best_config"]
    number = next(one["number"] for one in read(tmp_path / "a")["configurations"] if one["hyperparameters"] == best)
    # The best configuration's first trial diverges; trials of one seed share it, so a mark tells them apart.
    from tests.search.instant import InstantTrial

    class Diverging(InstantTrial):
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__(command, **options)
            path = Path(command[command.index("--result_file") + 1])
            if path.parent.name == f"trial_{2 * number - 1:03d}":
                result = json.loads(path.read_text()) | {"status": "diverged", "error": "loss is nan", "metrics": {}}
                path.write_text(json.dumps(result))

    options = INSTANT | {"popen": Diverging}
    assert run_search(*flags, *FLAGS, "--results_dir", tmp_path / "b", **options) == 0
    results = read(tmp_path / "b")
    assert results["configurations"][number - 1]["failures"] == 1
    assert results["best_config"] != results["configurations"][number - 1]["hyperparameters"]


def test_seeds_of_the_confirmation_are_nobody_elses() -> None:
    config = SearchConfig(n_trials=MAX_TRIALS, confirm=3, confirm_seeds=4, n_seeds=1)
    numbering = TrialNumbering(config, (), config.n_trials)
    fresh = numbering.confirmation_seeds(4)
    assert len(set(fresh)) == 4
    assert min(fresh) > numbering.instances(MAX_TRIALS)[0].seed
    # A race: three configurations on two seeds, then two of them on the next, and one on the last.
    stretches = [((5, 7, 9), fresh[:2]), ((7, 9), fresh[2:3]), ((9,), fresh[3:])]
    trials = list(numbering.confirmation(stretches))
    assert [number for number, _, _ in trials] == list(range(MAX_TRIALS + 1, MAX_TRIALS + 10))
    for number, configuration, instance in trials:
        assert numbering.placed(number, stretches) == (configuration, instance, "confirm")
    with pytest.raises(UserError, match="no trial"):
        numbering.placed(MAX_TRIALS + 10, stretches)


def test_a_finished_search_is_confirmed_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_search("--n_trials", 5, *FLAGS, "--results_dir", tmp_path / "r")
    before = read(tmp_path / "r")
    again = ("--confirm", 2, "--confirm_seeds", 3, "--confirm_iterations", 8)
    assert run_search("--resume", tmp_path / "r", *again, "--progress", "none") == 0
    results = read(tmp_path / "r")
    assert results["results"][:5] == before["results"]
    confirmation = results["confirmation"]
    assert confirmation["complete"] is True
    assert confirmation["iterations"] == 8
    trials = [entry for entry in results["results"] if entry["stage"] == "confirm"]
    assert len(trials) == 6
    assert {entry["metrics"]["iterations"] for entry in trials} == {8}
    for one in confirmation["configurations"]:
        ours = [e["metrics"]["captured_value"] for e in trials if e["configuration"] == one["configuration"]]
        assert one["confirmed"] == pytest.approx(np.mean(ours))
        assert one["difference"] == pytest.approx(one["confirmed"] - one["tuned"])
        assert one["interval"] is None, "of three seeds"
    first, second = confirmation["configurations"]
    assert first["confirmed"] >= second["confirmed"]
    assert results["best_config"] == first["hyperparameters"]
    printed = capsys.readouterr().out
    assert "Confirmation on fresh seeds 1000124 to 1000126, 8 iterations" in printed
    assert "The first beats the second in " in printed


def test_what_was_stopped_ranks_below_what_went_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = ("--progress", "plain")
    run_search("--n_trials", 8, "--rungs", 2, 4, "--keep", 0.5, *FLAGS, *plain, "--results_dir", tmp_path / "r")
    results = read(tmp_path / "r")
    iterations = sorted(entry["metrics"]["iterations"] for entry in results["results"])
    assert iterations == [2] * 4 + [4] * 2 + [6] * 2
    assert all(entry["metrics"]["success"] for entry in results["results"])
    ranked = read_search(results_file(tmp_path / "r")).ranked
    assert [trial.iterations for trial in ranked] == iterations[::-1]
    completed = [e for e in results["results"] if e["metrics"]["status"] == "completed"]
    assert results["best_return"] == max(entry["metrics"]["best_return"] for entry in completed)
    printed, errors = capsys.readouterr()
    assert errors == "", "no display failed"
    assert "Continues training from iteration " in printed
    assert "[Trial 8] Paused at rung 2" in printed
    assert "2 of 8 trials completed, 6 stopped at a rung" in printed
    assert "2 and 4 iterations, 4 configurations promoted" in printed
    assert "[Rung 2] 4 of 8 configurations promoted: " in printed
    assert "[Rung 4] 2 of 4 configurations promoted: " in printed
    ledger = {2: 4, 4: 2, 6: 2}
    history = [
        len((tmp_path / "r" / e["directory"] / "history.jsonl").read_text().splitlines()) for e in results["results"]
    ]
    assert {reached: history.count(reached) for reached in ledger} == ledger, "no iteration was trained twice"


@pytest.mark.parametrize("confirm", [0, 2])
def test_summary_and_page_speak_of_configurations_and_agree(
    confirm: int, tmp_path: Path, calibrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what decided, not of a lucky training on an easy firm; seeds and firms are no more configurations."""
    flags = ("--n_trials", 6, "--n_seeds", 2, "--calibrations", calibrations, "--rank_by", "worst", "--rungs", 2)
    run_search(*flags, "--keep", 0.6, "--confirm", confirm, *FLAGS, "--results_dir", tmp_path / "r")
    printed, content = capsys.readouterr().out, read(tmp_path / "r")
    search = read_search(results_file(tmp_path / "r"))
    page = render(search).decode()
    order = sorted(content["configurations"], key=lambda e: (-e["iterations"], -e["worst"], e["number"]))
    assert re.search(rf"configuration +{' +'.join(str(entry['number']) for entry in order[:5])}\n", printed)
    if confirm:
        first = content["confirmation"]["configurations"][0]
        figure = re.escape(percent_text(first["confirmed"]))
        assert re.search(
            rf"Best configuration: {first['configuration']}, worst captured value {figure} on fresh seeds\n"
            r"  \(trials \d+ to \d+ in the search, trials \d+ to \d+ on fresh seeds\)\n",
            printed,
        )
        assert (
            f"Configuration {first['configuration']} is the best: it captures {100 * first['confirmed']:.1f}%" in page
        )
        assert content["best_config"] == first["hyperparameters"]
    else:
        words = f"{order[0]['number']}, worst captured value {percent_text(order[0]['worst'])} over its 4 trials"
        assert f"Best configuration: {words}" in printed
        assert f"Configuration {order[0]['number']} is the best: it captures {100 * order[0]['worst']:.1f}%" in page
        assert content["best_config"] == order[0]["hyperparameters"]
    shown = search.best_trial
    assert shown is not None
    assert f"trial {shown.trial_num} on {shown.calibration}, firm value {shown.best_return:.4f}" in printed
    assert f"Train the best configuration longer, on {shown.calibration}" in printed
    command = printed[printed.rindex("ghm train") if "ghm train" in printed else printed.rindex("python ") :]
    (model,) = [one for one in content["calibrations"] if one["name"] == shown.calibration]
    assert f"--model.sigma_x {model['sigma_x']}" in command
    assert f"--model.sigma_x {model['sigma_x']}" in page
    assert re.search(r"2 and \d+ iterations, 4 configurations promoted", printed)
    assert len(finished(search)) == 4
    assert "Too few configurations finished (4)" in page
    done = 6 * 4 + confirm * content["search_config"]["confirm_seeds"] * 2
    assert f"{done - 8} of {done} trials completed, 8 stopped at a rung" in printed
    assert f"{done - 8} of {done} trials completed, 8 stopped at a rung" in page


@pytest.mark.parametrize("rank_by", ["mean", "worst"])
def test_the_page_leads_with_what_the_search_leads_with_however_far_it_is(
    rank_by: str, tmp_path: Path, calibrations: Path
) -> None:
    """Some trials over, some failed, some interrupted or waiting at a rung, some not begun."""
    flags = ("--n_trials", 4, "--n_seeds", 2, "--calibrations", calibrations, "--rank_by", rank_by, "--rungs", 2)
    run_search(*flags, *FLAGS, "--results_dir", tmp_path)
    _, record = find_record(tmp_path, flag="")
    outcomes = list(restored_search(tmp_path, record).by_number.values())
    generator, leaders = np.random.default_rng(0), set()
    apart = tmp_path / "apart"  # from the trials' own records, which would count
    apart.mkdir()
    for _ in range(25):
        index = SearchState(apart / record.results_name, record)
        usual = generator.choice(["completed", "paused"])  # of most trials, or hardly a configuration would be whole
        for outcome in outcomes:
            status = generator.choice(
                [usual, "paused", "interrupted", "diverged", "running"], p=[0.8, 0.04, 0.02, 0.12, 0.02]
            )
            captured, firm = float(generator.uniform(0.5, 0.99)), 3.0 if outcome.calibration == "calm" else 0.0
            metrics = {"best_return": 5.95 + firm + captured, "captured_value": captured}
            reached = {"paused": 2, "completed": 6}.get(status, 4)
            if status != "running":
                index.add(dataclasses.replace(outcome, status=status, iterations=reached, metrics=metrics, rungs=()))
        ResultsFile(index).write()
        search, best = read_search(index.path), index.best_trial
        if best is None or index.leader is None:
            assert search.best_trial is None
            continue
        assert search.best_trial is not None
        assert (search.best_trial.configuration, search.best_trial.trial_num) == (best.configuration, best.trial_num)
        assert search.best_configuration is not None
        figure = search.best_configuration.captured_value
        leads = index.leader
        assert figure == pytest.approx(leads.value)
        alike = [one for one in leads.trials if one.status == best.status and one.captured_value is not None]
        assert best.captured_value == max(one.captured_value or 0.0 for one in alike), "between firms, not by return"
        leaders.add((leads.configuration, leads.failures > 0, best.status))
        assert f"Best configuration: {leads.configuration}, {rank_by} captured value" in summary(index, True)
        assert f"Configuration {leads.configuration} is the best: it captures {percent_text(figure)}" in headline(
            search
        )
    assert len(leaders) > 6, "too few different standings: this tests nothing"


@pytest.mark.parametrize("rank_by", ["mean", "iqm", "worst"])
def test_a_search_that_is_interrupted_at_a_rung_has_a_summary(rank_by: str, tmp_path: Path) -> None:
    flags = ("--n_trials", 3, "--n_seeds", 2, "--rank_by", rank_by, "--rungs", 2)
    run_search(*flags, *FLAGS, "--results_dir", tmp_path)
    _, record = find_record(tmp_path, flag="")
    apart = tmp_path / "apart"
    apart.mkdir()
    waiting = SearchState(apart / record.results_name, record)
    assert "Best configuration" not in summary(waiting, interrupted=True)
    for outcome in restored_search(tmp_path, record).by_number.values():
        at_rung = dict(outcome.metrics, best_return=outcome.rungs[0].best_return, captured_value=None)
        waiting.add(dataclasses.replace(outcome, status="paused", iterations=2, metrics=at_rung))
    text = summary(waiting, interrupted=True)
    leader = waiting.leader
    assert leader is not None
    assert leader.value is not None
    words = {"mean": "mean", "iqm": "interquartile mean", "worst": "worst"}[rank_by]
    assert (
        f"Best configuration: {leader.configuration}, {words} firm value {leader.value:.4f} over its 2 trials" in text
    )
    assert "6 not finished" in text
    ResultsFile(waiting).write()
    said = headline(read_search(waiting.path))
    assert f"Configuration {leader.configuration} is the best, with a firm value of {leader.value:.4f}" in said
    assert "captured" not in said, "there is no such share"


def test_summary_and_page_count_the_same_that_went_on_though_some_failed_later(tmp_path: Path) -> None:
    rungs = ("--rungs", 2, 4, "--keep", 1.0)
    run_search("--n_trials", 11, *rungs, *FLAGS, "--results_dir", tmp_path)
    _, record = find_record(tmp_path, flag="")
    apart = tmp_path / "apart"
    apart.mkdir()
    index = SearchState(apart / record.results_name, record)
    for number, outcome in restored_search(tmp_path, record).by_number.items():
        late = {"status": "diverged", "iterations": 5, "error": "NaN"} if number in (2, 5) else {}
        early = (
            {"status": "diverged", "iterations": 3, "error": "NaN", "rungs": outcome.rungs[:1]} if number == 3 else {}
        )
        index.add(dataclasses.replace(outcome, **late, **early))
    ResultsFile(index).write()
    said = summary(index, interrupted=False)
    first, second = rung_agreements(read_search(index.path).trials, record.numbering)
    assert f"2 and 4 iterations, {first.configurations} configurations promoted: " in said
    assert f"4 and {second.following} iterations, {second.configurations} configurations promoted: " in said
    assert (first.configurations, second.configurations) == (10, 8)
    for one in (first, second):
        assert one.correlation is not None
        words = f"{one.rung} and {one.following} iterations, {one.configurations} configurations promoted"
        assert f"{words}: {one.correlation[0]:.2f} (95% interval" in said


def test_trials_of_one_configuration_are_one_comparison() -> None:
    """Two firms far apart, on each of which the next rung turns the order around."""
    pairs = {
        number: [(0.1 + number / 100, 0.2 - number / 100), (0.8 + number / 100, 0.9 - number / 100)]
        for number in range(8)
    }
    found = rung_agreement(2, 6, pairs, "mean")
    assert found.configurations == 8
    assert found.correlation is not None
    assert found.correlation[0] == pytest.approx(-1.0)
    pooled = rank_correlation(*zip(*(pair for ours in pairs.values() for pair in ours), strict=True))
    assert pooled is not None
    assert pooled[0] > 0.3, "the wrong variant takes the firms' difference for foresight"


def test_the_page_and_the_frames_show_it_all(tmp_path: Path, calibrations: Path) -> None:
    flags = ("--n_trials", 4, "--n_seeds", 2, "--calibrations", calibrations, "--rungs", 2, "--confirm", 2)
    run_search(*flags, *FLAGS, "--results_dir", tmp_path / "r")
    page = render(read_search(results_file(tmp_path / "r"))).decode()
    for part in (
        "Spread of each configuration over its trials",
        "On fresh seeds",
        "beside the configuration that is best there",
        "Best captured value of each trial at the",
    ):
        assert part in page, part
    results = ghm.load_results(tmp_path / "r")
    content = read(tmp_path / "r")
    frame = results.configurations.set_index("configuration")
    assert list(frame["mean"]) == pytest.approx([one["mean"] for one in content["configurations"]])
    assert frame["confirmed"].notna().sum() == 2
    assert set(results.configurations) == set(results.configuration_descriptions)
    trials = results.trials
    assert (trials["stage"] == "confirm").sum() == 20
    assert set(trials["calibration"]) == {"calm", "wild"}
    best = results.search.best_trial
    assert best is not None
    assert plain_hyperparameters(best.hyperparameters) == content["best_config"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "a list of 1 to 1000 objects"),
        ("{", "not JSON"),
        ('[{"sigma_x": 0.1}]', "with a name"),
        ('[{"name": "a/b"}]', "with a name"),
        ('[{"name": "a"}, {"name": "a"}]', "'a' is there twice"),
        ('[{"name": "a", "sigmax": 1}]', "no parameter 'sigmax' (did you mean 'sigma_x'?)"),
        ('[{"name": "a", "sigma_x": -1}]', "sigma_x must be >= 0"),
        ('[{"name": "a", "sigma_x": "x"}]', "must be a finite number"),
        (None, "No such file"),
    ],
)
def test_calibrations_that_are_none_are_refused(
    content: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "c.json").write_text(content)
    assert run_search("--calibrations", tmp_path / "c.json", "--results_dir", tmp_path / "r") == 2
    error = capsys.readouterr().err
    assert message in error
    assert "--calibrations" in error
    assert not (tmp_path / "r").exists()


def test_recorded_calibrations_hold_though_their_file_is_gone(
    tmp_path: Path, calibrations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_search("--n_trials", 1, "--calibrations", calibrations, *FLAGS, "--results_dir", tmp_path / "r")
    calibrations.unlink()
    assert run_search("--resume", tmp_path / "r", "--n_trials", 2, "--progress", "none") == 0
    assert len(read(tmp_path / "r")["results"]) == 4
    other = tmp_path / "other.json"
    other.write_text('[{"name": "calm", "sigma_x": 0.2}]')
    assert run_search("--resume", tmp_path / "r", "--calibrations", other) == 2
    assert "calibration calm.sigma_x: recorded 0.1, now 0.2" in capsys.readouterr().err


def test_every_training_is_told_all_rungs_whether_it_pauses_there_or_not(tmp_path: Path) -> None:
    """Else the trial that a cut let pass would be evaluated, and might be best, where one without cuts would not."""
    config = SearchConfig(rungs=(30, 90), n_iterations=300, confirm_iterations=60)
    stages: tuple[Stage, ...] = ("explore", "confirm")
    trials = [make_trial(config, tmp_path, 1, Hyperparameters(), stage=stage) for stage in stages]
    assert [trial.config.evaluate_at for trial in trials] == [(30, 90), ()]
    arguments = training_arguments(trials[0].config)
    first = arguments.index("--evaluate_at")
    assert arguments[first : first + 3] == ["--evaluate_at", "30", "90"]
    assert "--evaluate_at" not in training_arguments(trials[1].config)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--rungs", 5000), "must increase and stay below --n_iterations"),
        (("--rungs", 1000, 500), "must increase"),
        (("--keep", 0), "--keep must be a finite number > 0"),
        (("--keep", 1.5), "--keep must be a share"),
        (("--n_seeds", 0), "--n_seeds must be a whole number >= 1"),
        (("--rank_by", "median"), "rank_by"),
        (("--confirm", -1), "--confirm must be a whole number >= 0"),
    ],
)
def test_bad_flags(flags: tuple[object, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_search(*flags)
    printed = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert message in printed


def test_plan_and_summary_say_what_has_no_effect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--search_type", "grid", "--dry_run", "--results_dir", tmp_path / "r")
    run_search(*flags, "--baseline", "exact")
    printed = capsys.readouterr().out
    assert "The grid has 972 configurations" in printed
    assert "does not depend on lr_baseline and value_hidden" in printed
    run_search(*flags, "--baseline", "network")
    printed = capsys.readouterr().out
    assert "The grid has 11,664 configurations" in printed
    assert "does not depend" not in printed
    run_search("--n_trials", 2, "--baseline", "exact", *FLAGS, "--results_dir", tmp_path / "s")
    assert "does not depend on lr_baseline and" in capsys.readouterr().out


def test_a_search_from_before_all_this_is_read_and_goes_on(tmp_path: Path) -> None:
    """Its records lack the journal and every key that came with seeds, calibrations and rungs."""
    from ghm.io.sealed import read_sealed, write_sealed

    run_search("--n_trials", 3, *FLAGS, "--results_dir", tmp_path / "whole")
    run_search("--n_trials", 2, *FLAGS, "--results_dir", tmp_path / "r")
    (tmp_path / "r/journal.jsonl").unlink()
    new = {"n_seeds", "calibrations", "rank_by", "proposal_lag", "rungs", "keep", "confirm", "race", "confirm_seeds"}
    for path in (tmp_path / "r/search.json", results_file(tmp_path / "r")):
        record = read_sealed(path)
        for key in ("calibrations", "configurations", "confirmation"):
            record.pop(key, None)
        for name in (*new, "confirm_iterations"):
            del record["search_config"][name]
        for entry in record.get("results", []):
            for key in ("configuration", "calibration", "stage", "rungs"):
                del entry[key]
        write_sealed(path, record)
    for path in (tmp_path / "r").glob("trial_*/outcome.json"):
        entry = read_sealed(path)
        for key in ("configuration", "calibration", "stage", "rungs"):
            del entry[key]
        write_sealed(path, entry)
    assert b"Leaderboard" in render(read_search(results_file(tmp_path / "r")))
    assert list(ghm.load_results(tmp_path / "r").trials["configuration"]) == [1, 2]
    assert run_search("--resume", tmp_path / "r", "--n_trials", 3, "--progress", "none") == 0
    ours, expected = read(tmp_path / "r"), read(tmp_path / "whole")
    assert ours["best_config"] == expected["best_config"]
    assert ours["configurations"] == expected["configurations"]
    journals = [(tmp_path / name / "journal.jsonl").read_text().splitlines() for name in ("r", "whole")]
    assert [line for line in journals[0] if '"decision": "growth"' not in line] == journals[1]
