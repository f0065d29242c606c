"""Each cell of each table of a search, against figures worked out by hand."""

import dataclasses
import math
from pathlib import Path

import pytest
from report.by_hand import FRESH, confirmed, eight_trials, over_seeds, rung_trials, search_of, trial

from ghm.economics.model import GHMModel
from ghm.report.analysis.importance import Importance, MarginalEffect
from ghm.report.comparison import _differences, _table
from ghm.report.drawing import instances, tables, tuning
from ghm.report.drawing.economics import card_table, parameters_table
from ghm.report.drawing.tables import Cell, Table, plain_rows
from ghm.search.records.state import SearchState
from ghm.search.records.values import ReferenceReturns
from ghm.search.settings.calibrations import Calibration
from ghm.solvers.validation import Card
from ghm.training.logging.metrics import policy_rows


@pytest.fixture
def search(tmp_path: Path) -> SearchState:
    return eight_trials(tmp_path)


def whole(table: Table | None) -> Table:
    assert table is not None
    return table


def titles(table: Table) -> list[str]:
    return [column.title for column in table.columns]


def test_leaderboard(search: SearchState) -> None:
    table = whole(tables.leaderboard(search))
    assert titles(table) == [
        "Rank", "Trial", "Captured value", "Firm value", "Verdict", "Training time", "lr_policy",
    ]  # fmt: skip
    assert plain_rows(table) == [
        ["1", "5", "95.0%", "6.6150", "issues only at too little cash", "0:50", "0.0001"],
        ["2", "2", "90.0%", "6.5800", "near optimal", "0:20", "0.001"],
        ["3", "3", "72.0%", "6.4540", "–", "0:30", "0.001"],
        ["4", "1", "60.0%", "6.3700", "pays too much", "0:10", "0.001"],
        ["5", "4", "20.0%", "6.0900", "never pays", "0:40", "0.0001"],
        ["6", "6", "-50.0%", "5.6000", "–", "1:00", "0.0001"],
    ]
    assert [cell.bar for cell in (row[2] for row in table.rows)] == [95.0, 90.0, 72.0, 60.0, 20.0, 0.0]
    assert [row[2].key for row in table.rows] == [0.95, 0.90, 0.72, 0.60, 0.20, -0.50]
    assert [row[5].key for row in table.rows] == [50.0, 20.0, 30.0, 10.0, 40.0, 60.0]
    assert table.caption == "Completed trials, best first"
    assert whole(tables.leaderboard(search, most=2)).caption == "2 of 6 completed trials, best first"
    assert plain_rows(whole(tables.leaderboard(search, most=2))) == plain_rows(table)[:2]


def test_leaderboard_of_several_seeds(tmp_path: Path) -> None:
    """By configuration, one of which a trial failed last, and within it by captured value."""
    table = whole(tables.leaderboard(over_seeds(tmp_path)))
    assert titles(table)[:5] == ["Rank", "Trial", "Configuration", "Seed", "Captured value"]
    assert [row[:5] for row in plain_rows(table)] == [
        ["1", "5", "2", "128", "90.0%"], ["2", "7", "2", "130", "88.0%"], ["3", "8", "2", "131", "86.0%"],
        ["4", "6", "2", "129", "10.0%"], ["5", "3", "1", "126", "80.0%"], ["6", "2", "1", "125", "70.0%"],
        ["7", "4", "1", "127", "60.0%"], ["8", "1", "1", "124", "50.0%"], ["9", "9", "3", "132", "95.0%"],
        ["10", "10", "3", "133", "95.0%"], ["11", "12", "3", "135", "95.0%"],
    ]  # fmt: skip


def test_trials_that_completed_stand_above_those_that_were_stopped(tmp_path: Path) -> None:
    """Though one was stopped at 0.99: what it would have come to nobody knows, and it was stopped for a reason."""
    table = whole(tables.leaderboard(search_of(tmp_path, rung_trials(), rungs=(20,), keep=0.5)))
    assert [row[1] for row in plain_rows(table)] == ["1", "2", "3", "4"]
    assert table.caption == "Trials with a result, best first"


def test_best_configuration(search: SearchState) -> None:
    table = whole(tables.best_configuration(search))
    assert table.caption == "Hyperparameters of trial 5"
    assert plain_rows(table) == [
        ["lr_policy", "0.0001"], ["lr_baseline", "0.003"], ["entropy_weight", "0.01"], ["action_reg_weight", "0.01"],
        ["max_grad_norm", "1"], ["n_trajectories", "500"], ["policy_hidden", "64x64"], ["value_hidden", "64x64"],
    ]  # fmt: skip


