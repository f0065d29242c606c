"""``ghm solve --output``, ``--check`` and ``--sweep``: what they write and print, and what they refuse."""

import csv
import json

import numpy as np
import pytest
from cli.commands import assert_refused, run
from PIL import Image

import ghm
from ghm.economics.model import GHMModel
from ghm.solvers.validation import Card, Line

SMALL = ("--dt", "0.05", "--T", "1")


def test_output_over_a_grid(tmp_path):
    path = tmp_path / "solution.npz"
    ran = run("solve", *SMALL, "--output", path, "--cash", "0", "0.1:0.3:3", "--times", "0.5", "1")
    assert (ran.status, ran.errors) == (0, "")
    assert f"Written: {path}" in ran.output
    best = ghm.solve(dt=0.05, T=1.0, cash=[0.0, 0.1, 0.2, 0.3], times=[0.5, 1.0])
    with np.load(path) as file:
        assert np.array_equal(file["cash"], best.cash)
        assert np.array_equal(file["time_to_horizon"], best.time_to_horizon)
        assert np.array_equal(file["value"], best.values)
        assert np.array_equal(file["issue_target"], best.issue_target)


def test_output_as_csv_and_json_stays_json(tmp_path):
    path = tmp_path / "solution.csv"
    ran = run("solve", *SMALL, "--output", path, "--cash", "0:1:5", "--times", "1", "--json")
    assert json.loads(ran.output)["optimal_return"] > 0
    rows = list(csv.DictReader(path.open()))
    assert [row["cash"] for row in rows] == ["0", "0.25", "0.5", "0.75", "1"]


def test_card():
    ran = run("solve", *SMALL, "--check")
    assert (ran.status, ran.errors) == (0, "")
    assert ran.output.count("PASS") == 13  # twelve lines and the card
    assert "Skipped: the optimal-stopping check of V_c holds only if φ = 0." in ran.output
    assert max(map(len, ran.output.splitlines())) <= 80
    found = json.loads(run("solve", *SMALL, "--check", "--json").output)
    assert found["status"] == "PASS"
    assert {"name", "claim", "figure", "tolerance", "status"} == set(found["lines"][0])
    assert found["model"]["alpha"] == 0.18


def test_a_card_that_fails_says_which_line_and_exits_with_1(monkeypatch):
    lines = (Line("equation", "k F = …", 1.0, 1e-5), Line("concave", "F'' ≤ 0", float("nan"), 1e-4))
    monkeypatch.setattr("ghm.cli.solve.check.validate", lambda *_: Card(lines, ("a note",)))
    ran = run("solve", *SMALL, "--check")
    assert ran.status == 1
    assert "FAIL: equation, concave." in ran.output
    assert json.loads(run("solve", *SMALL, "--check", "--json").output)["lines"][1]["figure"] is None


def test_sweep(tmp_path):
    table, figure = tmp_path / "statics.csv", tmp_path / "statics.png"
    words = ("solve", *SMALL, "--sweep", "sigma_x", "0.05", "0.3", "3")
    ran = run(*words, "--output", table, "--plot", figure)
    assert (ran.status, ran.errors) == (0, "")
    rows = list(csv.DictReader(table.open()))
    assert [row["sigma_x"] for row in rows] == ["0.05", "0.175", "0.3"]
    for row in rows:
        best = ghm.solve(GHMModel(sigma_x=float(row["sigma_x"])), 0.05, 1.0)
        assert float(row["optimal_return"]) == pytest.approx(best.optimal_return)
        assert float(row["payout_level"]) == pytest.approx(best.payout_level[-1])
        assert f"{best.payout_level[-1]:.4f}" in ran.output
    with Image.open(figure) as image:
        assert image.size == (2250, 825)
    points = json.loads(run(*words, "--json").output)["points"]
    assert points[2]["parameters"] == {"sigma_x": 0.3}
    assert points[2]["payout_level"] == pytest.approx(float(rows[2]["payout_level"]))


