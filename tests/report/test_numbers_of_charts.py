"""What each chart of a search draws: its data, names, order and colours, against figures worked out by hand."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from report.by_hand import confirmed, eight_trials, over_seeds, rung_trials, search_of, trial

from ghm.report.analysis.importance import Importance
from ghm.report.comparison import render_comparison
from ghm.report.drawing import charts, instances, palette, plots, tuning
from ghm.report.drawing.charts import Chart
from ghm.search.records.state import SearchState

NUMBERS = [1, 2, 3, 4, 5, 6]
DRAWN = [0.60, 0.90, 0.72, 0.20, 0.95, -0.25]
"""Trials by number; the last one, at -0.50, is drawn at -0.25."""

RANKED = [5, 2, 3, 1, 4, 6]
"""The same, the best first."""

IMPORTANCES = (
    Importance("lr_policy", 0.60, 0.001, stands_out=True),
    Importance("n_trajectories", 0.05, 0.3, stands_out=False),
)


@pytest.fixture
def search(tmp_path: Path) -> SearchState:
    return eight_trials(tmp_path)


def traces(chart: Chart) -> dict[str, dict[str, Any]]:
    """Traces by name, each of which is there once."""
    found = {trace["name"]: trace for trace in chart.data}
    assert len(found) == len(chart.data)
    return found


def points(trace: dict[str, Any]) -> list[tuple[Any, Any]]:
    return list(zip(trace["x"], trace["y"], strict=True))


def title(chart: Chart, axis: str) -> str:
    return chart.layout[axis]["title"]["text"]


def test_charts_have_their_titles(search: SearchState, tmp_path: Path) -> None:
    """The name is the place in the page where it is drawn; the title is what people read."""
    drawn = [*charts.search_charts(search, IMPORTANCES), *tuning.gap_charts(search)]
    drawn += instances.instance_charts(over_seeds(tmp_path / "seeds"))
    drawn += instances.instance_charts(search_of(tmp_path / "rungs", rung_trials(), rungs=(20,), keep=0.5))
    assert {one.name: one.title for one in drawn} == {
        "order": "Optimisation history",
        "iterations": "Captured value against training iterations",
        "time": "Captured value against training time",
        "parallel": "Hyperparameters and captured value of every trial",
        "panel-0": "lr_policy",
        "importance": "Importance of the hyperparameters",
        "gap": "How the best trials learn",
        "bands": "Spread of each configuration over its trials",
        "configuration-curves": "Learning curves of the best configurations",
        "rungs": "Captured value at the rungs",
    }
    assert all(one.alternative and one.caption and one.caption != one.title for one in drawn)


def test_trials_in_order(search: SearchState) -> None:
    chart = charts.order_chart(search)
    found = traces(chart)
    assert list(found) == ["best so far", "trial", "failed"]
    assert points(found["trial"]) == list(zip(NUMBERS, DRAWN, strict=True))
    assert points(found["best so far"]) == list(zip(NUMBERS, [0.60, 0.90, 0.90, 0.90, 0.95, 0.95], strict=True))
    assert found["best so far"]["line"]["shape"] == "hv"
    assert points(found["failed"]) == [(7, -0.25)]
    assert (found["failed"]["marker"]["symbol"], found["failed"]["marker"]["color"]) == ("x", "@bad")
    assert found["trial"]["trials"] == NUMBERS
    assert found["failed"]["trials"] == [7]
    assert (title(chart, "xaxis"), title(chart, "yaxis")) == ("trial", "captured value")
    # What is pointed at has as many decimals as a figure that is short of the optimum may need.
    assert (chart.layout["yaxis"]["tickformat"], chart.layout["yaxis"]["hoverformat"]) == (".2~%", ".3~%")
    assert chart.alternative == (
        "Captured value of 6 trials in order of their number, from -25.0% to 95.0%; the best is trial 5. 1 failed."
    )
    assert chart.caption == (
        "Each point is a trial; the line is the best so far. 1 below -25.0% are drawn at -25.0%. Crosses are failed trials."
    )


def test_ticks_of_few_trials_are_whole_numbers(tmp_path: Path) -> None:
    few = charts.order_chart(search_of(tmp_path / "few", [trial(k, 0.5) for k in range(1, 11)]))
    assert (few.layout["xaxis"]["tick0"], few.layout["xaxis"]["dtick"]) == (1, 1)
    many = charts.order_chart(search_of(tmp_path / "many", [trial(k, 0.5) for k in range(1, 12)]))
    assert "dtick" not in many.layout["xaxis"]
    assert "failed" not in traces(many)
    assert "drawn at" not in many.caption


def test_the_history_says_which_trials_it_leaves_out(tmp_path: Path) -> None:
    """Those of the confirmation have other seeds, and perhaps other lengths: beside the others they would look like progress."""
    chart = charts.order_chart(confirmed(tmp_path / "confirmed"))
    assert len(points(traces(chart)["trial"])) == 11
    assert chart.caption.endswith(" Left out: 9 trials on fresh seeds (the confirmation).")
    assert "Left out" not in charts.order_chart(over_seeds(tmp_path / "seeds")).caption


def test_learning_curves(search: SearchState) -> None:
    by_iteration, by_time = charts.curve_charts(search)
    assert (title(by_iteration, "xaxis"), title(by_time, "xaxis")) == ("training iterations", "training time (seconds)")
    found, timed = traces(by_iteration), traces(by_time)
    assert list(found) == ["1 other", "trial 5", "trial 2", "trial 3", "trial 1", "trial 4"]
    assert list(timed) == list(found)
    for number, captured in zip(RANKED[:5], (0.95, 0.90, 0.72, 0.60, 0.20), strict=True):
        assert points(found[f"trial {number}"]) == [(50, captured / 2), (100, captured)]
        assert points(timed[f"trial {number}"]) == [(5.0 * number, captured / 2), (10.0 * number, captured)]
    # Of trial 6 both evaluations, -0.25 and -0.50, are drawn at -0.25.
    assert points(found["1 other"]) == [(50, -0.25), (100, -0.25), (None, None)]
    colours = [found[f"trial {number}"]["line"]["color"] for number in RANKED[:5]]
    assert colours == ["@accent", "@second", "@third", "@fourth", "@fifth"]
    assert [found[f"trial {number}"]["marker"]["symbol"] for number in RANKED[:5]] == [
        "circle", "square", "diamond", "triangle-up", "cross",
    ]  # fmt: skip
    assert found["1 other"]["line"]["color"] == "@faint"
    assert by_iteration.alternative == (
        "Learning curves of 6 trials. The best, trial 5, went from 47.5% at 50 to 95.0% at 100 (training iterations)."
    )
    assert by_time.alternative.endswith("went from 47.5% at 25 to 95.0% at 50 (training time (seconds)).")
    assert by_iteration.title == "Captured value against training iterations"
    assert by_time.title == "Captured value against training time"
    assert by_iteration.caption == "Captured value at each evaluation; the 5 best trials stand out."


def test_the_gap_is_one_less_captured_value(search: SearchState) -> None:
    (chart,) = tuning.gap_charts(search)
    found = traces(chart)
    assert points(found["trial 5"]) == [(50, pytest.approx(0.525)), (100, pytest.approx(0.05))]
    assert points(found["1 other"]) == [(50, 1.25), (100, 1.25), (None, None)]
    assert chart.layout["yaxis"]["type"] == "log"
    assert chart.alternative.endswith("for 6 trials. The best, trial 5, ended with a gap of 5.00%.")
    assert chart.caption == "Optimality gap: 1 − captured value."
    assert tuning.gap(0.99995) == 1e-4


def test_gaps_too_small_to_be_drawn_are_said_to_be(tmp_path: Path) -> None:
    curve = [{"iteration": k, "captured_value": value} for k, value in ((50, 0.5), (100, 0.99995))]
    (chart,) = tuning.gap_charts(search_of(tmp_path, [trial(1, 0.99995)], {1: curve}))
    assert chart.caption == "Optimality gap: 1 − captured value. Gaps below 0.01% are drawn at 0.01%."


def test_parallel_coordinates_are_coloured_by_rank(search: SearchState) -> None:
    drawn = charts.parallel_chart(search).parallel
    assert drawn is not None
    assert drawn["trials"] == RANKED
    assert drawn["values"] == [0.95, 0.90, 0.72, 0.60, 0.20, -0.25]
    assert drawn["standings"] == pytest.approx([1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]), (
        "the best has the strongest colour"
    )
    (axis,) = drawn["axes"]
    assert axis == {"title": "lr_policy", "ticks": [{"at": 0.0, "text": "0.0001"}, {"at": 1.0, "text": "0.001"}]}
    assert drawn["rows"] == [[0.0], [1.0], [1.0], [1.0], [0.0], [0.0]]
    assert drawn["range"] == [-0.25, 0.95]


def test_the_pages_script_gives_the_best_the_high_end_of_the_scale() -> None:
    """What `standings` mean there: shades rise with them, and the last shade is the scale's high end."""
    script = (Path(charts.__file__).parents[1] / "assets" / "page.js").read_text()
    assert "1 + Math.min(SHADES - 1, Math.floor(SHADES * spec.standings[index]))" in script
    assert 'mix(colour("scale-low"), colour("scale-high"), (shade - 1) / (SHADES - 1))' in script
    assert "Math.round(v + share * (b[i] - v))" in script


