"""Every figure that `ghm solve`, `--sweep`, `--check`, `evaluate` and `why` print, under its own label, found in another way."""

import csv
import json
import math
import re

import numpy as np
import pytest
from cli.commands import run
from report.by_hand import rung_trials, search_of, trial

from ghm.cli.output import print_table
from ghm.cli.solve import figure as solve_figure
from ghm.cli.solve import sweep_figure
from ghm.cli.solve.check import _print as print_card
from ghm.cli.solve.config import SolveConfig
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.io.text import loss_text
from ghm.policies.thresholds import ThresholdPolicy
from ghm.search import explain
from ghm.search.decisions.selection import Decision
from ghm.search.settings.calibrations import Calibration
from ghm.solvers import dynamic_program, free_boundary, policy_value
from ghm.solvers.answers import Sweep, comparative_statics
from ghm.solvers.firm_statistics import outcomes
from ghm.solvers.infinite_horizon import infinite_horizon
from ghm.solvers.validation.card import Card, Line

MODEL = GHMModel()
DT, T = 0.05, 1.0
PROBLEM = Problem(MODEL, DT, T)
SMALL = ("--dt", DT, "--T", T)
LIQUIDATION = 0.55 * 0.18 / 0.02
"""ℓ = ω α / (r − μ), with the default parameters."""


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def optimum():
    return dynamic_program(PROBLEM)


def printed(*words):
    ran = run(*words)
    assert (ran.status, ran.errors) == (0, "")
    return ran.output


def labelled(text):
    """What each line says behind its label; labels are told from figures by two spaces."""
    cells = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    return {row[0]: row[1] for row in cells if len(row) == 2}


def columns(block, key):
    """Columns of a table by the words above them, the first one named ``key``: it is flush left, the others are flush right."""
    lines = block.splitlines()
    first = next(at for at, line in enumerate(lines) if re.fullmatch(r"[-–.\d\s]+", line))
    heads, rows = lines[:first], lines[first:]
    assert heads[-1].split("  ")[0].strip() == key
    ends = [found.end() for found in re.finditer(r"\S+", rows[0])]
    ends[0] = 1 + max(len(key), *(len(row.split()[0]) for row in rows))
    found = {}
    for left, right in zip([0, *ends], ends, strict=False):
        title = " ".join(" ".join(line[left:right].split()) for line in heads).split()
        found[" ".join(title)] = [line[left:right].strip() for line in rows]
    return found


