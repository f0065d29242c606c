"""The solution on grids of one's own: against the dynamic program itself, and the files against the arrays."""

import csv
import json

import numpy as np
import pytest

import ghm
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.solvers import dynamic_program, free_boundary

DT, T = 0.05, 1.0


def test_values_and_levels_are_the_dynamic_programs():
    cash, times = np.linspace(0.0, 0.5, 7), (0.0, 0.05, 0.5, 1.0)
    found = ghm.solve(dt=DT, T=T, cash=cash, times=times)
    assert found.time_to_horizon == pytest.approx(times)
    assert found.cash == pytest.approx(cash)
    assert found.values[0] == pytest.approx(cash + GHMModel().liquidation_value)
    for row, time in enumerate(times[1:], 1):
        alone = dynamic_program(Problem(GHMModel(), DT, time))  # its value with the whole of that horizon ahead
        assert found.values[row] == pytest.approx(np.interp(cash, alone.cash, alone.values[-1]), abs=2e-5)
        for name in ("payout_level", "issue_below", "issue_target", "abandon_below"):
            assert getattr(found, name)[row] == pytest.approx(getattr(alone, name)[-1], nan_ok=True)
    assert np.isnan(found.payout_level[0])
    assert found.free_boundary.payout_level == free_boundary(GHMModel()).payout_level
    assert found.optimal_return == dynamic_program(Problem(GHMModel(), DT, T)).optimal_return


def test_default_grids_are_the_solvers_own():
    found, optimum = ghm.solve(dt=DT, T=T), dynamic_program(Problem(GHMModel(), DT, T))
    assert np.array_equal(found.cash, optimum.cash)
    assert np.array_equal(found.values, optimum.values)
    assert np.array_equal(found.payout_level[1:], optimum.payout_level[1:])


def test_times_are_taken_to_the_nearest_step():
    found = ghm.solve(dt=DT, T=T, times=[0.11, 0.09, 1.0], cash=[0.1])
    assert found.time_to_horizon == pytest.approx([0.1, 1.0])


def test_where_there_is_no_infinite_horizon_solution():
    assert ghm.solve(GHMModel(carry_cost=0.0), dt=DT, T=T, cash=[0.0]).free_boundary is None


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"cash": [3.0]}, "cash must be from 0 to c_max = 2; received 3"),
        ({"cash": []}, "received []"),
        ({"cash": [np.nan]}, "received nan"),
        ({"times": [-1.0]}, "times to horizon must be from 0 to T = 1; received -1"),
        ({"times": [1.1]}, "received 1.1"),
        ({"dt": 0.3}, "T must be a whole multiple of dt"),
        ({"dt": -1}, "dt must be a finite number > 0; received -1"),
        ({"dt": "x"}, "dt must be a finite number > 0; received 'x'"),
        ({"dt": 1e-9}, "time steps are more than"),
        ({"terminal": "soon"}, "terminal must be one of liquidation, zero, going_concern; received 'soon'"),
    ],
)
def test_bad_grids_and_problems_are_refused(settings, part):
    with pytest.raises(UserError) as caught:
        ghm.solve(**{"dt": DT, "T": T, **settings})
    assert part in str(caught.value)


def test_npz(tmp_path):
    found = ghm.solve(dt=DT, T=T, cash=[0.0, 0.1, 2.0], times=[0.0, 1.0])
    found.save(tmp_path / "solution.npz")
    with np.load(tmp_path / "solution.npz", allow_pickle=False) as file:
        assert np.array_equal(file["value"], found.values)
        assert np.array_equal(file["cash"], found.cash)
        assert np.array_equal(file["payout_level"], found.payout_level, equal_nan=True)
        problem = json.loads(str(file["problem"]))
    assert (problem["dt"], problem["T"], problem["terminal"]) == (DT, T, "liquidation")
    assert GHMModel.from_dict(problem["model"]) == GHMModel()


def test_csv(tmp_path):
    found = ghm.solve(dt=DT, T=T, cash=[0.0, 0.1, 2.0], times=[0.0, 0.7, 1.0])
    found.save(tmp_path / "solution.csv")
    rows = list(csv.DictReader((tmp_path / "solution.csv").open()))
    assert len(rows) == 9
    assert [row["cash"] for row in rows[:3]] == ["0", "0.1", "2"]  # as they were asked for
    assert rows[3]["time_to_horizon"] == "0.7"
    assert rows[0]["payout_level"] == ""  # nothing is done at the horizon
    values = np.array([float(row["value"]) for row in rows]).reshape(3, 3)
    assert values == pytest.approx(found.values, rel=1e-11)
    assert float(rows[-1]["payout_level"]) == pytest.approx(found.payout_level[-1])


def test_files_of_other_kinds_or_places_are_refused(tmp_path):
    found = ghm.solve(dt=DT, T=T, cash=[0.0])
    with pytest.raises(UserError, match=r"ending must be one of \.npz, \.csv; try solution\.npz"):
        found.save(tmp_path / "solution.txt")
    with pytest.raises(UserError, match="cannot be written: No such file"):
        found.save(tmp_path / "none" / "solution.npz")