def test_a_panel_has_points_and_medians(search: SearchState) -> None:
    chart = charts.panel_chart(search, "lr_policy")
    dots, line = chart.data
    assert (dots["name"], line["name"]) == ("trial", "median")
    assert dots["trials"] == RANKED
    assert dots["y"] == [0.95, 0.90, 0.72, 0.60, 0.20, -0.25]
    places = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    assert np.all(np.abs(np.array(dots["x"]) - places) <= 0.125)
    assert points(line) == [(0.0, 0.20), (1.0, 0.72)]
    assert chart.layout["xaxis"]["tickvals"] == [0.0, 1.0]
    assert chart.layout["xaxis"]["ticktext"] == ["0.0001", "0.001"]
    assert chart.title == "lr_policy"
    assert chart.alternative == (
        "Captured value by lr_policy, at 0.0001, 0.001. Medians from left to right: 20.0%, 72.0%."
    )
    assert chart.caption == "One point per trial; bars are medians."


def test_a_panel_of_too_few_trials_has_no_medians(tmp_path: Path) -> None:
    fast, slow = {"lr_policy": 1e-3}, {"lr_policy": 1e-4}
    trials = [*(trial(k, 0.5, settings=fast) for k in (1, 2, 3)), *(trial(k, 0.4, settings=slow) for k in (4, 5))]
    chart = charts.panel_chart(search_of(tmp_path, trials), "lr_policy")
    assert [trace["name"] for trace in chart.data] == ["trial"]
    assert chart.caption == "One point per trial; too few per value for a median."


