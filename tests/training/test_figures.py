"""The figures of training show what was learned beside the optimum."""

import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ghm.economics.actions import HOLD, PAY, Actions
from ghm.economics.model import Array, GHMModel
from ghm.solvers.dynamic_program import solve
from ghm.solvers.solution import Solution
from ghm.training.logging.figures import policy_figure, value_figure


@pytest.fixture(scope="module")
def reference() -> Solution:
    return solve(GHMModel(), 0.05, 1.0, "liquidation")


def pays_above(level: float) -> object:
    def policy(cash: Array, time_to_horizon: float) -> Actions:
        modes = np.where(cash > level, PAY, HOLD)
        same = np.ones_like(cash)
        return Actions(np.eye(3)[modes], np.log(level) * same, same, np.log(0.07) * same, same)

    return policy


def curves(figure: Figure) -> dict[str, Array]:
    """Heights of every labelled curve, by label."""
    lines = [line for axes in figure.axes for line in axes.get_lines()]
    return {str(line.get_label()): np.asarray(line.get_ydata(), dtype=float) for line in lines}


def test_policy_figure_has_learned_and_optimal_levels(reference: Solution) -> None:
    figure = policy_figure(pays_above(0.3), reference)  # type: ignore[arg-type]
    found = curves(figure)
    assert found["payout boundary"] == pytest.approx(0.3)
    assert found["optimal payout boundary"] == pytest.approx(reference.payout_level[1:], nan_ok=True)
    other = policy_figure(pays_above(0.1), reference)  # type: ignore[arg-type]
    assert not np.array_equal(pixels(figure), pixels(other)), "another policy, another picture"


def test_levels_that_the_policy_does_not_use_are_not_drawn(reference: Solution) -> None:
    """It never issues: its issue target is no level of its; nor is the payout level of one that never pays."""
    found = curves(policy_figure(pays_above(0.3), reference))  # type: ignore[arg-type]
    assert np.isnan(found["post-issuance cash"]).all()
    never = curves(policy_figure(pays_above(reference.cash[-1]), reference))  # type: ignore[arg-type]
    assert np.isnan(never["payout boundary"]).all()


def test_value_figure_puts_equal_values_on_the_optimums_curves(reference: Solution) -> None:
    figure = value_figure(reference.cash, reference.time_to_horizon, reference.values, reference)
    found = curves(figure)
    assert found["value network"] == pytest.approx(found["optimum, τ = 1"], abs=1e-12)
    higher = curves(value_figure(reference.cash, reference.time_to_horizon, reference.values + 1, reference))
    assert higher["value network"] == pytest.approx(found["optimum, τ = 1"] + 1)


def pixels(figure: Figure) -> Array:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba(), dtype=float)


def test_settings_of_the_users_own_figures_do_not_move_them(reference: Solution) -> None:
    """Margins are fixed: a layout engine that the user has chosen for other figures would override them, with a warning."""

    def places() -> list[tuple[float, ...]]:
        figure = policy_figure(pays_above(0.3), reference)  # type: ignore[arg-type]
        FigureCanvasAgg(figure).draw()
        return [axes.get_position().bounds for axes in figure.axes]

    usual = places()
    with mpl.rc_context({"figure.constrained_layout.use": True}), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert places() == usual
