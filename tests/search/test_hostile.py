"""Bad command lines, files and environments: one clear message, exit status 2, nothing half-written."""

import errno
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ghm.errors import UserError
from ghm.io.sealed import write_sealed
from ghm.search import HyperparameterSearch, SearchConfig, SearchSpace
from ghm.search.display.page_writer import ReportRefresher
from ghm.search.records.reader import read_search
from ghm.training.settings import TrainConfig
from tests.search.instant import INSTANT
from tests.search.support import no_solver, read, results_file, run_search

Edit = Callable[[dict[str, Any]], Any]

# Flags, and what the one message must name: the flag, the value received, the remedy or the bound.
COMMAND_LINES: list[tuple[str, str]] = [
    ("--no_such_flag 3", r"--no_such_flag"),
    ("--n_trial 3", r"--n_trial\b"),
    ("stray", r"stray"),
    ("--n_trials", r"--n_trials"),
    ("--n_trials 0", r"--n_trials must be a whole number >= 1.*received 0"),
    ("--n_trials -5", r"--n_trials"),
    ("--n_trials 1e3", r"--n_trials.*1e3"),
    ("--n_trials 99999999999", r"--n_trials.*<= 1000000.*99999999999"),
    ("--n_trials many", r"--n_trials.*many"),
    ("--n_iterations 0", r"--n_iterations must be a whole number >= 1 and <= \d+; received 0"),
    ("--n_iterations 2.5", r"--n_iterations.*2\.5"),
    ("--n_workers 0", r"--n_workers must be a whole number >= 1.*received 0"),
    ("--n_workers -1", r"--n_workers"),
    ("--n_workers 100000", r"--n_workers.*<= 1024; received 100000"),
    ("--T 1 --dt 0.3", r"T must be a whole multiple of dt; received T=1, dt=0\.3; try T=0\.9"),
    ("--dt 0", r"dt must be a finite number > 0; received 0"),
    ("--dt -0.01", r"dt must be a finite number > 0; received -0\.01"),
    ("--dt nan", r"dt must be a finite number > 0; received nan"),
    ("--dt 1e-300", r"T/dt = .* time steps are more than 1,000,000; raise dt or lower T"),
    ("--T inf", r"T must be a finite number > 0; received inf"),
    ("--T 0", r"T must be a finite number > 0; received 0"),
    ("--T 0.001", r"T must be a whole multiple"),
    ("--seed_base -1", r"--seed_base must be a whole number >= 0.*received -1"),
    ("--seed_base 99999999999999999999", r"--seed_base.*99999999999999999999"),
    ("--seed_base x", r"--seed_base.*x"),
    ("--device tpu", r"--device.*cpu.*cuda"),
    ("--device cuda", r"--device cuda: PyTorch finds no GPU on this machine; use --device cpu"),
    ("--search_type bayes", r"--search_type.*random.*grid"),
    ("--log_freq 0", r"--log_freq must be a whole number >= 1 and <= \d+; received 0"),
    ("--eval_freq 0", r"--eval_freq must be a whole number >= 1 and <= \d+; received 0"),
    ("--ckpt_freq -3", r"--ckpt_freq"),
    ("--keep_checkpoints 0", r"--keep_checkpoints must be a whole number >= 1 and <= \d+; received 0"),
    ("--trial_timeout 0", r"--trial_timeout must be a finite number > 0; received 0"),
    ("--trial_timeout soon", r"--trial_timeout.*soon"),
    ("--max_retries -1", r"--max_retries"),
    ("--max_retries 1000", r"--max_retries.*<= 100; received 1000"),
    ("--retry_failed", r"--retry_failed needs --resume"),
    ("--allow_drift", r"--allow_drift needs --resume"),
    ("--estimator best", r"--estimator.*conditional"),
    ("--terminal never", r"--terminal.*liquidation"),
    ("--n_threads 0", r"--n_threads must be a whole number >= 1 and <= \d+; received 0"),
    ("--progress loud", r"--progress.*plain"),
    ("--model.r 0.005", r"r - mu.*must be >= 1e-09; received -0\.005"),
    ("--model.sigma_x -1", r"sigma_x must be >= 0; received -1"),
    ("--model.sigma_x 0 --model.sigma_a 0", r"sigma_a and sigma_x must be not both 0"),
    ("--model.rho 2", r"rho must be between -1 and 1; received 2"),
    ("--model.proportional_cost 0.5", r"proportional_cost must be >= 1; received 0\.5"),
    ("--model.fixed_cost -1", r"fixed_cost must be >= 0; received -1"),
    ("--model.recovery nan", r"recovery must be a finite number; received nan"),
    ("--model.c_max 0", r"c_max must be > 0; received 0"),
    ("--model.zeta 1", r"--model.zeta"),
    ("--resume nowhere.json", r"--resume nowhere\.json: No such file or directory"),
    ("--resume .", r"--resume \.: no search there"),
    ("--resume /dev/null", r"--resume /dev/null: not a regular file"),
    ("--space nowhere.json", r"--space nowhere\.json: No such file"),
    ("--space .", r"--space \.: the file is not a regular file"),
    ("--results_dir /proc/nowhere", r"--results_dir /proc/nowhere cannot be written.*choose another directory"),
    ("--results_dir /dev/null/r", r"--results_dir /dev/null/r cannot be written"),
    ("--results_dir loop/r", r"--results_dir loop/r (is no usable path|cannot be written)"),
    ("--results_dir " + "x" * 300, r"--results_dir .*x+ cannot be written \(File name too long"),
]