def test_importance_bars() -> None:
    chart = charts.importance_chart(IMPORTANCES)
    (bars,) = chart.data
    # A horizontal bar chart has its first bar at the bottom.
    assert bars["y"] == ["n_trajectories", "lr_policy"]
    assert bars["x"] == [0.05, 0.60]
    assert bars["marker"]["color"] == ["@faint", "@accent"]
    assert chart.alternative == (
        "Share of the variance of the trials' ranks that each hyperparameter explains: lr_policy 60%, beyond chance; "
        "n_trajectories 5%, not beyond chance."
    )


@pytest.fixture
def seeds(tmp_path: Path) -> SearchState:
    return over_seeds(tmp_path)


def test_configurations_and_their_spread(seeds: SearchState) -> None:
    chart = instances.instance_charts(seeds)[0]
    found = traces(chart)
    bands, means = found["least to greatest"], found["mean"]
    # By the mean: 0.685 before 0.65; the one with a failure last.
    assert bands["x"] == means["x"] == ["2", "1", "3"]
    assert bands["base"] == [0.10, 0.50, 0.95]
    assert bands["y"] == pytest.approx([0.80, 0.30, 0.0])
    assert means["y"] == pytest.approx([0.685, 0.65, 0.95])
    assert chart.alternative == (
        "Least, mean and greatest captured value of 3 configurations in order of rank; the best, 2, spreads from 10.0% to 90.0%."
    )