class TestSolve:
    def test_the_finite_horizon(self, optimum):
        text = printed("solve", *SMALL)
        found = labelled(text)
        best = optimum.policy.levels
        expected = {
            "optimal firm value J*, mean over initial cash": policy_value(optimum.policy, PROBLEM),
            # A mean over cash uniform on [0, 2], of which everything is paid out.
            "of immediate liquidation J₀": 1.0 + LIQUIDATION,
            "payout boundary": best.payout_level[-1],
            "issuance boundary": best.issue_below[-1],
            "post-issuance cash": best.issue_target[-1],
        }
        for label, value in expected.items():
            assert float(found[label]) == pytest.approx(value, abs=6e-5), label
        assert expected["issuance boundary"] < expected["post-issuance cash"] < expected["payout boundary"]
        assert "Discrete time, finite horizon: dt = 0.05, T = 1, terminal liquidation" in text

    def test_values_and_slopes(self, optimum):
        text = printed("solve", *SMALL, "--at", 0.09, 0.125, 1.5)
        table = columns(text[text.index("cash c  V(c, τ)") - 1 :].split("\n\n")[0], "cash c")
        assert list(table) == ["cash c", "V(c, τ)", "V_c(c, τ)"]
        assert table["cash c"] == ["0.09", "0.125", "1.5"]
        cash = np.array([0.09, 0.125, 1.5])
        value = np.interp(cash, optimum.cash, optimum.values[-1])
        assert [float(cell) for cell in table["V(c, τ)"]] == pytest.approx(value, abs=1e-4)
        step = 0.01
        slope = np.interp(cash + step, optimum.cash, optimum.values[-1]) - np.interp(
            cash - step, optimum.cash, optimum.values[-1]
        )
        assert [float(cell) for cell in table["V_c(c, τ)"]] == pytest.approx(slope / (2 * step), abs=1e-2)

    def test_the_infinite_horizon(self):
        """By the paper's formulas, from the free boundary alone; with the defaults m(c) = α."""
        found = labelled(printed("solve", *SMALL))
        boundary, k = free_boundary(MODEL), 0.03 - 0.01
        level, at_zero, target = boundary.payout_level, boundary.value_at_zero, boundary.issue_target
        slope = float(boundary.derivative(np.array(0.0)))
        gross = (
            1.06 * (target + MODEL.fixed_cost)
            if MODEL.proportional_cost == 1.06
            else MODEL.proportional_cost * (target + MODEL.fixed_cost)
        )

        def volatility(per_cash, cash):
            permanent, transitory = 0.25 * (1 - cash * per_cash), 0.12 * per_cash
            return math.sqrt(permanent**2 - 2 * 0.2 * permanent * transitory + transitory**2)

        figures = {
            "target cash c*, the payout boundary": f"{level:.4f}",
            "value without cash F(0)": f"{at_zero:.4f}",
            "marginal value of cash F'(0)": f"{slope:.4f}",
            "at zero cash the firm": "issues equity",
            "post-issuance cash y*": f"{target:.4f}",
            "gross proceeds of an issue p (y* + φ)": f"{gross:.4f}",
            "share of them that the issue costs": f"{100 * (gross - target) / gross:.2f}%",
            "cost of frictions 1 − F(0) k/α": f"{100 * (1 - at_zero * k / 0.18):.2f}%",
            "equity volatility at zero cash, at c*": f"{volatility(slope / at_zero, 0):.4f}, {volatility(k / 0.18, level):.4f}",
            # 1 − ρ σ_A/σ_X c*
            "cash-flow sensitivity of cash at c*": f"{1 + 0.2 * 0.25 / 0.12 * level:.4f}",
            "liquidation value ℓ": f"{LIQUIDATION:.4f}",
        }
        assert {label: found[label] for label in figures} == figures
        greatest = float(found["largest fixed cost at which it issues"])
        assert free_boundary(GHMModel(fixed_cost=greatest - 0.002)).refinances
        assert not free_boundary(GHMModel(fixed_cost=greatest + 0.002)).refinances

    def test_firms_for_ever(self):
        """Against moments of the density and, for the years, against the mean of the time that the density is of."""
        found = labelled(printed("solve", *SMALL))
        firms, boundary = infinite_horizon(MODEL).firms, free_boundary(MODEL)
        mass = np.concatenate([[0.0], np.cumsum(np.diff(firms.cash) * (firms.density[1:] + firms.density[:-1]) / 2)])
        mean = np.trapezoid(firms.cash * firms.density, firms.cash) / mass[-1]
        assert float(found["mean cash"]) == pytest.approx(mean, abs=2e-4)
        quartiles = [float(cell) for cell in found["cash: lower quartile, median, upper quartile"].split(", ")]
        assert quartiles == pytest.approx(np.interp([0.25, 0.5, 0.75], mass / mass[-1], firms.cash), abs=5e-4)
        below = np.interp(boundary.payout_level / 2, firms.cash, mass) / mass[-1]
        assert float(found["share with less than half of c*"].rstrip("%")) / 100 == pytest.approx(below, abs=2e-3)
        issue, target = (float(found[f"years from {place} until cash runs out"]) for place in ("an issue", "c*"))
        assert issue == pytest.approx(np.interp(boundary.issue_target, firms.cash, firms.expected_time), abs=0.01)
        assert target == pytest.approx(firms.expected_time[-1], abs=0.01)
        assert float(found["equity issues per year"]) == pytest.approx(1 / issue, rel=2e-3)
        shares = {
            years: float(found[f"out of cash within {years} year{'s' if years > 1 else ''}, from c*"].rstrip("%"))
            for years in (1, 2, 5, 10, 20)
        }
        assert shares == pytest.approx({1: 7.29, 2: 17.02, 5: 40.52, 10: 65.85, 20: 88.75}, abs=0.02)

    def test_json_has_the_figures_under_their_names(self, optimum):
        found = json.loads(printed("solve", "--json", *SMALL, "--at", 0.0, 0.1))
        best = optimum.policy.levels
        assert found["payout_level"] == best.payout_level[-1]
        assert found["issue_below"] == best.issue_below[-1]
        assert found["issue_target"] == best.issue_target[-1]
        assert found["value_at"]["0"] == pytest.approx(optimum.values[-1][0])
        assert found["marginal_value_at"]["0.1"] == pytest.approx(1.03, abs=5e-3)
        assert found["wind_up_return"] == pytest.approx(1.0 + LIQUIDATION)

    def test_the_picture(self, optimum):
        """Infinite horizon red, finite blue: values, slopes, levels."""
        forever = infinite_horizon(MODEL)
        values, slopes, _, levels, _ = solve_figure.draw(optimum, forever).axes
        found = {str(line.get_label()): line for line in slopes.lines}
        finite, infinite = found["V_c(c, τ) at τ = 1"], found["F'(c), infinite horizon"]
        assert finite.get_ydata()[0] == pytest.approx(1.06, abs=5e-3)
        assert infinite.get_ydata()[0] == pytest.approx(1.1877, abs=1e-3)
        assert (finite.get_color(), infinite.get_color()) == (solve_figure.FINITE, solve_figure.INFINITE)
        drawn = {str(line.get_label()): line for line in levels.lines}
        assert np.array_equal(drawn["payout boundary"].get_ydata(), optimum.payout_level[1:], equal_nan=True)
        assert np.array_equal(drawn["issuance boundary"].get_ydata(), optimum.issue_below[1:], equal_nan=True)
        assert np.array_equal(drawn["post-issuance cash"].get_ydata(), optimum.issue_target[1:], equal_nan=True)
        assert drawn["target cash c*, infinite horizon"].get_ydata()[0] == pytest.approx(0.1630, abs=1e-4)
        curve = {str(line.get_label()): line for line in values.lines}["F(c), infinite horizon"]
        cash = curve.get_xdata()
        assert curve.get_ydata()[0] == 0.0
        assert curve.get_ydata()[-1] == pytest.approx(9.0 - forever.boundary.payout_level - 8.8307, abs=1e-4)
        assert values.get_ylabel() == "value − value at c = 0 − c"
        assert cash[-1] == pytest.approx(2 * optimum.payout_level[-1])


