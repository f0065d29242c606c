"""What page and papers show of a policy beside the optimum: every number by hand, and which of the two it is of."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from report.by_hand import NAN, eight_trials, policy_study

from ghm.economics.actions import HOLD, PAY, Actions
from ghm.economics.model import Array, GHMModel
from ghm.economics.problem import Problem
from ghm.report.analysis.policy import PolicyStudy, moments, simulate_firms
from ghm.report.drawing import economics, plots, policy_charts
from ghm.report.drawing.charts import Chart
from ghm.report.drawing.tables import plain_rows

LEARNED, OPTIMAL = "@accent", "@second"
BLUE, ORANGE = "#0072b2", "#d55e00"
"""The same for papers."""


@pytest.fixture(scope="module")
def study() -> PolicyStudy:
    return policy_study()


def traces(chart: Chart) -> dict[str, dict[str, Any]]:
    return {trace["name"]: trace for trace in chart.data if "name" in trace}


def test_charts_have_their_titles_and_axes(study: PolicyStudy) -> None:
    """The name is the place in the page where it is drawn; the title is what people read."""
    drawn = [*policy_charts.policy_charts(study), *economics.economics_charts(study)]
    axes = {one.name: tuple(one.layout[axis]["title"]["text"] for axis in ("xaxis", "yaxis")) for one in drawn}
    to_horizon = "years to horizon (start at the right)"
    assert {one.name: (one.title, *axes[one.name]) for one in drawn} == {
        "policy-levels": ("What the policy does, beside the optimum", to_horizon, "cash"),
        "policy-modes": ("Action in each state", to_horizon, "cash"),
        "policy-value": ("Value of the firm", "cash", "value less liquidation"),
        "policy-loss": ("Value lost", to_horizon, "cash"),
        "policy-paths": ("Cash of simulated firms", "years", "cash"),
        "policy-slope": ("Marginal value of cash V′(c)", "cash", "V′(c)"),
        "policy-cash": ("Distribution of cash", "cash", "density"),
    }
    captions = {one.name: one.caption for one in drawn}
    assert captions["policy-levels"].startswith("Blue: learned. Orange: optimal.")
    assert captions["policy-modes"] == "What the greedy policy does; lines are the optimal boundaries."
    assert captions["policy-loss"] == "Value of the optimum less exact value of the policy, from each state on."


def test_levels(study: PolicyStudy) -> None:
    chart = policy_charts.levels_chart(study)
    found = traces(chart)
    drawn = {name: (trace["y"], trace["line"]["color"], trace["line"]["dash"]) for name, trace in found.items()}
    assert drawn == {
        "payout boundary (learned)": ([0.05, 0.15, 0.25], LEARNED, "solid"),
        "payout boundary (optimal)": ([0.01, 0.1, 0.19], OPTIMAL, "solid"),
        "post-issuance cash (learned)": ([None, 0.11, 0.12], LEARNED, "dash"),
        "post-issuance cash (optimal)": ([None, 0.06, 0.07], OPTIMAL, "dash"),
        "issuance boundary (learned)": ([None, None, 0.05], LEARNED, "dot"),
        "issuance boundary (optimal)": ([None, 0.02, 0.035], OPTIMAL, "dot"),
    }
    assert all(trace["x"] == [0.1, 1.0, 10.0] for trace in found.values())
    assert all(trace.get("showlegend", True) for trace in found.values())
    assert chart.layout["xaxis"]["type"] == "log"
    assert chart.layout["xaxis"]["range"] == pytest.approx([-1.0, 1.0])
    assert chart.alternative.endswith(
        "With the whole horizon ahead: payout boundary 0.2500, optimal 0.1900; post-issuance cash 0.1200, optimal 0.0700; "
        "issuance boundary 0.0500, optimal 0.0350."
    )
    never = dataclasses.replace(study, levels=dataclasses.replace(study.levels, payout_level=np.array([NAN] * 3)))
    assert "payout boundary none, optimal 0.1900" in policy_charts.levels_chart(never).alternative


def test_modes(study: PolicyStudy) -> None:
    chart = policy_charts.modes_chart(study)
    shown = chart.data[0]
    # Rows are cash, columns time to horizon; 0 holds, 1 pays, 2 issues.
    assert shown["z"] == [[1, 0, 2], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]
    assert (shown["x"], shown["y"]) == ([0.1, 1.0, 10.0], [0.0, 0.1, 0.2, 0.3, 0.4])
    scale = {colour: at for at, colour in shown["colorscale"]}
    assert scale == {"@surface": pytest.approx(1 / 3), "@soft": pytest.approx(2 / 3), "@warm": pytest.approx(1.0)}
    assert (shown["zmin"], shown["zmax"]) == (-0.5, 2.5)
    keys = {name: trace["marker"]["color"] for name, trace in traces(chart).items() if "marker" in trace}
    assert keys == {"hold": "@surface", "pay": "@soft", "issue": "@warm"}
    found = traces(chart)
    assert found["optimal payout boundary"]["y"] == [0.01, 0.1, 0.19]
    assert found["optimal issuance boundary"]["y"] == [None, 0.02, 0.035]
    # Of 15 states it holds in 4, pays in 10 and issues in 1.
    assert "it holds in 27% of the states shown, pays in 67% and issues in 7%." in chart.alternative


def test_value(study: PolicyStudy) -> None:
    chart = policy_charts.value_chart(study)
    found = traces(chart)
    assert found["learned"]["y"] == pytest.approx([0.05, 0.25, 0.35, 0.35, 0.35])
    assert found["optimum"]["y"] == pytest.approx([0.10, 0.40, 0.50, 0.50, 0.50])
    assert found["learned"]["x"] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert (found["learned"]["line"]["color"], found["optimum"]["line"]["color"]) == (LEARNED, OPTIMAL)
    assert (
        "At cash 0.200 the policy is worth 0.3500 more than immediate liquidation, the optimum 0.5000."
        in chart.alternative
    )


def test_value_given_away(study: PolicyStudy) -> None:
    chart = policy_charts.loss_chart(study)
    (shown,) = chart.data
    assert shown["z"][0] == pytest.approx([0.07, 0.06, 0.05])
    assert shown["z"][4] == pytest.approx([0.17, 0.16, 0.15])
    assert shown["colorscale"] == [[0, "@scale-low"], [1, "@scale-high"]]
    assert (shown["zmin"], shown["zmax"]) == (0, pytest.approx(0.17))
    # Of the greatest losses, all at 0.10 years, the first one found; here one is made the greatest.
    value = study.value.copy()
    value[1, 3] = 5.0
    worst = policy_charts.loss_chart(dataclasses.replace(study, value=value))
    assert "The most, 0.7500, is lost at time to horizon 1.00 and cash 0.300." in worst.alternative
    # Where the policy seems better than the optimum, that is the error of the two.
    better = dataclasses.replace(study, value=study.optimal_value + 1e-5)
    assert policy_charts.loss_chart(better).data[0]["z"] == [[0.0] * 3] * 5


def test_cash_of_simulated_firms(study: PolicyStudy) -> None:
    chart = policy_charts.paths_chart(study)
    found = traces(chart)
    assert list(found) == ["23 firms", "one firm", "payout boundary", "issuance boundary"]
    assert (found["one firm"]["x"], found["one firm"]["y"]) == ([0.0, 0.5, 1.0, 1.5], [0.0, 0.1, 0.2, 0.3])
    assert found["23 firms"]["x"][:5] == [0.0, 0.5, 1.0, 1.5, None]
    assert found["23 firms"]["y"][:5] == [0.01, 0.11, 0.21, 0.31, None]
    assert len(found["23 firms"]["y"]) == 23 * 5
    # Levels by time to horizon 0.1, 1 and 10 are those after 9.9, 9 and 0 years.
    assert found["payout boundary"]["x"] == [9.9, 9.0, 0.0]
    assert found["payout boundary"]["y"] == [0.05, 0.15, 0.25]
    assert found["issuance boundary"]["y"] == [None, None, 0.05]
    facts = (
        "Of 30 simulated firms 25.0% are liquidated within 10 years, in which a firm issues equity 1.50 times on average and "
        "pays dividends of 2.50. "
        "The first transaction, which brings random initial cash to where the policy wants it, is not counted."
    )
    assert facts in chart.alternative
    assert chart.caption.startswith(facts)
    short = dataclasses.replace(study, time_to_horizon=study.time_to_horizon / 10)
    assert "are liquidated within 1 year, in which" in policy_charts.paths_chart(short).caption


def test_the_slope_of_the_value(study: PolicyStudy) -> None:
    chart = economics.slope_chart(study)
    found = traces(chart)
    # Between the ends, the mean of the slopes on either side.
    assert found["learned"]["y"] == pytest.approx([3.0, 2.5, 1.5, 1.0, 1.0])
    assert found["optimum"]["y"] == pytest.approx([4.0, 3.0, 1.5, 1.0, 1.0])
    assert (found["learned"]["line"]["color"], found["optimum"]["line"]["color"]) == (LEARNED, OPTIMAL)
    assert "falls from 4.00 at no cash to 1 at the payout boundary 0.1900" in chart.alternative
    marks = {
        (shape["x0"], shape["line"]["color"], shape["line"]["dash"])
        for shape in chart.layout["shapes"]
        if shape.get("yref")
    }
    assert marks == {
        (0.25, LEARNED, "solid"), (0.19, OPTIMAL, "solid"), (0.05, LEARNED, "dot"), (0.035, OPTIMAL, "dot"),
        (0.12, LEARNED, "dash"), (0.07, OPTIMAL, "dash"),
    }  # fmt: skip
    cost = GHMModel().proportional_cost
    assert [shape["y0"] for shape in chart.layout["shapes"] if shape.get("xref")] == [1.0, cost]
    assert f"p = {cost:g}, the cost of a unit of cash raised" in chart.caption
    assert chart.layout["yaxis"]["range"] == [0.9, 2.0]


def test_how_much_cash_firms_hold(study: PolicyStudy) -> None:
    """Over the first two of four times: cash k/100 and k/100 + 0.1, for k from 0 to 29; the optimum's are 0.1 higher."""
    chart = economics.cash_chart(study)
    assert chart.alternative.endswith("the mean is 0.295 (optimum) and 0.195 (learned).")
    found = traces(chart)
    edges = np.linspace(0.0, 0.4, 61)
    assert np.allclose(found["learned"]["x"], (edges[1:] + edges[:-1]) / 2, atol=1e-5)
    held = np.concatenate([np.arange(30) / 100, np.arange(30) / 100 + 0.1]).astype(np.float32)
    for name, shift in (("learned", 0.0), ("optimum", 0.1)):
        density = np.array(found[name]["y"])
        inside = ((held + np.float32(shift)) <= 0.4).mean()
        assert density.sum() * 0.4 / 60 == pytest.approx(inside, abs=0.02), "a density of all firms"
    assert found["learned"]["y"][0] == pytest.approx(1 / 60 / (0.4 / 60), rel=1e-4)
    assert (found["learned"]["line"]["color"], found["optimum"]["line"]["color"]) == (LEARNED, OPTIMAL)