# Contents of a --space file.
SPACES: list[tuple[str, str]] = [
    ("", r"not JSON"),
    ("{", r"not JSON"),
    ("[" * 100_000, r"not JSON"),
    ("[1, 2]", r"must map hyperparameters to lists or ranges; received \[1, 2\]"),
    ("null", r"must map hyperparameters to lists or ranges"),
    ('{"lr_policy": []}', r"lr_policy must hold 1 to 10000 values; received a list of 0"),
    ('{"lr_policy": 0.001}', r"lr_policy must be a list of values, or a range; received 0\.001"),
    ('{"lr_policy": [-0.001]}', r"lr_policy must be a finite number > 0; received -0\.001"),
    ('{"lr_policy": [NaN]}', r"not JSON"),
    ('{"lr_policy": [1e999]}', r"not JSON"),
    ('{"lr_policy": [1' + "0" * 400 + "]}", r"a whole number beyond"),
    ('{"lr_policy": ["__import__(\'os\')"]}', r"lr_policy must be a finite number"),
    ('{"lr_policy": [true]}', r"lr_policy must be a finite number > 0; received True"),
    ('{"lr_policy": [0.001, 0.001]}', r"lr_policy holds a value twice"),
    ('{"lr_polcy": [0.001]}', r"no 'lr_polcy' \(did you mean 'lr_policy'\?\)"),
    ('{"n_trajectories": [0]}', r"n_trajectories must be a whole number >= 1 and <= 1000000; received 0"),
    ('{"n_trajectories": [2.5]}', r"n_trajectories must be a whole number >= 1 and <= 1000000; received 2\.5"),
    ('{"policy_hidden": [[0]]}', r"policy_hidden must be a whole number >= 1.*received 0"),
    ('{"policy_hidden": [[]]}', r"policy_hidden must be 1 to 16 layer widths"),
    ('{"policy_hidden": [64]}', r"policy_hidden must be 1 to 16 layer widths.*received 64"),
    ('{"policy_hidden": [[100000]]}', r"policy_hidden.*<= 8192; received 100000"),
    ('{"value_hidden": [["64"]]}', r"value_hidden must be a whole number >= 1.*received '64'"),
    ('{"entropy_weight": [-1]}', r"entropy_weight must be a finite number >= 0; received -1"),
    ('{"max_grad_norm": [0]}', r"max_grad_norm must be a finite number > 0; received 0"),
    ('{"lr_policy": ' + json.dumps(list(range(1, 20_000))) + "}", r"lr_policy must hold 1 to 10000 values"),
    (" " * 2_000_000, r"the file is larger than 1000000 bytes"),
]