class TestSweep:
    SWEEP = ("--sweep", "sigma_x", 0.1, 0.2, 2)

    def test_each_column(self):
        text = printed("solve", *SMALL, *self.SWEEP)
        title, rest = text.split("\n", 1)
        assert title == "Infinite horizon (four columns), then dt = 0.05, T = 1, terminal liquidation"
        first, second = (columns(block, "sigma_x") for block in rest.strip("\n").split("\n\n")[:2])
        assert list(first) == [
            "sigma_x", "c*", "y*", "F(0)", "long-run issues per year", "J*", "payout boundary", "issuance boundary",
        ]  # fmt: skip
        assert list(second) == ["sigma_x", "post- issuance cash", "issues per year until T"]
        assert first["sigma_x"] == second["sigma_x"] == ["0.1", "0.2"]
        for row, sigma in enumerate((0.1, 0.2)):
            model = GHMModel(sigma_x=sigma)
            best, boundary = dynamic_program(Problem(model, DT, T)), free_boundary(model)
            fate, levels = outcomes(best.policy, Problem(model, DT, T)), best.policy.levels
            expected = {
                "c*": boundary.payout_level, "y*": boundary.issue_target, "F(0)": boundary.value_at_zero,
                "long-run issues per year": infinite_horizon(model).issues_a_year, "J*": best.optimal_return,
                "payout boundary": levels.payout_level[-1], "issuance boundary": levels.issue_below[-1],
            }  # fmt: skip
            assert {name: first[name][row] for name in expected} == {
                name: f"{value:.4f}" for name, value in expected.items()
            }
            assert second["post- issuance cash"][row] == f"{levels.issue_target[-1]:.4f}"
            assert second["issues per year until T"][row] == f"{fate.issues / fate.years:.4f}", (
                "of the time step and horizon given"
            )
            assert levels.issue_below[-1] < levels.issue_target[-1] < levels.payout_level[-1]

    def test_the_file_and_json(self, tmp_path):
        path = tmp_path / "statics.csv"
        printed("solve", *SMALL, *self.SWEEP, "--output", path)
        rows = list(csv.DictReader(path.open()))
        points = json.loads(printed("solve", "--json", *SMALL, *self.SWEEP))["points"]
        for row, point, sigma in zip(rows, points, (0.1, 0.2), strict=True):
            best = dynamic_program(Problem(GHMModel(sigma_x=sigma), DT, T)).policy.levels
            assert float(row["sigma_x"]) == point["parameters"]["sigma_x"] == sigma
            for name in ("payout_level", "issue_below", "issue_target"):
                assert point[name] == getattr(best, name)[-1]
                assert float(row[name]) == pytest.approx(getattr(best, name)[-1], rel=1e-11)

    def test_the_picture(self):
        sweeps = (Sweep("sigma_x", (0.1, 0.2)), Sweep("fixed_cost", (0.001, 6.0)))
        points = comparative_statics(sweeps, PROBLEM)
        figure = sweep_figure.draw(sweeps, points)
        drawn = {axes.get_title(): axes for axes in figure.axes}
        levels = drawn["issuance (dotted), post-issuance cash (dashed)"]
        below, target = (next(line for line in levels.lines if line.get_linestyle() == style) for style in (":", "--"))
        cheap = [point for point in points if point.parameters["fixed_cost"] == 0.001]
        assert below.get_ydata().tolist() == [point.issue_below for point in cheap]
        assert target.get_ydata().tolist() == [point.issue_target for point in cheap]
        payouts = drawn["finite horizon: payout boundary"].lines[0]
        assert (payouts.get_xdata().tolist(), payouts.get_ydata().tolist()) == (
            [0.1, 0.2],
            [one.payout_level for one in cheap],
        )
        assert drawn["infinite horizon: target cash c*"].lines[0].get_ydata().tolist() == [
            one.infinite_payout_level for one in cheap
        ]
        assert len(drawn) == len(figure.axes)  # no two panels have one title
        for title, name in (
            ("optimal firm value J*", "optimal_return"),
            ("equity issues per year, long run", "infinite_issues_a_year"),
            ("equity issues per year, until T", "issues_a_year"),
        ):
            assert drawn[title].lines[0].get_ydata().tolist() == [getattr(one, name) for one in cheap]
        names = [text.get_text() for text in figure.legends[0].get_texts()]
        assert (figure.legends[0].get_title().get_text(), names) == ("φ", ["0.001", "6"])
        assert drawn["finite horizon: payout boundary"].get_xlabel() == "volatility of the transitory shock σ_X"