def test_moments_are_ratios_of_what_was_counted(study: PolicyStudy) -> None:
    found = {one.name: (one.learned, one.optimal) for one in moments(study)}
    expected = {
        "Payouts per year": (50 / 20, 50 / 40),
        "Size of a payout (cash)": (4 / 50, 4 / 50),
        "Dividends per year (cash)": (4 / 20, 4 / 40),
        "Equity issues per year": (8 / 20, 0.0),
        "Size of an issue (cash)": (0.4 / 8, NAN),
        "Liquidations per year (hazard)": (3 / 20, 3 / 40),
        "Mean cash": (0.195, 0.295),
    }
    assert list(found) == list(expected)
    for name, figures in expected.items():
        assert found[name] == pytest.approx(figures, rel=1e-6, nan_ok=True), name


def test_the_table_of_moments(study: PolicyStudy, tmp_path: Path) -> None:
    """Every row is of simulated firms in the first half of the horizon."""
    table = economics.moments_table(study, eight_trials(tmp_path))
    assert [column.title for column in table.columns] == [
        "30 simulated firms, first half of the horizon", "Learned", "Optimum",
    ]  # fmt: skip
    assert [column.numeric for column in table.columns] == [False, True, True]
    assert plain_rows(table) == [
        ["Payouts per year", "2.50", "1.25"],
        ["Size of a payout (cash)", "0.0800", "0.0800"],
        ["Dividends per year (cash)", "0.2000", "0.1000"],
        ["Equity issues per year", "0.4000", "0.0000"],
        ["Size of an issue (cash)", "0.0500", "none"],
        ["Liquidations per year (hazard)", "0.1500", "0.0750"],
        ["Mean cash", "0.1950", "0.2950"],
    ]