# Results files that are not JSON, or no search's.
FILES: list[tuple[bytes, str]] = [
    (b"", r"not JSON"),
    (b"\x80\x02}q\x00.", r"not JSON"),
    (b"\xff\xfe{}", r"not JSON"),
    (b"[]", r"a JSON list, not an object"),
    (b"{}", r"does not match its seal"),
    (b'{"best_return": NaN}', r"not JSON"),
    (b'{"search_config": {}, "results": []}', r"does not match its seal"),
    (b'{"a":' * 50_000, r"not JSON"),
    (b'{"n": 1' + b"0" * 10_000 + b"}", r"not JSON|seal"),
]

# Results files with a good seal, as someone who means harm would make them.
FORGERIES: list[tuple[str, Edit, str]] = [
    ("no settings", lambda r: r.pop("search_config"), r"not a search's results: it lacks search_config"),
    ("other format", lambda r: r.update(format=99), r"format '99'; this version reads format 1"),
    ("name that climbs", lambda r: r.update(search="../../etc/x"), r"the search's name is '\.\./\.\./etc/x'"),
    ("settings are a list", lambda r: r.update(search_config=[]), r"settings must be a mapping; received list"),
    ("unknown setting", lambda r: r["search_config"].update(evil=1), r"unknown settings \['evil'\]"),
    ("text for a number", lambda r: r["search_config"].update(n_trials="20"), r"--n_trials.*received '20'"),
    ("truth for a number", lambda r: r["search_config"].update(n_workers=True), r"--n_workers.*received True"),
    ("huge", lambda r: r["search_config"].update(n_trials=10**9), r"--n_trials.*<= 1000000"),
    ("beyond counting", lambda r: r["search_config"].update(n_trials=10**30), r"a whole number beyond"),
    ("list for a choice", lambda r: r["search_config"].update(device=["cpu"]), r"--device must be one of"),
    ("number for a path", lambda r: r["search_config"].update(results_dir=3), r"--results_dir must be a path"),
    ("model of text", lambda r: r["search_config"].update(model="x"), r"model must be a mapping"),
    ("model incomplete", lambda r: r["search_config"]["model"].pop("rho"), r"model parameters must be exactly"),
    ("model out of range", lambda r: r["search_config"]["model"].update(rho=9), r"rho must be between -1 and 1"),
    ("space of text", lambda r: r.update(search_space="x"), r"must map hyperparameters to lists or ranges"),
    ("space emptied", lambda r: r["search_space"].update(lr_policy=[]), r"lr_policy must hold 1 to 10000"),
    ("space nested", lambda r: r["search_space"].update(lr_policy=[{}]), r"lr_policy must be a finite number"),
    ("code of numbers", lambda r: r.update(code={"ghm": 1}), r"code must map names to versions"),
    ("drift of text", lambda r: r.update(drift="x"), r"environment or drift has the wrong type"),
]


def refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], **options: Any) -> None:
    """The command exits with 2 and one message that says ``message``, with no traceback and no file written."""
    before = sorted(Path().rglob("*"))
    try:
        status = run_search(*arguments, **INSTANT | options)
    except SystemExit as leave:
        status = leave.code
    printed = capsys.readouterr()
    # Tyro frames its messages and breaks their lines.
    said = re.sub(r"\s+", " ", re.sub(r"[│╭╮╰╯─]", " ", printed.err))
    assert status == 2, said
    assert re.search(message, said), said
    assert "Traceback" not in said
    assert printed.out == ""
    assert sorted(Path().rglob("*")) == before


def test_the_table_is_long_enough() -> None:
    assert len(COMMAND_LINES) + len(SPACES) + len(FILES) + len(FORGERIES) >= 100