def test_configurations_as_they_learn(seeds: SearchState) -> None:
    chart = instances.instance_charts(seeds)[1]
    low, high, middle = chart.data[:3]
    names = [trace.get("name") for trace in chart.data]
    assert names == [name for one in (2, 1, 3) for name in (None, None, f"configuration {one}")]
    # The median of 0.10, 0.86, 0.88, 0.90 is 0.87, their mean 0.685.
    assert points(low) == [(50, pytest.approx(0.05)), (100, pytest.approx(0.10))]
    assert points(high) == [(50, pytest.approx(0.45)), (100, pytest.approx(0.90))]
    assert points(middle) == [(50, pytest.approx(0.435)), (100, pytest.approx(0.87))]
    assert points(chart.data[5]) == [(50, pytest.approx(0.325)), (100, pytest.approx(0.65))]
    # Of the third, one trial completed and one failed.
    assert points(chart.data[8]) == [(50, pytest.approx(0.475)), (100, pytest.approx(0.95))]
    assert [chart.data[at]["line"]["color"] for at in (2, 5)] == ["@accent", "@second"]
    assert (high["fill"], high["fillcolor"]) == ("tonexty", "@accent/33")
    assert "3 best configurations" in chart.alternative


def test_rungs(tmp_path: Path) -> None:
    search = search_of(tmp_path, rung_trials(), rungs=(20,), keep=0.5)
    (chart,) = instances.instance_charts(search)
    found = traces(chart)
    assert points(found["trained to the end"]) == [
        (20, 0.50), (100, 0.80), (None, None), (20, 0.60), (100, 0.70), (None, None),
    ]  # fmt: skip
    assert points(found["stopped"]) == [(20, 0.99), (None, None), (20, 0.30), (None, None)]
    assert (found["stopped"]["line"]["color"], found["trained to the end"]["line"]["color"]) == ("@faint", "@accent")
    assert chart.layout["xaxis"]["tickvals"] == [20, 100]
    assert chart.alternative == "Best captured value of each trial at the rungs 20: 2 of 4 were stopped at one."


def test_searches_side_by_side(tmp_path: Path) -> None:
    """Of the first 100 iterations are spent on each trial; of the second, 40 and 30 on those that have no result too."""
    first = search_of(tmp_path / "a", [trial(1, 0.5), trial(2, 0.4), trial(3, 0.8)])
    second = eight_trials(tmp_path / "b")
    page = render_comparison([first, second]).decode()
    match = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.S)
    assert match is not None
    best, spread = (figure["data"] for figure in json.loads(match.group(1))["charts"])
    assert [trace["name"] for trace in best] == [trace["name"] for trace in spread] == ["a", "b"]
    assert points(best[0]) == [(100, 0.5), (200, 0.5), (300, pytest.approx(0.2))]
    assert points(best[1]) == [
        (100 * at, pytest.approx(gap)) for at, gap in enumerate((0.40, 0.10, 0.10, 0.10, 0.05, 0.05), 1)
    ]
    assert points(spread[0]) == [
        (pytest.approx(gap), pytest.approx(at / 3)) for at, gap in enumerate((0.2, 0.5, 0.6), 1)
    ]
    assert [trace["line"]["color"] for trace in best] == ["@accent", "@second"]