def test_the_firms_parameters(tmp_path: Path) -> None:
    rows = plain_rows(economics.parameters_table(eight_trials(tmp_path, model=GHMModel(sigma_x=0.17, sigma_a=0.23))))
    model = GHMModel(sigma_x=0.17, sigma_a=0.23)
    assert {row[3]: float(row[2]) for row in rows} == {name: getattr(model, name) for name in GHMModel.names()}
    symbols = {row[3]: row[0] for row in rows}
    assert symbols == {
        "alpha": "α", "mu": "μ", "r": "r", "carry_cost": "λ", "sigma_a": "σ_A", "sigma_x": "σ_X", "rho": "ρ",
        "proportional_cost": "p", "fixed_cost": "φ", "recovery": "ω", "c_max": "c̄",
    }  # fmt: skip


class PaysOutAt:
    """Holds until ``to_go`` steps are left, then pays everything out."""

    def __init__(self, to_go: int, dt: float) -> None:
        self.to_go, self.dt = to_go, dt

    def __call__(self, cash: Array, time_to_horizon: float) -> Actions:
        now = round(time_to_horizon / self.dt) == self.to_go
        modes = np.full(cash.shape, PAY if now else HOLD)
        level = np.full(cash.shape, -40.0)
        return Actions(np.eye(3)[modes], level, 0 * level, level, 0 * level)


