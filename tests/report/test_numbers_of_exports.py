"""What is written for papers and programs: every figure of the frames, CSV and LaTeX files against one worked out by hand."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import pytest
from report.by_hand import FRESH, confirmed, eight_trials, over_seeds
from report.factory import make_search

from ghm.report.analysis.frames import configurations_frame, trials_frame
from ghm.report.analysis.importance import Importance
from ghm.report.analysis.results import Results
from ghm.report.drawing import tables
from ghm.report.export import _importance, _safe, _tables, as_csv, as_latex
from ghm.report.main import main


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_trials(tmp_path: Path) -> None:
    frame = trials_frame(eight_trials(tmp_path)).set_index("trial_num")
    best = frame.loc[5]
    expected: dict[str, Any] = {
        "configuration": 5, "seed": 128, "stage": "explore", "directory": "trial_005", "status": "completed", "success": True,
        "lr_policy": 1e-4, "lr_baseline": 3e-3, "entropy_weight": 0.01, "action_reg_weight": 0.01, "max_grad_norm": 1.0,
        "n_trajectories": 500, "policy_hidden": "64x64", "value_hidden": "64x64",
        "best_return": pytest.approx(6.615), "best_iteration": 90, "final_return": 5.9, "captured_value": 0.95,
        "monte_carlo_return": 6.617, "monte_carlo_standard_error": 0.001, "verdict": "issues_only_at_too_little_cash",
        "payout_level": 0.21, "issue_below": 0.03, "issue_target": 0.08, "optimal_payout_level": 0.19,
        "optimal_issue_below": 0.04, "optimal_issue_target": 0.07, "issues": 1.5, "payouts": 40.0, "years": 9.25,
        "early_liquidation": 0.125, "iterations": 100, "seconds": 50.0,
    }  # fmt: skip
    assert {name: best[name] for name in expected} == expected
    failed, cut = frame.loc[7], frame.loc[8]
    assert (failed["status"], failed["success"], failed["error"], failed["iterations"]) == (
        "diverged",
        False,
        "reason 7",
        30,
    )
    assert math.isnan(failed["best_return"])
    assert (cut["status"], cut["iterations"], cut["seconds"]) == ("interrupted", 40, 80)
    assert list(frame.index) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_configurations(tmp_path: Path) -> None:
    frame = configurations_frame(over_seeds(tmp_path)).set_index("configuration")
    assert frame["rank"].to_dict() == {2: 1, 1: 2, 3: 3}
    assert frame["mean"].to_dict() == pytest.approx({1: 0.65, 2: 0.685, 3: 0.95})
    assert frame["iqm"].to_dict() == pytest.approx({1: 0.65, 2: 0.87, 3: 0.95})
    assert frame["worst"].to_dict() == {1: 0.50, 2: 0.10, 3: 0.95}
    assert frame["failures"].to_dict() == {1: 0, 2: 0, 3: 1}
    assert frame["n_trials"].to_dict() == {1: 4, 2: 4, 3: 4}
    assert frame["n_trajectories"].to_dict() == {1: 500, 2: 500, 3: 250}
    assert set(frame["stage"]) == {"explore"}
    assert frame[["interval_low", "interval_high"]].isna().all(axis=None), "of four seeds"
    assert frame[["confirmed", "confirmed_low", "difference"]].isna().all(axis=None)


def test_confirmed_configurations(tmp_path: Path) -> None:
    """The interval of what was confirmed, where what was tuned has none."""
    frame = configurations_frame(confirmed(tmp_path)).set_index("configuration")
    assert frame["stage"].to_dict() == {1: "confirm", 2: "confirm", 3: "explore"}
    assert frame.loc[2, "confirmed"] == pytest.approx(0.83)
    assert frame.loc[2, "difference"] == pytest.approx(0.83 - 0.87)
    assert frame.loc[1, "confirmed"] == pytest.approx(0.765)
    assert frame.loc[2, "confirmed_low"] == pytest.approx(FRESH[0], abs=1e-4)
    assert frame.loc[2, "confirmed_high"] == pytest.approx(FRESH[1], abs=1e-4)
    assert math.isnan(frame.loc[2, "interval_low"])
    assert frame.loc[2, "iterations"] == 100, "as tuned"
    assert math.isnan(frame.loc[3, "confirmed"])


def test_trials_as_csv(tmp_path: Path) -> None:
    found = rows(_safe(trials_frame(eight_trials(tmp_path))).decode())
    assert [row["captured_value"] for row in found] == ["0.6", "0.9", "0.72", "0.2", "0.95", "-0.5", "", ""]
    assert [row["best_return"] for row in found][:2] == ["6.37", "6.58"]
    assert [row["seconds"] for row in found][:3] == ["10", "20", "30"]


def test_the_leaderboard_as_csv_has_numbers_and_as_latex_what_is_shown(tmp_path: Path) -> None:
    table = tables.leaderboard(eight_trials(tmp_path))
    assert table is not None
    first, *_, last = rows(as_csv(table))
    assert first == {
        "Rank": "1", "Trial": "5", "Captured value": "0.95", "Firm value": "6.615", "Verdict": "issues only at too little cash",
        "Training time": "50", "lr_policy": "0.0001",
    }  # fmt: skip
    assert (last["Captured value"], last["Trial"]) == ("-0.5", "6")
    latex = as_latex(table, "tab:x")
    assert "  \\begin{tabular}{rrrrlrr}" in latex
    assert "    Rank & Trial & Captured value & Firm value & Verdict & Training time & lr\\_policy \\\\" in latex
    assert "    1 & 5 & 95.0\\% & 6.6150 & issues only at too little cash & 0:50 & 0.0001 \\\\" in latex
    assert "    6 & 6 & -50.0\\% & 5.6000 & -- & 1:00 & 0.0001 \\\\" in latex


def test_importance_as_a_table() -> None:
    table = _importance((Importance("lr_policy", 0.6, 0.001, stands_out=True),))
    assert table is not None
    assert rows(as_csv(table)) == [{"Hyperparameter": "lr_policy", "Importance": "0.600", "p-value": "0.001"}]


def test_which_tables_there_are(tmp_path: Path) -> None:
    assert list(_tables(eight_trials(tmp_path / "a"), ())) == [
        "leaderboard",
        "best_configuration",
        "best_policy",
        "failures",
    ]
    found = _tables(confirmed(tmp_path / "b"), ())
    assert {"configurations_summary", "confirmation"} <= set(found)
    assert rows(as_csv(found["confirmation"]))[0]["On fresh seeds"] == "0.83"


def test_results_in_python_name_the_best(tmp_path: Path) -> None:
    search = eight_trials(tmp_path)
    assert repr(Results(search)) == (f"<Results of {search.path}: 6 of 10 trials completed, best: trial 5 with 6.6150>")


@pytest.mark.parametrize("flag", ["--export"])
def test_a_place_that_cannot_be_written_is_named_with_its_flag(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_search(tmp_path / "made", 2)
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "below"
    assert main([str(made.path), flag, str(place)]) != 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"{place} cannot be written: " in said
    assert said.endswith(f"choose another place ({flag})")
