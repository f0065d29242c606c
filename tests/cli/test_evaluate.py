"""``ghm evaluate``: its figures against the evaluation's own parts, its JSON and table, and what it refuses."""

import io
import json

import numpy as np
import pytest
import torch
from cli.commands import assert_refused, run
from fine_quadrature import fine_quadrature

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.io.sealed import seal_archive
from ghm.solvers import policy_value
from ghm.solvers.dynamic_program import solve
from ghm.training.checkpoints.checkpoint import FORMAT, load_trained
from ghm.training.main import main as train

MODEL = GHMModel(sigma_x=0.15)
DT, T = 0.05, 1.0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    status = train(
        f"--n_iterations 30 --dt {DT} --T {T} --n_trajectories 50 --policy_hidden 8 --value_hidden 8 --progress none "
        f"--model.sigma_x 0.15 --ckpt_dir {directory}/checkpoints --log_dir {directory}/logs".split()
    )
    assert status == 0
    return directory / "checkpoints" / "best_model.pt"


def evaluated(*words):
    ran = run("evaluate", "--json", *words)
    assert (ran.status, ran.errors) == (0, "")
    return json.loads(ran.output)


def test_figures(checkpoint):
    found, policy, reference = (
        evaluated(checkpoint),
        load_trained(checkpoint).policy,
        solve(MODEL, DT, T, "liquidation"),
    )
    drawn = load_trained(checkpoint).drawn_policy
    with fine_quadrature():
        expected = {
            "randomised": policy_value(drawn, Problem(MODEL, DT, T), randomised=True),
            "greedy": policy_value(drawn, Problem(MODEL, DT, T)),
        }
        exported = policy_value(policy, Problem(MODEL, DT, T), randomised=found["action_rule"] == "randomised")
    for action_rule, value in expected.items():
        assert found[f"{action_rule}_return"] == pytest.approx(value, abs=1e-6)
    assert found["exact_return"] == max(found["randomised_return"], found["greedy_return"])
    assert found["exact_return"] == found[f"{found['action_rule']}_return"]
    assert exported == pytest.approx(found["exact_return"], abs=1e-6), (
        "the policy that is loaded is the one under that action rule"
    )
    assert abs(found["randomised_return"] - found["greedy_return"]) > 1e-4, "action rules are told apart"
    assert found["optimal_return"] == reference.optimal_return
    assert found["wind_up_return"] == reference.wind_up_return
    assert found["captured_value"] == pytest.approx(reference.captured_value(found["exact_return"]))
    assert found["optimal_payout_level"] == reference.initial_levels.payout_level
    assert found["model"]["sigma_x"] == 0.15
    assert abs(found["monte_carlo_return"] - found["exact_return"]) < 4 * found["monte_carlo_standard_error"]
    assert found["monte_carlo_agrees"] is True
    # Negative control: another model's exact return is another.
    assert found["exact_return"] != policy_value(policy, Problem(GHMModel(), DT, T))


def test_result_of_the_run_says_the_same(checkpoint):
    stored = json.loads((checkpoint.parent.parent / "result.json").read_text())["metrics"]
    found = evaluated(checkpoint)
    assert stored["best_return"] == pytest.approx(found["exact_return"], rel=1e-12)
    for name in (
        "action_rule",
        "randomised_return",
        "greedy_return",
        "captured_value",
        "optimal_return",
        "verdict",
        "payout_level",
        "monte_carlo_return",
    ):
        assert (
            stored[name] == pytest.approx(found[name])
            if isinstance(found[name], float)
            else stored[name] == found[name]
        )


def test_table(checkpoint):
    ran, found = run("evaluate", checkpoint), evaluated(checkpoint)
    assert (ran.status, ran.errors) == (0, "")
    for figure in (
        "exact_return",
        "randomised_return",
        "greedy_return",
        "optimal_return",
        "monte_carlo_return",
    ):
        assert f"{found[figure]:.4f}" in ran.output
    assert f"{100 * found['captured_value']:.1f}%" in ran.output
    assert found["verdict_text"] in " ".join(ran.output.split())
    rule = found["action_rule"]
    other = "greedy" if rule == "randomised" else "randomised"
    lines = [line.split() for line in ran.output.splitlines()]
    first = lines.index([rule, "policy", "policy", "optimum"])  # below the title, which a long path wraps
    assert lines[first + 1] == [
        "firm", "value,", "exact", f"{found[f'{rule}_return']:.4f}", f"{found['optimal_return']:.4f}",
    ]  # fmt: skip
    assert lines[first + 2] == ["of", "the", other, "policy", f"{found[f'{other}_return']:.4f}"]
    assert max(map(len, ran.output.splitlines()[1:])) <= 80