def test_the_card(capsys):
    """PASS as far as the figure is within what is allowed; what fails is named."""
    lines = (
        Line("good", "one is one", 1e-9, 2e-8),
        Line("bad", "two is three", 0.5, 1e-3),
        Line("odd", "x = x", math.nan, 1.0),
    )
    print_card(SolveConfig(dt=DT, T=T), Card(lines, ("the moon",)))
    text = capsys.readouterr().out
    assert "Validation: dt = 0.05, T = 1, terminal liquidation" in text
    rows = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    assert ["claim", "figure", "tolerance"] in rows
    assert ["one is one", "1.0e-09", "2.0e-08", "PASS"] in rows
    assert ["two is three", "5.0e-01", "1.0e-03", "FAIL"] in rows
    assert ["x = x", "nan", "1.0e+00", "FAIL"] in rows
    assert "Skipped: the moon." in text
    assert "FAIL: bad, odd." in text


def test_columns_that_do_not_fit_go_into_a_table_below(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    print_table("title", [("a", "1.25", "2.5", "3.75")], ("name", "first", "second", "third"), keys=1)
    blocks = capsys.readouterr().out.rstrip().split("\n\n")
    assert [block.split() for block in blocks] == [
        ["title", "name", "first", "a", "1.25"],
        ["name", "second", "a", "2.5"],
        ["name", "third", "a", "3.75"],
    ]


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "mine.py"
    path.write_text(
        "import numpy as np\n\n\ndef act(cash, tau):\n"
        "    return np.maximum(cash - 0.25, 0.0), np.where(cash < 0.02, 0.12 - cash, 0.0)\n"
    )
    return f"{path}:act"


class TestEvaluate:
    def test_each_line(self, module, optimum, tmp_path):
        grid = ("--output", tmp_path / "grid.npz", "--cash", "0:0.5:11", "--times", 0.5, 1)
        text = printed("evaluate", "--policy", module, *SMALL, *grid)
        head, errors = text.split("Policy less optimum over the grid\n")
        rows = {
            row[0]: row[1:] for row in (re.split(r"\s{2,}", line.strip()) for line in head.splitlines()) if len(row) > 1
        }
        policy = ThresholdPolicy.constant(DT, T, 0.25, 0.02, 0.12)
        value, best, closed = policy_value(policy, PROBLEM), optimum.optimal_return, 1.0 + LIQUIDATION
        levels = optimum.policy.levels
        assert rows["policy"] == ["optimum"]
        assert rows["firm value, exact"] == [f"{value:.4f}", f"{best:.4f}"]
        assert rows["immediate-liquidation value"] == [f"{closed:.4f}"]
        assert float(rows["captured value"][0].rstrip("%")) == pytest.approx(
            100 * (value - closed) / (best - closed), abs=0.01
        )
        assert rows["captured value"][1] == "100%"
        lost = float(rows["loss of firm value"][0].rstrip("%"))
        assert lost == pytest.approx(100 * (best - value) / best, rel=0.03), "in per cent of firm value"
        assert rows["loss of firm value"][1] == "0%"
        ours = {"payout boundary": 0.25, "issuance boundary": 0.02, "post-issuance cash": 0.12}
        theirs = dict(
            zip(ours, (levels.payout_level[-1], levels.issue_below[-1], levels.issue_target[-1]), strict=True)
        )
        for name, level in ours.items():
            assert float(rows[name][0]) == pytest.approx(level, abs=6e-4), name  # of 4,001 values of cash
            assert rows[name][1] == f"{theirs[name]:.4f}"
        simulated, error = float(rows["firm value, simulated"][0]), float(rows["standard error"][0])
        assert abs(simulated - value) < 4 * (error + 1e-4)
        assert re.search(r"\(captured\s+value\s+\d+\.\d%\)", head)
        table = {
            row[0]: row[1:]
            for row in (re.split(r"\s{2,}", line.strip()) for line in errors.splitlines())
            if len(row) == 3
        }
        with np.load(tmp_path / "grid.npz") as file:
            for label, name in (
                ("value V", "value"), ("cash after the transaction", "cash_after"), ("payout boundary", "pays_above"),
                ("issuance boundary", "issues_below"), ("post-issuance cash", "issues_up_to"),
            ):  # fmt: skip
                off = file[name] - file[f"optimal_{name}"]
                off = off[np.isfinite(off)]
                assert table[label] == [f"{np.abs(off).mean():.2e}", f"{np.sqrt((off**2).mean()):.2e}"]
            after = np.minimum(file["cash"], 0.25)
            assert np.allclose(file["cash_after"][-1], np.where(file["cash"] < 0.02, 0.12, after))

    @pytest.mark.parametrize(
        ("loss", "text"),
        [
            (0.0, "0%"),
            (5e-7, "0%"),
            (2.7e-3, "0.27%"),
            (0.123, "12%"),
            (1.5e-5, "0.0015%"),
            (None, "undefined"),
            (-0.02, "-2.0%"),
        ],
    )
    def test_losses_are_in_per_cent(self, loss, text):
        assert loss_text(loss) == text


class TestWhy:
    @pytest.fixture
    def state(self, tmp_path):
        return search_of(tmp_path, rung_trials(), rungs=(20,), keep=0.5)

    CUT = Decision(
        "cut", {"rung": 20, "keep": 0.5},
        {"of": 4, "ranking": [[3, 6.643], [2, 6.37], [1, 6.3], [4, None]], "go_on": [2, 3]}, "",
    )  # fmt: skip

    @pytest.mark.parametrize(
        ("number", "said"),
        [
            (1, "was stopped: it had a firm value of 6.3000, rank 3 of 4"),
            (2, "was promoted: it had a firm value of 6.3700, rank 2 of 4"),
            (3, "was promoted: it had a firm value of 6.6430, rank 1 of 4"),
            (4, "was stopped: all its trials had failed, rank 4 of 4"),
        ],
    )  # fmt: skip
    def test_a_cut(self, number, said, state):
        assert explain._cuts(state.by_number[number], [self.CUT], state) == [
            f"At rung 20 its configuration {said}. The best 2 were promoted (--keep 0.5), the last of them with 6.3700."
        ]

    def test_figures_over_two_firms_are_captured_values(self, tmp_path):
        firms = (Calibration("calm", GHMModel(sigma_x=0.1)), Calibration("wild", GHMModel(sigma_x=0.3)))
        one = trial(1, 0.5, configuration=1, calibration="calm")
        state = search_of(tmp_path, [one], calibrations=firms, rank_by="worst")
        assert explain._figure(state, 0.51239, 2) == "a captured value of 51.2%, the worst of its trials"
        cut = Decision("cut", {"rung": 20, "keep": 1.0}, {"of": 1, "ranking": [[1, 0.51239]], "go_on": [1]}, "")
        (said,) = explain._cuts(one, [cut], state)
        assert said.endswith("The best 1 were promoted (--keep 1), the last of them with 51.2%.")
        assert explain._what(one, state.record).startswith(
            "Trial 1 of search 20260101-120000: configuration 1, trained with seed 124 on calibration calm."
        )

    def test_what_it_is_and_how_it_ended(self, state):
        first, third = state.by_number[1], state.by_number[3]
        assert explain._what(first, state.record) == (
            "Trial 1 of search 20260101-120000: configuration 1, trained with seed 124.\n"
            "  lr_policy=0.001 lr_baseline=0.003 entropy_weight=0.01 action_reg_weight=0.01\n"
            "  max_grad_norm=1 n_trajectories=500 policy_hidden=64x64 value_hidden=64x64"
        )
        assert (
            explain._ended(first, [])
            == "It completed 100 iterations with a firm value of 6.5100 and a captured value of 80.0%."
        )
        assert explain._ended(third, []) == (
            "It was stopped at rung 20; its checkpoint is kept, and --resume with --keep 1.0 promotes it."
        )
        assert (
            explain._ended(trial(5, None, "diverged", iterations=33), [])
            == "It ended as diverged after 33 iterations: reason 5"
        )
        assert "; 12 iterations are done." in explain._ended(trial(6, None, "unfinished", iterations=12), [])

    def test_a_confirmation(self, state):
        content = {"of": 4, "chosen": [[2, 6.37], [1, 6.3]], "seeds": [501, 502, 503], "iterations": 250}
        choice = [Decision("confirmation", {"count": 2}, content, "")]
        assert explain._chosen(state.by_number[1], choice, state) == [
            "Confirmed: its configuration ranked 2 of 4 in the search, with a firm value of 6.3000. The best 2 are trained "
            "again on seeds 501 to 503 for 250 iterations."
        ]
        assert explain._chosen(state.by_number[4], choice, state) == [
            "Not chosen for confirmation: its configuration was not among the best 2."
        ]

    def test_what_a_proposal_saw(self, tmp_path):
        record = search_of(tmp_path, [], search_type="gp", proposal_lag=3, n_trials=20).record
        one = trial(17, 0.5)
        made = [Decision("proposal", {"configuration": 17}, {"seen": 13}, "")]
        (said,) = explain._proposed(one, made, record)
        assert said == (
            "Proposed: by the Gaussian process, from the outcomes of configurations 1 to 13. The 3 after these were treated as "
            "pending (--proposal_lag 3), whether or not they had ended, so that proposals never depend on timing."
        )
        (early,) = explain._proposed(one, [Decision("proposal", {"configuration": 17}, {"seen": 4}, "")], record)
        assert "because only 4 outcomes were available" in early
