"""The view of one run: read back from a terminal, and as plain lines."""

import io
import math
import time
from pathlib import Path

import pytest
from rich.console import Console
from terminal import run_in_terminal

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.solvers.dynamic_program import solve
from ghm.training.logging.progress import SHARE, DrawingBudget, TrainingView, duration, number
from ghm.training.logging.summary import summary
from ghm.training.main import _optimum
from ghm.training.settings import TrainConfig

SCRIPT = """
import time
from ghm.training.logging.progress import TrainingView
with TrainingView(400, "auto", optimum={"payout_level": 0.191, "issue_below": 0.034}) as view:
    for iteration in range(1, 401):
        time.sleep(0.002)
        record = {"iteration": iteration, "simulated_return": 6.0 + iteration / 1000, "policy_loss": 0.5}
        if iteration % 200 == 0:
            record |= {"exact_return": 6.6, "captured_value": 0.92, "payout_level": 0.2, "issue_below": None}
        view.update(iteration, record if iteration % 50 == 0 else None)
"""


@pytest.mark.parametrize("columns", [80, 160])
def test_live_view_shows_progress_figures_and_optimum(columns: int) -> None:
    session = run_in_terminal(SCRIPT, columns)
    text = "\n".join(session.screen)
    assert session.status == 0
    assert "iteration 400/400" in text
    assert "left 0:00" in text
    assert ["payout", "boundary", "0.2000", "0.1910"] in [line.split() for line in session.screen]
    # The firm never issues (null at the evaluation): a dash beside the optimum, not an older figure.
    assert ["issuance", "boundary", "–", "0.0340"] in [line.split() for line in session.screen]
    assert text.count("iteration ") == 1, "the table is redrawn in place"
    assert any("iteration" in "\n".join(screen) and "400/400" not in "\n".join(screen) for screen in session.screens)


@pytest.mark.parametrize(("recovery", "shown"), [(0.55, "100.00%"), (1.0, None)])
def test_every_figure_of_the_optimum_stands_beside_the_learned_one(recovery: float, shown: str | None) -> None:
    reference = solve(Problem(GHMModel(recovery=recovery), dt=0.05, T=1.0, terminal="liquidation"))
    view = TrainingView(4, "none", io.StringIO(), optimum=_optimum(reference))
    view.update(1, {"exact_return": reference.optimal_return, "captured_value": 0.98814, "payout_level": 0.2})
    console = Console(file=io.StringIO(), width=80)
    console.print(view._table())
    rows = [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert ["captured", "value", "98.81%", shown or "–"] in rows
    value = f"{reference.optimal_return:.4f}"
    assert ["firm", "value", value, value] in rows


@pytest.mark.parametrize("rule", ["greedy", "randomised"])
def test_the_closing_table_says_which_action_rule_it_is_of(tmp_path: Path, rule: str) -> None:
    metrics = {
        "best_return": 6.61, "best_iteration": 20, "optimal_return": 6.65, "wind_up_return": 5.95, "captured_value": 0.9,
        "loss": 0.006, "monte_carlo_return": 6.6, "monte_carlo_standard_error": 0.01, "monte_carlo_agrees": True,
        "verdict_text": "In words.", "action_rule": rule, "payout_level": 0.21, "optimal_payout_level": 0.19,
        "issues": 1.5, "payouts": 3.0,
    }  # fmt: skip
    text = summary(TrainConfig(n_iterations=20, ckpt_dir=tmp_path / "checkpoints"), metrics, 1.0)
    heading, first, *_ = (line.split() for line in text.split("\n\n")[1].splitlines())
    assert heading == [rule, "policy", "learned", "optimum"]
    assert first == ["payout", "boundary", "0.2100", "0.1900"]


def test_a_figure_that_is_not_finite_is_a_dash() -> None:
    stream = io.StringIO()
    with TrainingView(400, "plain", stream) as view:
        view.update(1, {"exact_return": math.nan, "captured_value": math.nan})
        view.update(2, {"exact_return": math.inf, "captured_value": math.inf})
    assert stream.getvalue().count("firm value –  captured value –") == 2


def test_plain_view_has_one_line_a_record_and_no_control_codes() -> None:
    stream = io.StringIO()
    with TrainingView(400, "auto", stream) as view:
        for iteration in range(1, 401):
            record = {"iteration": iteration, "simulated_return": 6.1, "captured_value": None}
            view.update(iteration, record if iteration % 100 == 0 else None)
    lines = stream.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["100/400", "200/400", "300/400", "400/400"]
    assert "simulated firm value 6.1000" in lines[0]
    assert "captured" not in lines[0]
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_none_is_silent() -> None:
    stream = io.StringIO()
    with TrainingView(10, "none", stream) as view:
        view.update(1, {"simulated_return": 6.0})
        view.message("hello")
    assert stream.getvalue() == ""


def test_time_left_counts_only_this_sessions_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 10.0]).__next__
    monkeypatch.setattr(time, "perf_counter", clock)
    stream = io.StringIO()
    # 10 seconds for 100 iterations after 900 resumed ones: 100 more take another 10.
    with TrainingView(1100, "plain", stream, start_iteration=900) as view:
        view.update(1000, {"simulated_return": 6.0})
    assert "elapsed 0:10  left 0:10" in stream.getvalue()


def share_of_drawing(budget: DrawingBudget, monkeypatch: pytest.MonkeyPatch) -> float:
    """Share of a thousand iterations of 20 ms that drawings of 30 ms take, on a clock that only these move."""
    now, drawing = 0.0, 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    def draw() -> None:
        nonlocal now, drawing
        now += 0.03
        drawing += 0.03

    for _ in range(1000):
        now += 0.02
        if budget.due():
            budget.spend(draw)
    return drawing / now


def test_drawing_takes_less_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first drawing is paid for in advance, hence the one more.
    assert share_of_drawing(DrawingBudget(), monkeypatch) <= SHARE + 0.03 / 20
    monkeypatch.setattr("ghm.training.logging.progress.SHARE", 1e9)  # the wrong variant draws at every iteration
    assert share_of_drawing(DrawingBudget(shortest_interval=0.0), monkeypatch) > 0.5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00"), (42, "0:42"), (725, "12:05"), (11220, "3:07:00"), (None, "–")],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_number_says_missing() -> None:
    assert number(None) == number(float("nan")) == "–"
    assert number(6.65481) == "6.6548"
