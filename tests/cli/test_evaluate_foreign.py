"""``ghm evaluate`` of policies from elsewhere: a table, a module's function, a file's function."""

import json
import sys

import numpy as np
import pytest
from cli.commands import assert_refused, run

import ghm
from ghm.cli.figures import write_figure
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.policies.thresholds import ThresholdPolicy
from ghm.solvers import policy_value

DT, T = 0.05, 1.0
SMALL = ("--dt", str(DT), "--T", str(T))

SOURCE = """
import numpy as np

def act(cash, time_to_horizon):
    return np.maximum(cash - 0.2, 0.0), np.where(cash < 0.05, 0.1 - cash, 0.0)

def greedy(cash, time_to_horizon):
    return 2 * cash, 0 * cash

class Network:
    def __call__(self, cash, time_to_horizon):
        return act(cash, time_to_horizon)

network = Network()
level = 0.2
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with a module of policies, in which the command is run."""
    (tmp_path / "my_policies.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("my_policies", "broken"):
        sys.modules.pop(name, None)


def expected():
    return policy_value(ThresholdPolicy.constant(DT, T, 0.2, 0.05, 0.1), Problem(GHMModel(), DT, T))


@pytest.mark.parametrize(
    "name", ["my_policies:act", "my_policies.py:act", "my_policies:network", "my_policies:network.__call__"]
)
def test_function(here, name):
    ran = run("evaluate", "--policy", name, *SMALL, "--json")
    assert (ran.status, ran.errors) == (0, "")
    found = json.loads(ran.output)
    assert found["exact_return"] == pytest.approx(expected(), abs=1e-9)
    assert found["randomised_return"] == found["greedy_return"] == found["exact_return"]
    assert found["draws"] is False
    assert found["policy"] == name
    assert found["monte_carlo_agrees"] is True
    assert (found["dt"], found["T"], found["terminal"]) == (DT, T, "liquidation")


def test_table_for_people(here):
    ran = run("evaluate", "--policy", "my_policies:act", *SMALL)
    assert f"{expected():.4f}" in ran.output
    assert "randomised policy" not in ran.output  # it leaves nothing to chance
    assert "post-issuance cash" in ran.output
    assert max(map(len, ran.output.splitlines())) <= 80


def test_another_model(here):
    words = (
        "evaluate",
        "--policy",
        "my_policies:act",
        *SMALL,
        "--json",
        "--model.sigma_x",
        "0.3",
        "--terminal",
        "zero",
    )
    found = json.loads(run(*words).output)
    policy = ThresholdPolicy.constant(DT, T, 0.2, 0.05, 0.1)
    assert found["exact_return"] == pytest.approx(
        policy_value(policy, Problem(GHMModel(sigma_x=0.3), DT, T, "zero")), abs=1e-9
    )


def test_output_is_a_table_that_is_judged_the_same(here):
    times = [str(round(DT * step, 2)) for step in range(1, 21)]
    words = ("--output", "policy.npz", "--times", *times, "--model.sigma_x", "0.15")
    first = json.loads(run("evaluate", "--policy", "my_policies:act", *SMALL, "--json", *words).output)
    assert first["errors"]["value"]["root_mean_square"] > first["errors"]["value"]["mean_absolute"] > 0
    again = json.loads(run("evaluate", "policy.npz", "--json").output)
    assert again["model"]["sigma_x"] == 0.15  # the file says what it is of
    assert (again["dt"], again["T"]) == (DT, T)
    assert again["exact_return"] == pytest.approx(first["exact_return"], abs=2e-5)
    other = json.loads(run("evaluate", "policy.npz", "--json", "--model.sigma_x", "0.3").output)
    assert other["model"]["sigma_x"] == 0.3  # unless told otherwise
    with np.load("policy.npz") as file:
        difference = file["value"] - file["optimal_value"]
        assert file["value_difference"] == pytest.approx(difference)
        assert first["errors"]["value"]["mean_absolute"] == pytest.approx(np.abs(difference).mean())


def test_the_policy_that_is_judged_is_not_written_over(here):
    assert run("solve", *SMALL, "--output", "best.npz").status == 0
    before = (here / "best.npz").read_bytes()
    (here / "sub").mkdir()
    for same in ("best.npz", str(here / "best.npz"), "sub/../best.npz"):
        assert_refused(run("evaluate", "best.npz", "--output", same), "is the policy that is judged, and would be lost")
    assert (here / "best.npz").read_bytes() == before


def test_the_solutions_file_captures_everything(here):
    assert run("solve", *SMALL, "--output", "best.npz", "--times", *(str(0.05 * k) for k in range(1, 21))).status == 0
    found = json.loads(run("evaluate", "best.npz", "--json").output)
    assert found["captured_value"] == pytest.approx(1.0, abs=1e-5)
    assert found["verdict"] == "near_optimal"


def test_errors_and_figures_for_people(here, monkeypatch):
    legends = []
    monkeypatch.setattr(
        "ghm.cli.evaluate.figures.write_figure",
        lambda path, figure: legends.append(words_of(figure)) or write_figure(path, figure),
    )
    words = ("--output", "policy.csv", "--cash", "0:0.5:11", "--times", "0.5", "1", "--figures", "pictures")
    ran = run("evaluate", "--policy", "my_policies:act", *SMALL, *words)
    assert (ran.status, ran.errors) == (0, "")
    assert "root mean square" in ran.output
    assert "Written: policy.csv" in ran.output
    assert max(map(len, ran.output.splitlines())) <= 80
    lines = (here / "policy.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 11
    assert lines[0].startswith("time_to_horizon,cash,probability_hold,probability_pay,probability_issue,payout_level")
    pictures = {path.name for path in (here / "pictures").iterdir()}
    assert pictures == {f"{name}.{ending}" for name in ("policy", "value", "paths") for ending in ("pdf", "png")}
    # Nobody trained this policy.
    assert {"payout boundary (policy)", "policy"} <= set().union(*legends)
    assert not any("learned" in text for texts in legends for text in texts)


def words_of(figure):
    """The texts of a figure's legends and titles."""
    return {text for axes in figure.axes for text in (*axes.get_legend_handles_labels()[1], axes.get_title())}


def test_python_says_the_same(here, monkeypatch):
    monkeypatch.syspath_prepend(str(here))
    import my_policies

    found = ghm.evaluate(my_policies.act, dt=DT, T=T)
    assert (
        found.to_dict().items()
        <= json.loads(run("evaluate", "--policy", "my_policies:act", *SMALL, "--json").output).items()
    )


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--policy", "my_policies:greedy"), ("my_policies:greedy: payout must be at most the cash there is",)),
        (("--policy", "my_policies:nothing"), ("has no nothing", "it has act, greedy")),
        (("--policy", "my_policies:Network"), ("Network is a class; name an instance",)),
        (("--policy", "my_policies:level"), ("level is no function but float",)),
        (("--policy", "my_policies"), ("takes module:function or file.py:function",)),
        (("--policy", "elsewhere:act"), ("no module elsewhere", "run the command where it lies")),
        (("--policy", "elsewhere.py:act"), ("no file elsewhere.py",)),
        (("--policy", "broken:act"), ("importing broken failed: ZeroDivisionError",)),
        (("--policy", "needy:act"), ("needy needs the module not_there, which is not installed",)),
        (("--policy", "my_policies:act", "a.pt"), ("are two policies; give one",)),
        (("--policy", "my_policies:act", "--dt", "0.3"), ("T must be a whole multiple of dt",)),
        (("--policy", "my_policies:act", "--cash", "0"), ("say where --output is wanted",)),
        (("--policy", "my_policies:act", "--output", "x.pt"), ("ending must be one of",)),
        (("none.npz",), ("no policy at none.npz",)),
        (("empty.npz",), ("holds no policy",)),
        ((), ("no policy to judge", "--policy module:function")),
    ],
)
def test_bad_input_is_refused_with_one_message(here, words, parts):
    (here / "broken.py").write_text("1 / 0\n")
    (here / "needy.py").write_text("import not_there\n")
    np.savez(here / "empty.npz")
    assert_refused(run("evaluate", *words, *(SMALL if "--dt" not in words else ("--T", "1"))), *parts)