def test_best_policy(search: SearchState) -> None:
    table = whole(tables.best_policy(search))
    assert titles(table) == ["With 10 years to the horizon", "Learned", "Optimum"]
    assert plain_rows(table) == [
        ["payout boundary", "0.2100", "0.1900"],
        ["issuance boundary", "0.0300", "0.0400"],
        ["post-issuance cash", "0.0800", "0.0700"],
        ["equity issues per firm over 10 years", "1.50", "1.25"],
        ["liquidated in the first half of the horizon", "12.5%", "7.5%"],
        ["firm value", "6.6150", "6.6500"],
        ["loss of firm value", "0.53%", "0%"],
    ]


@pytest.mark.parametrize(
    ("metrics", "shown"),
    [
        ({"payouts": 0.0, "issues": 0.0}, ["never", "never", "never"]),
        ({"payouts": 3.0, "issues": 0.0}, ["later only", "never", "never"]),
        ({"payouts": 0.0, "issues": 3.0}, ["never", "later only", "later only"]),
        ({"payouts": 3.0, "issues": 3.0, "action_rule": "randomised"}, ["at random"] * 3),
    ],
)
def test_levels_that_are_none(metrics: dict[str, float], shown: list[str]) -> None:
    one = trial(1, 0.5, metrics=metrics | {"optimal_payout_level": 0.2})
    rows = policy_rows(one.figure, one.word("action_rule"))
    assert [learned for _, learned, _ in rows[:3]] == shown
    assert [optimal for *_, optimal in rows[:3]] == ["0.2000", "never", "never"]


def test_failures(search: SearchState) -> None:
    table = whole(tables.failures(search))
    assert titles(table) == ["Trial", "Status", "Reason", "Log", "lr_policy"]
    assert plain_rows(table) == [
        ["7", "diverged", "reason 7", "trial_007/stderr.log", "0.001"],
        ["8", "interrupted", "running, or interrupted: --resume continues it", "trial_008/stderr.log", "0.0001"],
    ]


def test_settings(search: SearchState) -> None:
    found = {table.caption: dict(plain_rows(table)) for table in tables.settings(search)}
    assert found["Search settings"]["n_trials"] == "10"
    assert found["Search settings"]["model.sigma_x"] == f"{GHMModel().sigma_x:g}"
    assert found["Search space"]["lr_policy"] == "0.0001, 0.001"
    assert found["Search space"]["policy_hidden"] == "32x32, 64x64, 128x128, 64x64x64"
    assert found["Environment"] == {"python": "3.11.4"}


def test_configurations(tmp_path: Path) -> None:
    table = whole(instances.configurations_table(over_seeds(tmp_path)))
    assert titles(table) == [
        "Rank", "Configuration", "Trials", "Mean", "Interquartile mean", "95% interval", "Worst", "Failures", "Iterations",
        "lr_policy", "n_trajectories",
    ]  # fmt: skip
    rows = plain_rows(table)
    assert [[*row[:5], *row[6:]] for row in rows] == [
        ["1", "2", "4", "68.5%", "87.0%", "10.0%", "0", "100", "0.0001", "500"],
        ["2", "1", "4", "65.0%", "65.0%", "50.0%", "0", "100", "0.001", "500"],
        ["3", "3", "4", "95.0%", "95.0%", "95.0%", "1", "100", "0.001", "250"],
    ]
    assert [row[5] for row in rows] == ["–"] * 3, "of four seeds no interval is given"
    assert table.caption == "Captured value of each configuration over its seeds and calibrations, best first"


def ends(interval: str) -> tuple[float, float]:
    low, high = (float(end.removesuffix("%")) / 100 for end in interval.split(" to "))
    return low, high


def test_configurations_that_cannot_be_ranked_are_counted(tmp_path: Path) -> None:
    some = [trial(number, 0.5, configuration=1) for number in (1, 2)]
    half = [trial(3, 0.6, configuration=2)]
    table = whole(instances.configurations_table(search_of(tmp_path, [*some, *half], n_trials=2, n_seeds=2)))
    assert table.caption.endswith("best first; 1 more cannot be ranked yet, or failed")
    assert len(table.rows) == 1


def test_confirmation(tmp_path: Path) -> None:
    """The interval is of the fresh seeds; of the four that were tuned on there is none."""
    table = whole(instances.confirmation_table(confirmed(tmp_path)))
    assert titles(table) == [
        "Configuration",
        "In the search",
        "On fresh seeds",
        "95% interval",
        "Difference",
        "Failures",
    ]
    rows = plain_rows(table)
    assert [[*row[:3], *row[4:]] for row in rows] == [
        ["2", "87.0%", "83.0%", "-4.0%", "0"],
        ["1", "65.0%", "76.5%", "11.5%", "1"],
    ]
    assert ends(rows[0][3]) == pytest.approx(FRESH, abs=6e-4)
    assert rows[1][3] == "too few seeds", "of four that did not fail"


