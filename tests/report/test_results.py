"""Results in Python and on paper: load_results, the example, exported tables and figures, the command line."""

import contextlib
import csv
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factory import Made, make_search
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import ghm
from ghm.economics.actions import HOLD, ISSUE, PAY
from ghm.errors import UserError
from ghm.report.drawing.tables import Cell, Column, Table
from ghm.report.export import as_latex, escape, export
from ghm.report.main import main
from ghm.training.checkpoints.checkpoint import load_trained

ROOT = Path(__file__).parents[2]


def test_trials_are_a_tidy_frame(studied: Made) -> None:
    results = ghm.load_results(studied.path)
    frame = results.trials
    assert list(frame.columns) == list(results.column_descriptions)
    assert frame["trial_num"].tolist() == list(range(1, 25))
    recorded = {entry["trial_num"]: entry for entry in studied.content["results"]}
    for row in frame.itertuples():
        if row.trial_num not in recorded:
            assert row.status == "unfinished"
            continue
        entry = recorded[row.trial_num]
        assert row.success == entry["metrics"]["success"]
        assert row.lr_policy == entry["hyperparameters"]["lr_policy"]
        assert row.policy_hidden == "x".join(map(str, entry["hyperparameters"]["policy_hidden"]))
        if row.success:
            assert row.captured_value == entry["metrics"]["captured_value"]
        else:
            assert np.isnan(row.best_return)
            assert np.isnan(row.final_return)
            assert row.error
    assert frame["captured_value"].dtype == float
    best = frame.loc[frame["best_return"].idxmax(), "trial_num"]
    assert results.search.best_trial is not None
    assert best == results.search.best_trial.trial_num


def test_the_best_policy_is_a_function_of_the_state(studied: Made) -> None:
    results = ghm.load_results(str(studied.path.parent))
    assert results.search.best_trial is not None
    policy = load_trained(results.search.checkpoint(results.search.best_trial)).policy
    cash, time = np.array([[0.0, 0.1], [0.5, 2.0]]), np.array([0.25, 1.0])
    action = results.best_policy(cash, time)
    for row in range(2):
        for column in range(2):
            expected = policy(cash[row, column : column + 1], float(time[column]))
            probabilities = expected.mode_probabilities[0]
            assert action.hold[row, column] == probabilities[HOLD]
            assert action.pay[row, column] == probabilities[PAY]
            assert action.issue[row, column] == probabilities[ISSUE]
            assert action.payout_level[row, column] == np.exp(expected.payout_log_mean[0])
            assert action.issue_target[row, column] == np.exp(expected.issue_log_mean[0])
    assert action.hold + action.pay + action.issue == pytest.approx(np.ones((2, 2)))
    assert results.best_policy(0.1, 1.0).hold.shape == ()


@pytest.mark.parametrize(("cash", "time"), [(-0.1, 1.0), (np.nan, 1.0), (0.1, np.inf), ([0.1, -1.0], 1.0)])
def test_states_that_are_none_are_refused(studied: Made, cash: float, time: float) -> None:
    with pytest.raises(UserError, match="must be finite and >= 0"):
        ghm.load_results(studied.path).best_policy(cash, time)


def test_a_policy_knows_nothing_beyond_its_horizon(studied: Made) -> None:
    policy, horizon = ghm.load_results(studied.path).best_policy, float(studied.content["search_config"]["T"])
    policy(0.1, horizon)
    with pytest.raises(UserError, match=f"from 0 to the horizon T = {horizon:g}; received"):
        policy([0.1, 0.2], [horizon / 2, 1.1 * horizon])


def test_there_is_no_best_policy_without_a_trial(tmp_path: Path) -> None:
    made = make_search(tmp_path, 1, failures={1: ("diverged", "NaN")})
    results = ghm.load_results(made.path)
    assert len(results.trials) == 1
    with pytest.raises(UserError, match="no trial has completed"):
        _ = results.best_policy


def test_importing_the_package_alone_imports_nothing_heavy() -> None:
    heavy = {"numpy", "torch", "pandas", "matplotlib", "scipy"}
    code = f"import sys, ghm; assert not {heavy} & set(sys.modules); assert callable(ghm.load_results)"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ghm.nothing


def test_the_example_runs_as_documented(
    studied: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["read_results.py", str(studied.path.parent)])
    runpy.run_path(str(ROOT / "examples" / "read_results.py"), run_name="__main__")
    shown = capsys.readouterr().out
    assert "lr_policy" in shown
    assert "cash 0.05" in shown


