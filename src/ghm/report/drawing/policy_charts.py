"""The page's charts of the best policy beside the optimum."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghm.economics.actions import HOLD, ISSUE, PAY
from ghm.economics.model import Array
from ghm.io.text import years_text
from ghm.report.analysis.policy import SHOWN_FIRMS, SHOWN_TIMES, PolicyStudy
from ghm.report.drawing.charts import Chart
from ghm.report.drawing.palette import BOUNDARIES, LEARNED, OPTIMAL, line

DECIMALS = 5
"""Of figures in the page: finer than a pixel of any figure."""


def policy_charts(study: PolicyStudy) -> list[Chart]:
    """Every chart of the best policy."""
    return [levels_chart(study), modes_chart(study), value_chart(study), loss_chart(study), paths_chart(study)]


def levels_chart(study: PolicyStudy, name: str = "learned") -> Chart:
    """Levels of cash over time to horizon, the policy's and the optimum's; ``name`` is what its lines are called."""
    data = [
        _line(study.time_to_horizon, getattr(levels, key), f"{title} ({who})", colour, dash)
        for who, levels, colour in ((name, study.levels, LEARNED), ("optimal", study.optimal_levels, OPTIMAL))
        for key, title, dash in BOUNDARIES
    ]
    at_start = "; ".join(
        f"{title} {_shown(getattr(study.levels, key)[-1])}, optimal {_shown(getattr(study.optimal_levels, key)[-1])}"
        for key, title, _ in BOUNDARIES
    )
    return Chart(
        "policy-levels",
        "What the policy does, beside the optimum",
        f"Boundaries over time to horizon, {name} and optimal. With the whole horizon ahead: {at_start}.",
        f"Blue: {name}. Orange: optimal. A line is missing where the greedy policy never pays out or never issues.",
        data,
        {"xaxis": _time_axis(study), "yaxis": {"title": {"text": "cash"}, "rangemode": "tozero"}},
    )


def modes_chart(study: PolicyStudy) -> Chart:
    """What the policy does over (c, τ), and where the optimum would."""
    colours = ((HOLD, "hold", "@surface"), (PAY, "pay", "@soft"), (ISSUE, "issue", "@warm"))
    # Each whole number has a band of colour of its own.
    scale = [[(mode + side) / 3, colour] for mode, _, colour in colours for side in (0, 1)]
    data: list[dict[str, Any]] = [
        {
            "type": "heatmap", "x": numbers(study.time_to_horizon), "y": numbers(study.cash),
            "z": study.modes.T.tolist(), "zmin": -0.5, "zmax": 2.5, "colorscale": scale, "showscale": False,
            "hovertemplate": "time to horizon %{x:.2f}<br>cash %{y:.3f}<extra></extra>",
        }
    ]  # fmt: skip
    for _, name, colour in colours:
        mark = {"color": colour, "symbol": "square", "size": 12, "line": {"color": "@muted", "width": 1}}
        data.append({"type": "scatter", "mode": "markers", "x": [None], "y": [None], "name": name, "marker": mark})
    for key, title, dash in (BOUNDARIES[0], BOUNDARIES[2]):
        data.append(_line(study.time_to_horizon, getattr(study.optimal_levels, key), f"optimal {title}", "@text", dash))
    shares = [float((study.modes == mode).mean()) for mode, _, _ in colours]
    return Chart(
        "policy-modes",
        "Action in each state",
        "Map of the greedy policy's action over time to horizon and cash: "
        f"it holds in {shares[0]:.0%} of the states shown, pays in {shares[1]:.0%} and issues in {shares[2]:.0%}.",
        "What the greedy policy does; lines are the optimal boundaries.",
        data,
        {"xaxis": _time_axis(study), "yaxis": {"title": {"text": "cash"}, "range": [0, float(study.cash[-1])]}},
        height=460,
    )


def value_chart(study: PolicyStudy, name: str = "learned") -> Chart:
    """Value over cash with the whole horizon ahead, less that of immediate liquidation; ``name`` as in `levels_chart`."""
    own, optimal = study.value[-1] - study.wind_up_value, study.optimal_value[-1] - study.wind_up_value
    data = [
        _line(study.cash, optimal, "optimum", OPTIMAL),
        _line(study.cash, own, name, LEARNED, "dash"),
    ]
    middle = len(study.cash) // 2
    return Chart(
        "policy-value",
        "Value of the firm",
        f"Value over cash, less immediate liquidation. At cash {study.cash[middle]:.3f} the policy is worth "
        f"{own[middle]:.4f} more than immediate liquidation, the optimum {optimal[middle]:.4f}.",
        "Exact value with the whole horizon ahead, less the value of immediate liquidation.",
        data,
        {
            "xaxis": {"title": {"text": "cash"}, "range": [0, float(study.cash[-1])]},
            "yaxis": {"title": {"text": "value less liquidation"}},
        },
    )


def loss_chart(study: PolicyStudy) -> Chart:
    """Value that the policy loses against the optimum, over (c, τ)."""
    # Both values carry a numerical error of up to 1e-4; a loss below zero is that error.
    loss = np.maximum(study.optimal_value - study.value, 0.0)
    worst = np.unravel_index(int(np.argmax(loss)), loss.shape)
    return Chart(
        "policy-loss",
        "Value lost",
        f"Map of the optimum's value less the policy's. The most, {loss.max():.4f}, is lost at time to horizon "
        f"{study.time_to_horizon[worst[0]]:.2f} and cash {study.cash[worst[1]]:.3f}.",
        "Value of the optimum less exact value of the policy, from each state on.",
        [
            {
                "type": "heatmap", "x": numbers(study.time_to_horizon), "y": numbers(study.cash),
                "z": [numbers(row) for row in loss.T], "zmin": 0,
                "zmax": max(float(loss.max()), 10.0**-DECIMALS),
                "colorscale": [[0, "@scale-low"], [1, "@scale-high"]],
                "colorbar": {"thickness": 12, "outlinewidth": 0},
                "hovertemplate": "time to horizon %{x:.2f}<br>cash %{y:.3f}<br>lost %{z:.4f}<extra></extra>",
            }
        ],
        {"xaxis": _time_axis(study), "yaxis": {"title": {"text": "cash"}, "range": [0, float(study.cash[-1])]}},
    )  # fmt: skip


def paths_chart(study: PolicyStudy) -> Chart:
    """Cash of some simulated firms over time."""
    firms = study.firms
    every = max(len(firms.time) // SHOWN_TIMES, 1)
    x: list[float | None] = []
    y: list[float | None] = []
    for path in firms.cash[1:SHOWN_FIRMS, ::every]:
        x += [*numbers(firms.time[::every]), None]
        y += [*numbers(path), None]
    data = [
        {"type": "scatter", "mode": "lines", "name": f"{SHOWN_FIRMS - 1} firms", "x": x, "y": y, "hoverinfo": "skip",
         "line": {"color": "@soft", "width": 1}, "opacity": 0.8},
        _line(firms.time[::every], firms.cash[0, ::every], "one firm", "@text"),
    ]  # fmt: skip
    horizon = study.time_to_horizon[-1]
    for (key, title, dash), colour in ((BOUNDARIES[0], LEARNED), (BOUNDARIES[2], "@third")):
        data.append(_line(horizon - study.time_to_horizon, getattr(study.levels, key), title, colour, dash))
    issues, dividends = firms.issues.mean(), firms.dividends.mean()
    facts = (
        f"Of {len(firms.cash):,} simulated firms {firms.liquidated:.1%} are liquidated within {years_text(horizon)}, "
        f"in which a firm issues equity {issues:.2f} times on average and pays dividends of {dividends:.2f}. "
        "The first transaction, which brings random initial cash to where the policy wants it, is not counted."
    )
    return Chart(
        "policy-paths",
        "Cash of simulated firms",
        f"Cash over time of {SHOWN_FIRMS} simulated firms under the policy. {facts}",
        f"{facts} {SHOWN_FIRMS} are drawn, one of them highlighted. "
        "Cash after payouts and issues; a path ends where the firm is liquidated.",
        data,
        {"xaxis": {"title": {"text": "years"}}, "yaxis": {"title": {"text": "cash"}, "rangemode": "tozero"}},
    )


def _time_axis(study: PolicyStudy) -> dict[str, Any]:
    """Time to horizon on a logarithmic axis: what the firm does changes fastest near the horizon."""
    low, high = study.time_to_horizon[0], study.time_to_horizon[-1]
    return {
        "title": {"text": "years to horizon (start at the right)"},
        "type": "log",
        "range": [float(np.log10(low)), float(np.log10(high))],
        "dtick": 1,
    }


def _line(x: Array, y: Array | NDArray[np.float32], name: str, colour: str, dash: str = "solid") -> dict[str, Any]:
    return line(numbers(x), numbers(y), name, colour, dash)


def numbers(values: Array | NDArray[np.float32]) -> list[float | None]:
    """Rounded numbers; None, which Plotly leaves out, for what is not finite."""
    return [round(float(value), DECIMALS) if np.isfinite(value) else None for value in values]


def _shown(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "none"