def test_a_return_that_simulation_contradicts_is_warned_of(checkpoint, monkeypatch):
    monkeypatch.setattr("ghm.solvers.answers.evaluation.AGREE", 1e-9)
    ran = run("evaluate", checkpoint)
    assert ran.status == 0
    assert ran.errors.startswith("warning: the exact and the simulated firm value differ")


def test_its_own_model_may_be_named(checkpoint):
    assert evaluated(checkpoint, "--model.sigma_x", "0.15")["model"]["sigma_x"] == 0.15


def test_another_model_is_refused(checkpoint):
    ran = run("evaluate", checkpoint, "--model.sigma_x", "0.2", "--model.rho", "0")
    assert_refused(
        ran, "trained on another model", "sigma_x is 0.15, not 0.2", "rho is -0.2, not 0", "leave out --model.*"
    )
    assert_refused(run("evaluate", checkpoint, "--model.sigma_x", "0.12"), "sigma_x is 0.15, not 0.12")  # the default's


def save_sealed(content, path):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(seal_archive(buffer.getvalue()))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "is no checkpoint, or a damaged one"),
        (b"hello", "is no checkpoint, or a damaged one"),
        ([1, 2], "no format number"),
        ({"state_dict": {}}, "no format number"),
        ({"format": 0}, "checkpoint format 0; this version reads format"),
        ({"format": "two"}, "checkpoint format 'two'"),
    ],
)
def test_files_that_are_no_checkpoint_are_refused(tmp_path, content, part):
    path = tmp_path / "model.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save_sealed(content, path)
    assert_refused(run("evaluate", path), part, "model.pt")


def test_damaged_checkpoints_are_refused(checkpoint, tmp_path):
    whole = checkpoint.read_bytes()
    path = tmp_path / "cut.pt"
    path.write_bytes(whole[: len(whole) // 2])
    assert_refused(run("evaluate", path), "is no checkpoint, or a damaged one")
    content = torch.load(checkpoint, weights_only=True)
    save_sealed({**content, "format": content["format"] + 1}, path)
    assert_refused(run("evaluate", path), f"format {FORMAT + 1}", "use the version that wrote it, or train again")
    save_sealed({key: value for key, value in content.items() if key != "learner"}, path)
    assert_refused(run("evaluate", path), "lacks part of a checkpoint")
    save_sealed({**content, "config": {**content["config"], "policy_hidden": [16]}}, path)
    assert_refused(run("evaluate", path), "do not fit its settings")
    save_sealed({**content, "config": {**content["config"], "dt": 0.03}}, path)
    assert_refused(run("evaluate", path), "whole multiple of dt")


def test_places_without_a_file_are_refused(tmp_path):
    assert_refused(run("evaluate", tmp_path / "none.pt"), "no checkpoint at", "give the path of a .pt file")
    assert_refused(run("evaluate", tmp_path), "is a directory; give the path of a .pt file")
    assert_refused(run("evaluate"), "no policy to judge; give a checkpoint (.pt), a table (.npz)")
    assert_refused(run("evaluate", "a.pt", "--bogus", "1"), "unknown option --bogus; see ghm evaluate --help")


@pytest.mark.parametrize("modes", [(0.5, 0.3, 0.2), (0.0, 1.0, 0.0)], ids=["better as it draws", "better for certain"])
def test_pictures_are_of_the_action_rule_that_is_judged(modes, tmp_path, monkeypatch):
    """Value and firms that are drawn: those whose return is printed."""
    drawn = []

    def study(*arguments):
        drawn.append(arguments[-1])
        raise UserError("enough seen")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom ghm.economics.actions import Actions\n\n\ndef act(cash, tau):\n    n = cash.size\n"
        f"    return Actions(np.tile({modes}, (n, 1)), *(np.full(n, x) for x in (-1.5, 0.3, -2.5, 0.2)))\n"
    )
    words = ("evaluate", "--policy", "mine.py:act", "--dt", "0.05", "--T", "1")
    ran = run(*words, "--json", "--output", "maps.npz", "--times", "1")
    with np.load("maps.npz") as file:
        assert str(file["action_rule"]) == json.loads(ran.output)["action_rule"]
    monkeypatch.setattr("ghm.cli.evaluate.figures.study", study)
    assert "enough seen" in run(*words, "--figures", "pictures").errors
    assert drawn == [json.loads(ran.output)["action_rule"] == "randomised"]


def test_the_help_names_one_default_for_what_the_policy_brings_along():
    said = " ".join(run("evaluate", "--help").output.split())
    for name, otherwise in (("--dt X", "0.01"), ("--T X", "10"), ("--terminal NAME", "liquidation")):
        of_it = said[said.index(name) :].removeprefix("--").partition(" --")[0]
        assert of_it.count("[") == 1, of_it
        assert f"[the file's, else {otherwise}]" in of_it