@pytest.fixture(scope="module")
def exported(studied: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("paper") / "figures"
    with no_search_for_room():
        export(studied.path, directory)
    return directory


@contextlib.contextmanager
def no_search_for_room() -> Iterator[None]:
    """Fails where a legend has no fixed place."""

    def search(*_: object) -> None:
        raise AssertionError("a legend has no fixed place")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matplotlib.legend.Legend._find_best_position", search)
        yield


def test_figures_are_pdf_and_png(exported: Path) -> None:
    names = ("learning_curves", "hyperparameters", "importance", "policy", "value", "paths")
    assert {file.stem for file in exported.glob("*.pdf")} == set(names)
    for name in names:
        assert (exported / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        image = Image.open(exported / f"{name}.png").convert("L")
        assert image.width == 1890, "6.3 inches at 300 dots an inch"
        assert np.asarray(image).std() > 10, f"{name} is blank"


def test_all_trials_are_one_csv_whose_columns_are_described(exported: Path, studied: Made) -> None:
    frame = pd.read_csv(exported / "trials.csv")
    expected = ghm.load_results(studied.path).trials
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)
    readme = (exported / "README.md").read_text()
    for column in frame.columns:
        assert f"| `{column}` |" in readme
    for file in exported.iterdir():
        assert f"`{file.name}`" in readme or file.name == "README.md"


def test_tables_say_the_same_in_latex_and_csv(exported: Path) -> None:
    rows = list(csv.reader(io.StringIO((exported / "leaderboard.csv").read_text())))
    assert len(rows) == 11, "the ten best, and the heads"
    latex = (exported / "leaderboard.tex").read_text()
    body = latex.split("\\midrule\n")[1].split("    \\bottomrule")[0]
    cells = [[cell.strip() for cell in line.strip().removesuffix(" \\\\").split(" & ")] for line in body.splitlines()]
    heads = latex.split("\\toprule\n")[1].split(" \\\\")[0].split(" & ")
    shown, plain = (names.index("Captured value") for names in ([head.strip() for head in heads], rows[0]))
    # For people a percentage, for programs a number.
    assert [row[shown] for row in cells] == [escape(f"{100 * float(row[plain]):.1f}%") for row in rows[1:]]
    for word in ("\\toprule", "\\midrule", "\\bottomrule", "\\caption{", "\\label{tab:leaderboard}"):
        assert latex.count(word) == 1
    assert latex.count("{") == latex.count("}")


def test_latex_specials_are_escaped() -> None:
    text = r"50% & $x_1$ #2 {a} ~b^c \end{document}"
    table = Table(text, (Column(text), Column("n", True)), ((Cell(text), Cell("1")),))
    latex = as_latex(table, "tab:x")
    assert (
        latex.count(r"50\% \& \$x\_1\$ \#2 \{a\} \textasciitilde{}b\textasciicircum{}c \textbackslash{}end\{document\}")
        == 3
    )
    assert r"\end{document}" not in latex.replace(r"\textbackslash{}end\{document\}", "")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine; the text is checked above")
def test_tables_compile(exported: Path, tmp_path: Path) -> None:
    tables = "\n".join(f"\\input{{{file}}}" for file in sorted(exported.glob("*.tex")))
    head = "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
    (tmp_path / "paper.tex").write_text(f"{head}{tables}\n\\end{{document}}")
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    "failures", [{}, {1: ("diverged", "NaN"), 2: ("crashed", "x")}], ids=["none finished", "all failed"]
)
def test_a_search_without_success_exports_what_it_has(tmp_path: Path, failures: dict[int, tuple[str, str]]) -> None:
    made = make_search(tmp_path / "s", 2, failures=failures, unfinished=[] if failures else [1, 2])
    files = {file.name for file in export(made.path, tmp_path / "out")}
    expected = {"trials.csv", "README.md", "failures.csv", "failures.tex"} | (
        {"configurations.csv"} if failures else set()
    )
    assert expected == files - {"trials.parquet", "study.db"}
    assert len(pd.read_csv(tmp_path / "out" / "trials.csv")) == 2


def test_the_exported_study_is_that_of_the_search(exported: Path, studied: Made) -> None:
    optuna = pytest.importorskip("optuna")
    storage = f"sqlite:///{exported / 'study.db'}"
    (summary,) = optuna.get_all_study_summaries(storage)
    study = optuna.load_study(study_name=summary.study_name, storage=storage)
    ours = ghm.load_results(studied.path.parent).to_optuna()
    assert study.study_name == ours.study_name
    assert [(one.params, one.values, one.intermediate_values) for one in study.trials] == [
        (one.params, one.values, one.intermediate_values) for one in ours.trials
    ]