@pytest.mark.parametrize("parameter", ["proportional_cost", "carry_cost"])
def test_two_sweeps_fit_the_terminal(tmp_path, parameter):
    ran = run(
        "solve", *SMALL, "--sweep", "sigma_x", "0", "0.3", "3", "--sweep", parameter, "1.0", "1.2", "2",
        "--plot", tmp_path / "two.pdf",
    )  # fmt: skip
    assert (ran.status, ran.errors) == (0, "")
    *table, written = ran.output.splitlines()
    assert max(map(len, table)) <= 80
    assert written == f"Written: {tmp_path / 'two.pdf'}"
    assert (tmp_path / "two.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--output", "solution.txt"), ("ending must be one of .npz, .csv", "try solution.npz")),
        (("--output", "/no/such/place/x.npz"), ("cannot be written", "choose another file")),
        (("--cash", "0"), ("--cash and --times say where --output is wanted",)),
        (("--output", "x.npz", "--cash", "a"), ("--cash takes numbers, or first:last:count", "received 'a'")),
        (("--output", "x.npz", "--cash", "0:1"), ("received '0:1'", "try --cash 0:1:101")),
        (("--output", "x.npz", "--times", "0:1:1"), ("--times takes numbers",)),
        (("--output", "x.npz", "--times", "0:inf:3"), ("--times takes numbers",)),
        (("--output", "x.npz", "--cash", "3"), ("cash must be from 0 to c_max = 2; received 3",)),
        (("--output", "x.npz", "--times", "2"), ("times to horizon must be from 0 to T = 1; received 2",)),
        (("--check", "--plot", "x.png"), ("--check prints the validation card alone",)),
        (("--check", "--model.mu", "1"), ("discount rate k",)),
        (("--sweep", "sigma", "0", "1", "3"), ("no such parameter", "choose one of alpha")),
        (("--sweep", "rho", "0", "1", "1"), ("two values or more",)),
        (("--sweep", "rho", "0"), ("--sweep takes 4 values; received fewer",)),
        (("--sweep", "rho", "0", "1", "2", "--output", "x.npz"), ("written as .csv", "try x.csv")),
        (("--sweep", "rho", "0", "1", "2", "--at", "1"), ("leave out --cash, --times and --at",)),
        (("--sweep", "rho", "2", "3", "2"), ("no value of rho has a solution",)),
        (("--sweep", "rho", "0", "1", "2", "--sweep", "rho", "0", "1", "2"), ("names rho twice",)),
        (
            ("--sweep", "rho", "0", "1", "2", "--sweep", "mu", "0", "0.01", "2", "--sweep", "r", "0.1", "0.2", "2"),
            ("--sweep may be given twice",),
        ),
    ],
)
def test_bad_input_is_refused_with_one_message(words, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(run("solve", *SMALL, *words), *parts)
    assert list(tmp_path.iterdir()) == []


def test_on_a_narrow_terminal_every_row_of_a_sweep_keeps_its_name(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    words = (
        "solve",
        *SMALL,
        "--sweep",
        "sigma_x",
        "0.111",
        "0.222",
        "2",
        "--sweep",
        "carry_cost",
        "0.013",
        "0.017",
        "2",
    )
    ran = run(*words)
    assert "…" not in ran.output
    assert max(map(len, ran.output.splitlines()[1:])) <= 40
    rows = [line.split()[:2] for line in ran.output.splitlines() if line.split()[:1] in (["0.111"], ["0.222"])]
    names = [["0.111", "0.013"], ["0.111", "0.017"], ["0.222", "0.013"], ["0.222", "0.017"]]
    assert len(rows) > len(names), "it fitted: this tests nothing"
    assert rows == names * (len(rows) // len(names))
    (wide,) = json.loads(run(*words, "--json").output)["points"][:1]
    assert f"{wide['optimal_return']:.4f}" in ran.output


def test_a_firm_without_shocks_is_not_called_liquidated():
    assert "goes on" in run("solve", *SMALL, "--model.sigma_x", "0").output
    assert "is liquidated" in run("solve", *SMALL, "--model.fixed_cost", "5").output
    assert "issues" in run("solve", *SMALL).output