class TestForPapers:
    """The same data in Matplotlib's figures."""

    def test_learning_curves(self, search: SearchState) -> None:
        left, right = plots.search_figures(search, ())["learning_curves"].axes
        assert (left.get_xlabel(), right.get_xlabel(), left.get_ylabel()) == (
            "training iterations", "training time (seconds)", "captured value",
        )  # fmt: skip
        shares = {0.9996: "99.96%", 0.99996: "99.996%", 0.9999999: "99.999%", 1.0: "100%", 0.3: "30%", -0.25: "-25%"}
        for axes in (left, right):
            assert {one: axes.yaxis.get_major_formatter()(one, None) for one in shares} == shares
            named = {line.get_label(): line for line in axes.lines}
            assert set(named) == {"1 other", *(f"trial {number}" for number in RANKED[:5])}
            captured = (0.95, 0.90, 0.72, 0.60, 0.20)
            for number, value, colour in zip(RANKED, captured, palette.COLOURS, strict=False):
                line = named[f"trial {number}"]
                expected = (50, 100) if axes is left else (5 * number, 10 * number)
                assert np.array_equal(line.get_xdata(), expected)
                assert np.allclose(line.get_ydata(), (value / 2, value))
                assert line.get_color() == plots.colour(colour)
            assert np.allclose(named["1 other"].get_ydata()[:2], -0.25)
            assert named["1 other"].get_color() == plots.colour("@faint")
            names = [text.get_text() for text in axes.get_legend().get_texts()]
            assert names == ["1 other", *(f"trial {one}" for one in RANKED[:5])]
        assert len({plots.colour(one) for one in palette.COLOURS}) == 5

    def test_panels(self, search: SearchState) -> None:
        axes = plots.search_figures(search, ())["hyperparameters"].axes[0]
        dots, bars = axes.lines
        assert np.allclose(dots.get_ydata(), [0.95, 0.90, 0.72, 0.60, 0.20, -0.25])
        assert np.all(np.abs(dots.get_xdata() - np.array([0, 1, 1, 1, 0, 0])) <= 0.125)
        assert points({"x": bars.get_xdata(), "y": bars.get_ydata()}) == [(0.0, 0.20), (1.0, 0.72)]
        assert axes.get_title() == "lr_policy"
        assert [label.get_text() for label in axes.get_xticklabels()] == ["0.0001", "0.001"]

    def test_importance(self, search: SearchState) -> None:
        (axes,) = plots.search_figures(search, IMPORTANCES)["importance"].axes
        # Bars from the bottom up: the greatest at the top.
        assert [bar.get_width() for bar in axes.patches] == [0.05, 0.60]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["n_trajectories", "lr_policy"]
        assert not axes.yaxis_inverted()
        assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == [
            plots.colour("@faint"), plots.colour("@accent"),
        ]  # fmt: skip

    def test_configurations(self, seeds: SearchState) -> None:
        left, right = plots.search_figures(seeds, ())["configurations"].axes
        (means,) = left.lines
        assert means.get_ydata().tolist() == pytest.approx([0.685, 0.65, 0.95])
        spans = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in left.patches]
        assert spans == [pytest.approx(span) for span in ([0.10, 0.90], [0.50, 0.80], [0.95, 0.95])]
        assert [label.get_text() for label in left.get_xticklabels()] == ["2", "1", "3"]
        curves = {line.get_label(): list(line.get_ydata()) for line in right.lines}
        assert curves == {
            "configuration 2": pytest.approx([0.435, 0.87]),
            "configuration 1": pytest.approx([0.325, 0.65]),
            "configuration 3": pytest.approx([0.475, 0.95]),
        }
        bands = [band.get_datalim(right.transData).intervaly.tolist() for band in right.collections]
        assert bands == [pytest.approx([0.05, 0.90]), pytest.approx([0.25, 0.80]), pytest.approx([0.475, 0.95])]

    def test_rungs(self, tmp_path: Path) -> None:
        search = search_of(tmp_path, rung_trials(), rungs=(20,), keep=0.5)
        (axes,) = plots.search_figures(search, ())["rungs"].axes
        drawn = {line.get_label(): (line.get_color(), list(line.get_xdata()), line.get_ydata()) for line in axes.lines}
        gap = math.nan
        assert drawn["stopped"][0] == plots.colour("@faint")
        assert np.array_equal(drawn["stopped"][2], [0.99, gap, 0.30, gap], equal_nan=True)
        assert drawn["trained to the end"][0] == plots.colour("@accent")
        assert drawn["trained to the end"][1][:2] == [20, 100]
        ends = [0.50, 0.80, gap, 0.60, 0.70, gap]
        assert np.array_equal(drawn["trained to the end"][2], ends, equal_nan=True)

    def test_a_text_is_shown_as_it_is(self, tmp_path: Path) -> None:
        """Neither what Plotly is told of it nor what Matplotlib makes of dollars."""
        from matplotlib.figure import Figure

        axes = Figure().subplots()
        plots.draw(axes, Chart("x", "a &lt;b&gt; $c$", "", data=[palette.line([1], [2], "d &amp; $e$", "@accent")]))
        assert axes.get_title() == r"a <b> \$c\$"
        assert axes.lines[0].get_label() == r"d & \$e\$"