@pytest.mark.parametrize(("flags", "message"), COMMAND_LINES)
def test_bad_command_lines(
    flags: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ghm.search.trials.gpus.visible_gpus", list)
    monkeypatch.setenv("COLUMNS", "400")
    Path("loop").symlink_to("loop")
    refused(flags.split(" "), message, capsys)


@pytest.mark.parametrize(("content", "message"), SPACES, ids=lambda value: str(value)[:30])
def test_bad_space_files(content: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("space.json").write_text(content)
    refused(["--space", "space.json"], message, capsys)


@pytest.mark.parametrize(("content", "message"), FILES, ids=lambda value: str(value)[:30])
def test_files_that_are_no_results(content: bytes, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("search_results_20231215-143022.json").write_bytes(content)
    refused(["--resume", "search_results_20231215-143022.json"], message, capsys)
    refused(["--resume", "."], "no search there", capsys)


@pytest.mark.parametrize(("edit", "message"), [f[1:] for f in FORGERIES], ids=[f[0] for f in FORGERIES])
def test_forged_results(edit: Edit, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_search("--n_trials", 1, "--results_dir", "r", "--progress", "none", **INSTANT)
    capsys.readouterr()
    content = read(Path("r"))
    del content["sha256"]
    edit(content)
    Path("forged").mkdir()
    write_sealed(Path("forged") / results_file(Path("r")).name, content)
    refused(["--resume", f"forged/{results_file(Path('r')).name}"], message, capsys)


ENTRIES: list[tuple[str, Edit]] = [
    ("number below 1", lambda e: e.update(trial_num=-1)),
    ("number beyond all", lambda e: e.update(trial_num=10**12)),
    ("no metrics", lambda e: e.pop("metrics")),
    ("metrics nested", lambda e: e["metrics"].update(verdict={"a": []})),
    ("unknown status", lambda e: e["metrics"].update(status="won")),
    ("hyperparameter of text", lambda e: e["hyperparameters"].update(lr_policy="x")),
    ("endless text", lambda e: e["metrics"].update(verdict="x" * 10**6)),
    ("an entry that is a list", lambda e: e.clear()),
]


@pytest.mark.parametrize("edit", [edit for _, edit in ENTRIES], ids=[name for name, _ in ENTRIES])
def test_forged_entries_are_dropped_and_their_trials_run(edit: Edit, tmp_path: Path) -> None:
    run_search("--n_trials", 2, "--results_dir", "r", "--progress", "none", **INSTANT)
    good = read(Path("r"))
    content = read(Path("r"))
    del content["sha256"]
    edit(content["results"][0])
    Path("forged").mkdir()
    write_sealed(Path("forged") / results_file(Path("r")).name, content)
    assert run_search("--resume", "forged", "--progress", "none", **INSTANT) == 0
    assert read(Path("forged"))["results"] == good["results"]


def test_a_grid_beyond_counting_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    many = {name: [value / 1000 for value in range(1, 2000)] for name in ("lr_policy", "lr_baseline", "max_grad_norm")}
    Path("space.json").write_text(json.dumps(many))
    refused(["--search_type", "grid", "--space", "space.json"], r"more than 1,000,000", capsys)


def test_a_space_with_a_misspelt_list_is_refused() -> None:
    with pytest.raises(UserError, match=r"no 'lr_polcy' \(did you mean 'lr_policy'"):
        SearchSpace().lr_polcy = [1e-3]  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_read_only_directory_is_refused(
    code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions do not bind the superuser, so the refusal is the system call's, whoever runs this."""
    Path("r").mkdir()
    original = os.open

    def read_only(path: Any, flags: int, *mode: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(code, os.strerror(code), str(path))
        return original(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", read_only)
    refused(["--results_dir", "r"], rf"--results_dir .*r cannot be written \({os.strerror(code)}", capsys)


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may write anywhere")
def test_a_directory_without_permission_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r").mkdir(mode=0o500)
    refused(["--results_dir", "r"], r"--results_dir .*r cannot be written \(Permission denied", capsys)


def test_a_results_directory_that_is_a_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r").write_text("notes")
    refused(["--results_dir", "r"], r"--results_dir .*r cannot be written", capsys)
    assert Path("r").read_text() == "notes"


def test_results_dir_elsewhere_than_the_resumed_search(capsys: pytest.CaptureFixture[str]) -> None:
    run_search("--n_trials", 1, "--results_dir", "r", "--progress", "none", **INSTANT)
    capsys.readouterr()
    refused(["--resume", "r", "--results_dir", "s"], r"--results_dir s is not where the search to --resume is", capsys)


ENVIRONMENTS = [
    {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "1", "HOME": "/nowhere", "PATH": ""},
    {"OMP_NUM_THREADS": "many", "CUDA_VISIBLE_DEVICES": "none,of,these"},
    {"PYTHONOPTIMIZE": "2"},
]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: " ".join(f"{k}={v}" for k, v in e.items()))
def test_the_real_script_in_odd_environments(environment: dict[str, str], tmp_path: Path) -> None:
    """As a process of its own: a message, a plan, a non-ASCII path."""
    script = Path(__file__).parents[2] / "scripts/hyperparameter_search.py"
    for arguments, status in ((["--n_workers", "0"], 2), (["--dry_run", "--results_dir", "Ω é"], 0)):
        done = subprocess.run(
            [sys.executable, str(script), *arguments], env=os.environ | environment, capture_output=True, cwd=tmp_path
        )
        assert done.returncode == status, done.stderr
        assert b"Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: HyperparameterSearch(SearchConfig(), SearchSpace()),
            "space must be a SearchSpace; received a SearchConfig",
        ),
        (lambda: HyperparameterSearch(None, {"n_trials": 3}), "config must be a SearchConfig; received a dict"),
        (lambda: HyperparameterSearch({"lr_policy": [1e-3]}), r"write SearchSpace\.from_dict"),
        (lambda: SearchConfig(results_dir=3), "--results_dir must be a path; received 3"),
        (lambda: SearchConfig(model={"rho": 0.1}), "model must be a ghm.GHMModel; received dict"),
        (lambda: SearchConfig(results_dir=os.fsdecode(b"caf\xe9")), r"--results_dir must be a path in UTF-8"),
        (lambda: TrainConfig(ckpt_dir=os.fsdecode(b"caf\xe9")), r"--ckpt_dir must be a path in UTF-8"),
    ],
)
def test_wrong_arguments_in_python_get_a_message(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_paths_may_be_texts() -> None:
    assert SearchConfig(results_dir="r").results_dir == Path("r")
    assert TrainConfig(ckpt_dir="c").result_path == Path("result.json")


def test_a_directory_whose_name_is_not_utf8_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    odd.mkdir()
    monkeypatch.chdir(odd)
    assert run_search("--n_trials", 1, "--results_dir", "r", **INSTANT) == 2
    assert "must be a path in UTF-8" in capsys.readouterr().err
    assert list(odd.iterdir()) == []
    with pytest.raises(UserError, match="UTF-8"):
        read_search(odd)


def test_other_systems_are_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    refused(["--n_trials", "1"], "this system is Windows", capsys)


def test_run_without_observers_says_what_happens_and_writes_the_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = "import pathlib, sys; pathlib.Path(sys.argv[1]).with_name('report.html').touch()"
    quick = functools.partial(ReportRefresher, command=(sys.executable, "-c", write))
    monkeypatch.setattr("ghm.search.search.ReportRefresher", quick)
    config = SearchConfig(n_trials=1, n_iterations=4, results_dir="r")
    HyperparameterSearch(None, config, solve=no_solver, **INSTANT).run()
    printed = capsys.readouterr().out
    assert "[Trial 1] Starting training..." in printed
    assert "Report: " in printed
    assert Path("r/report.html").exists()