@pytest.mark.parametrize(("to_go", "n_steps"), [(6, 6), (5, 6), (4, 6), (3, 6), (1, 6), (4, 7), (5, 7)])
def test_liquidations_of_the_first_half_are_those_of_its_steps(to_go: int, n_steps: int) -> None:
    """Of 6 steps the first three, with 6 to 4 to go; of 7, too, since the fourth ends in the second half.

    Without drift, a firm that holds nothing is a random walk from 0: it stays above 0 for k steps with probability
    C(2k, k)/4^k, whatever the shocks' symmetric distribution (Sparre Andersen 1953).
    """
    dt, count = 0.05, 4000
    model = GHMModel(alpha=0.0, mu=0.0, r=0.02, carry_cost=0.02, sigma_a=0.0, sigma_x=1e-3)
    found = simulate_firms(PaysOutAt(to_go, dt), Problem(model, dt, n_steps * dt), count=count, seed=1)
    early = max(to_go - (n_steps - 3), 0)
    for liquidated, steps in ((found.early.liquidations / count, early), (found.liquidated, to_go)):
        share = 1 - math.comb(2 * steps, steps) / 4**steps
        # Four standard errors: α = 6e-5. Of firms that hold their cash, next to none starts so near to 0.
        assert liquidated == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / count) + 1e-3)


class TestForPapers:
    def test_levels(self, study: PolicyStudy) -> None:
        left, right = plots.policy_figures(study)["policy"].axes
        learned = {line.get_label(): line for line in right.lines if line.get_color() == BLUE}
        assert np.array_equal(learned["payout boundary (learned)"].get_ydata(), study.levels.payout_level)
        assert np.array_equal(
            learned["post-issuance cash (learned)"].get_ydata(), study.levels.issue_target, equal_nan=True
        )
        assert np.array_equal(
            learned["issuance boundary (learned)"].get_ydata(), study.levels.issue_below, equal_nan=True
        )
        optimal = {line.get_linestyle(): line for line in right.lines if line.get_color() == ORANGE}
        assert np.array_equal(optimal["-"].get_ydata(), study.optimal_levels.payout_level)
        assert np.array_equal(optimal["--"].get_ydata(), study.optimal_levels.issue_target, equal_nan=True)
        assert np.array_equal(optimal[":"].get_ydata(), study.optimal_levels.issue_below, equal_nan=True)
        assert [line.get_linestyle() for line in learned.values()] == ["-", "--", ":"]
        assert right.get_xscale() == "log"
        (mesh,) = left.collections
        assert mesh.get_array().tolist() == study.modes.T.tolist()
        drawn = {line.get_label(): line for line in left.lines}
        for mode, name in enumerate(("hold", "pay", "issue")):
            assert mesh.to_rgba(float(mode)) == pytest.approx(to_rgba(drawn[name].get_color()), abs=1 / 255)
        best = study.optimal_levels
        assert np.array_equal(drawn["optimal payout boundary"].get_ydata(), best.payout_level)
        assert np.array_equal(drawn["optimal issuance boundary"].get_ydata(), best.issue_below, equal_nan=True)

    def test_value(self, study: PolicyStudy) -> None:
        left, right = plots.policy_figures(study)["value"].axes[:2]
        found = {line.get_label(): (line.get_color(), list(line.get_ydata())) for line in left.lines}
        assert found == {
            "optimum": (ORANGE, pytest.approx([0.10, 0.40, 0.50, 0.50, 0.50])),
            "learned": (BLUE, pytest.approx([0.05, 0.25, 0.35, 0.35, 0.35])),
        }
        assert right.collections[0].get_array()[4].tolist() == pytest.approx([0.17, 0.16, 0.15])

    def test_legends_call_a_policy_from_elsewhere_as_they_are_told(self, study: PolicyStudy) -> None:
        figures = plots.policy_figures(study, "yours")
        texts = {text for one in figures.values() for axes in one.axes for text in axes.get_legend_handles_labels()[1]}
        assert {"yours", "payout boundary (yours)", "post-issuance cash (yours)", "issuance boundary (yours)"} <= texts
        assert not any("learned" in text for text in texts)

    def test_paths(self, study: PolicyStudy) -> None:
        (axes,) = plots.policy_figures(study)["paths"].axes
        found = {line.get_label(): line for line in axes.lines}
        assert found["one firm"].get_ydata().tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3])
        assert found["payout boundary"].get_xdata().tolist() == pytest.approx([9.9, 9.0, 0.0])
        assert found["payout boundary"].get_ydata().tolist() == [0.05, 0.15, 0.25]
        assert np.array_equal(found["issuance boundary"].get_ydata(), study.levels.issue_below, equal_nan=True)