def test_calibrations(tmp_path: Path) -> None:
    """Configuration 1 is better over both firms (0.80 against 0.75), and costs 0.20 on the one that the other is tuned to."""
    firms = (Calibration("calm", GHMModel(sigma_x=0.1)), Calibration("wild", GHMModel(sigma_x=0.3)))
    trials = [
        trial(1, 0.70, configuration=1, calibration="calm"), trial(2, 0.90, configuration=1, calibration="wild"),
        trial(3, 0.90, configuration=2, calibration="calm"), trial(4, 0.60, configuration=2, calibration="wild"),
    ]  # fmt: skip
    state = search_of(tmp_path, trials, calibrations=firms, n_trials=2)
    state.references |= {"calm": ReferenceReturns(7.25, 6.5), "wild": ReferenceReturns(6.125, 5.0)}
    table = whole(instances.calibrations_table(state))
    assert table.caption == "Configuration 1 on each calibration, beside the configuration that is best there"
    assert titles(table) == ["", "calm", "wild"]
    assert plain_rows(table) == [
        ["optimal firm value", "7.2500", "6.1250"],
        ["immediate-liquidation value", "6.5000", "5.0000"],
        ["mean captured value of configuration 1", "70.0%", "90.0%"],
        ["mean captured value of the best configuration there", "90.0%", "90.0%"],
        ["difference", "20.0%", "0.0%"],
    ]
    # A column for each firm here, too.
    ranking = whole(instances.configurations_table(state))
    found = dict(zip(titles(ranking), zip(*plain_rows(ranking), strict=True), strict=True))
    assert (found["Configuration"], found["Mean, calm"], found["Mean, wild"]) == (
        ("1", "2"), ("70.0%", "90.0%"), ("90.0%", "60.0%"),
    )  # fmt: skip


def test_the_policy_on_each_firm_and_what_the_firms_are(tmp_path: Path) -> None:
    """The best configuration's trial on each firm, the better one of two seeds; two columns for each."""
    firms = (Calibration("calm", GHMModel(sigma_x=0.1)), Calibration("wild", GHMModel(sigma_x=0.3)))
    known = {1: ("calm", 0.70, 0.21), 2: ("calm", 0.80, 0.22), 3: ("wild", 0.90, 0.33), 4: ("wild", 0.60, 0.34)}
    trials = [
        trial(
            number,
            value,
            configuration=1,
            calibration=firm,
            metrics={"payout_level": level, "optimal_payout_level": 0.2},
        )
        for number, (firm, value, level) in known.items()
    ]
    state = search_of(tmp_path, trials, calibrations=firms, n_trials=1, n_seeds=2)
    table = whole(tables.best_policy(state))
    assert table.caption == "Policy of trial 3 (seed 126, wild), trial 2 (seed 125, calm)" or table.caption == (
        "Policy of trial 2 (seed 125, calm), trial 3 (seed 126, wild)"
    )
    assert titles(table)[1:] == ["Learned, calm", "Optimum, calm", "Learned, wild", "Optimum, wild"]
    assert plain_rows(table)[0] == ["payout boundary", "0.2200", "0.2000", "0.3300", "0.2000"]
    parameters = parameters_table(state)
    assert titles(parameters)[2:4] == ["calm", "wild"]
    assert {row[4]: row[2:4] for row in plain_rows(parameters)}["sigma_x"] == ["0.1", "0.3"]


def test_what_values_buy() -> None:
    weights = (Importance("lr_policy", 0.6, 0.001, True), Importance("policy_hidden", 0.1, 0.2, False))
    effects = (
        MarginalEffect("lr_policy", 1e-3, 7, 0.72, 0.125, 0.05, 0.31),
        MarginalEffect("lr_policy", 1e-4, 5, 0.60, -0.125, -0.31, -0.05),
        MarginalEffect("policy_hidden", (64, 64), 6, 0.65, -0.01, -0.1, 0.1),
    )
    table = whole(tuning.marginal_effects_table(effects, weights))
    assert titles(table) == [
        "Hyperparameter", "Value", "Trials", "Median captured value", "Difference to other values (points)", "90% interval",
        "Effect beyond chance",
    ]  # fmt: skip
    assert plain_rows(table) == [
        ["lr_policy", "0.001", "7", "72.0%", "+12.5", "+5.0 to +31.0", "yes"],
        ["lr_policy", "0.0001", "5", "60.0%", "-12.5", "-31.0 to -5.0", "yes"],
        ["policy_hidden", "64x64", "6", "65.0%", "-1.0", "-10.0 to +10.0", "no"],
    ]
    assert tuning.marginal_effects_table((), weights) is None