def test_files_of_the_users_are_not_written_over(tmp_path: Path) -> None:
    """Refused before anything is written; an export over an export is renewed."""
    made = make_search(tmp_path / "s", 1, failures={1: ("diverged", "NaN")})
    paper = tmp_path / "paper"
    export(made.path, paper)
    (paper / "trials.csv").write_text("damaged")
    export(made.path, paper)
    assert (paper / "trials.csv").read_text() != "damaged"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "README.md").write_text("# My paper")
    (mine / "other.tex").write_text("mine")
    with pytest.raises(UserError, match=r"mine: README.md there was not written by an export"):
        export(made.path, mine)
    assert {file.name for file in mine.iterdir()} == {"README.md", "other.tex"}
    (mine / "README.md").unlink()
    export(made.path, mine)
    assert (mine / "other.tex").read_text() == "mine"


def test_an_export_that_was_cut_short_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_search(tmp_path / "s", 1, failures={1: ("diverged", "NaN")})
    written = []

    def full(path: Path, content: bytes) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path.name)
        path.write_bytes(content)

    monkeypatch.setattr("ghm.report.export.write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        export(made.path, tmp_path / "out")
    monkeypatch.undo()
    assert {file.name for file in export(made.path, tmp_path / "out")} == {
        file.name for file in (tmp_path / "out").iterdir()
    }


class TestCommand:
    def test_page_and_export(self, studied: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([str(studied.path), "--output", str(tmp_path / "page.html")]) == 0
        assert f"Report: {tmp_path / 'page.html'}" in capsys.readouterr().out
        assert (tmp_path / "page.html").is_file()

    @pytest.mark.parametrize(
        ("arguments", "status", "message"),
        [
            (["nowhere.json"], 2, "cannot be read"),
            (["{results}", "--output", "{tmp}/no/page.html"], 2, "there is no directory"),
            (["{results}", "--output", "a.html", "--export", "b"], 2, "give one of them"),
            (["{tmp}"], 2, "holds no search_results"),
            (["{results}", "--output", "{tmp}"], 2, "is a directory; name a file in it"),
        ],
    )
    def test_mistakes(
        self,
        studied: Made,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        arguments: list[str],
        status: int,
        message: str,
    ) -> None:
        words = [word.format(results=studied.path, tmp=tmp_path) for word in arguments]
        assert main(words) == status
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
        assert not list(tmp_path.iterdir())

    def test_a_page_takes_the_place_of_a_page_alone(
        self, studied: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Not that of a record, whatever it is called."""
        records = [*studied.path.parent.rglob("*.json"), *studied.path.parent.rglob("*.pt")]
        before = {path: path.read_bytes() for path in records}
        assert any(path.suffix == ".pt" for path in records)
        for path in records:
            assert main([str(studied.path), "--output", str(path)]) == 2
            assert "a page's name ends in .html" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in records} == before
        mine = tmp_path / "mine.html"
        mine.write_text("<!DOCTYPE html><p>my own page</p>")
        assert main([str(studied.path), "--output", str(mine)]) == 2
        assert "exists and is no page that this version wrote" in capsys.readouterr().err
        os.mkfifo(tmp_path / "pipe.html")
        assert main([str(studied.path), "--output", str(tmp_path / "pipe.html")]) == 2
        for _ in range(2):
            assert main([str(studied.path), "--output", str(tmp_path / "page.html")]) == 0
        assert b"generator" in (tmp_path / "page.html").read_bytes()

    def test_unknown_flags_are_refused(self, studied: Made) -> None:
        with pytest.raises(SystemExit) as caught:
            main([str(studied.path), "--nonsense"])
        assert caught.value.code == 2


def test_a_results_file_with_strange_values_still_makes_a_frame(tmp_path: Path) -> None:
    made = make_search(tmp_path, 3)
    made.content["results"][0]["hyperparameters"] |= {"lr_policy": None, "extra": {"a": 1}}
    made.content["results"][1]["metrics"] |= {"seconds": "fast"}
    made.content["results"][2]["metrics"] |= {"verdict": 7}
    made.path.write_text(json.dumps(made.content))
    results = ghm.load_results(made.path)
    assert results.trials["status"].tolist() == ["unfinished", "unfinished", "completed"]
    assert list(results.search.damaged) == ["entry 1 of the results", "entry 2 of the results"]
    assert pd.isna(results.trials.loc[2, "verdict"])


def test_figures_are_drawn_without_a_search_for_room(exported: Path) -> None:
    """Looking for a legend's best place among a map's points takes seconds, and Matplotlib warns the user of it."""
    assert len(list(exported.glob("*.png"))) > 3
    figure = Figure()  # the fixture's trap works
    figure.subplots().plot([0, 1], label="a line")
    figure.axes[0].legend()
    with pytest.raises(AssertionError, match="no fixed place"), no_search_for_room():
        FigureCanvasAgg(figure).draw()