def test_a_card_as_a_table() -> None:
    table = card_table("calm", Card.default())
    assert table.caption == "Checks of the optimum on calm"
    assert titles(table) == ["Claim", "Figure", "Allowed", ""]
    card = Card.default()
    for row, line in zip(plain_rows(table), card.lines, strict=True):
        assert row[0] == line.claim
        assert float(row[1]) == pytest.approx(line.figure, rel=0.05, abs=1e-30)
        assert float(row[2]) == pytest.approx(line.tolerance, rel=0.05)
        assert row[3] == "PASS"
    failing = dataclasses.replace(card, lines=(dataclasses.replace(card.lines[0], figure=math.nan), *card.lines[1:]))
    assert failing.lines[0].status == "FAIL"


def test_texts_of_trials(search: SearchState) -> None:
    found = tuning.trial_texts(search)
    assert found[5] == "Trial 5: 95.0%<br>lr_policy 0.0001"
    assert found[7] == "Trial 7: diverged<br>lr_policy 0.001"
    assert list(found) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_any_trial(search: SearchState) -> None:
    """The best ones first, then those without a result."""
    (search.directory(search.trials[4]) / "stderr.log").write_text("a warning\nits last line\n")
    details = tuning.trial_details(search)
    assert [one["name"] for one in details] == [
        "trial 5: 95.0%", "trial 2: 90.0%", "trial 3: 72.0%", "trial 1: 60.0%", "trial 4: 20.0%", "trial 6: -50.0%",
        "trial 7: diverged", "trial 8: interrupted",
    ]  # fmt: skip
    best, failed = details[0], details[6]
    facts = dict(best["facts"])
    assert facts == {
        "status": "completed", "training time": "0:50", "seed": "128",
        "firm value": "6.6150", "found at iteration": "90", "firm value of the last policy": "5.9000", "captured value": "95.0%",
        "loss of firm value": "0.53%",
        "optimal firm value": "–", "immediate-liquidation value": "–", "simulated firm value": "6.6170",
        "its standard error": "0.0010", "verdict": "issues only at too little cash",
        "payout boundary (optimum)": "0.2100 (0.1900)", "post-issuance cash (optimum)": "0.0800 (0.0700)",
        "issuance boundary (optimum)": "0.0300 (0.0400)", "equity issues per firm over 10 years (optimum)": "1.50 (1.25)",
        "liquidated in the first half of the horizon (optimum)": "12.5% (7.5%)",
        "payouts per firm": "40.0000", "life of a firm": "9.2500 years",
        "lr_policy": "0.0001", "lr_baseline": "0.003", "entropy_weight": "0.01", "action_reg_weight": "0.01",
        "max_grad_norm": "1", "n_trajectories": "500", "policy_hidden": "64x64", "value_hidden": "64x64",
    }  # fmt: skip
    assert (best["x"], best["gap"]) == ([50, 100], [0.525, 0.05])
    assert best["levels"] == {
        "x": [50, 100], "payout_level": [0.3, 0.25], "issue_target": [0.05, 0.06], "issue_below": [0.01, None],
    }  # fmt: skip
    assert best["optimal"] == {"payout_level": 0.19, "issue_target": 0.07, "issue_below": 0.04}
    assert best["verdict"] == "Issues equity only at too little cash: all in words."
    assert (best["log"], best["files"]) == ("a warning\nits last line", "trial_005/")
    assert dict(failed["facts"])["status"] == "diverged: reason 7"
    assert dict(failed["facts"])["training time"] == "1:10"


def test_searches_side_by_side(tmp_path: Path) -> None:
    """Training times: 10 + ... + 80 seconds are 6:00; of the confirmed one, 10 + ... + 220 are 42:10."""
    searches = [eight_trials(tmp_path / "a"), confirmed(tmp_path / "b")]
    table = _table(searches, ["a", "b"])
    assert titles(table) == [
        "Search", "Kind", "Completed", "Failed", "Best captured", "Median captured", "Confirmed", "Best firm value",
        "Loss of firm value", "Iterations spent", "Training time",
    ]  # fmt: skip
    assert plain_rows(table) == [
        ["a", "random", "6", "1", "95.0%", "66.0%", "–", "6.6150", "0.53%", "670", "6:00"],
        ["b", "random", "20", "2", "83.0%", "86.0%", "83.0%", "6.5520", "1.5%", "3,700", "42:10"],
    ]
    differ = {row[0]: row[1:] for row in plain_rows(whole(_differences(searches, ["a", "b"])))}
    assert differ["n_trials"] == ["10", "3"]
    assert differ["confirm_iterations"] == ["–", "250"]
    assert "n_iterations" not in differ
    assert "results_dir" not in differ


def test_a_missing_figure_sorts_last() -> None:
    """The page's script puts an empty key at the end, whichever way a column is sorted."""
    assert instances._share(None) == Cell("–", "")
    assert instances._share(0.125) == Cell("12.5%", 0.125)
