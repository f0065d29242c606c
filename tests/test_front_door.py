"""What ``import ghm`` offers, how light it stays, and where it refuses to run."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cli.commands import assert_refused, run
from installation.lowest import lowest

import ghm
from ghm.io import platforms
from ghm.io.platforms import ExitStatus
from ghm.search.backends import process_identity

ROOT = Path(__file__).resolve().parents[1]


def test_everything_offered_is_there_and_listed():
    assert {"load_results", "solve", "evaluate", "GHMModel", "UserError", "__version__"} <= set(dir(ghm))
    for name in ghm.__all__:
        assert getattr(ghm, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'slove'"):
        ghm.slove  # noqa: B018


def test_importing_it_imports_nothing_heavy():
    code = "import ghm, sys; print(ghm.__version__, [m for m in ('numpy', 'torch', 'numba', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{ghm.__version__} []\n"


def test_version_is_one():
    assert run("--version").output == f"ghm {ghm.__version__}\n"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]  # the package's own is the only place
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "ghm.__version__"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_its_flags(shell):
    script = run("completion", shell).output
    for word in (
        "train",
        "search",
        "solve",
        "evaluate",
        "report",
        "replay",
        "explain",
        "n_trials",
        "sweep",
        "model.sigma_x",
        "export",
    ):
        assert word in script


def test_completion_of_other_shells_is_refused():
    assert_refused(run("completion", "cmd"), "one of bash, zsh, fish; received cmd")
    assert_refused(run("completion"), "received none")
    assert "ghm completion bash >" in run("completion", "--help").output


def test_other_platforms_are_refused_before_anything_else(monkeypatch):
    monkeypatch.setattr(platforms.sys, "platform", "win32")
    for words in (("--version",), ("search", "--help"), ()):
        assert_refused(run(*words), "ghm runs on Linux and macOS; this system is Windows", "WSL")


def test_other_posix_systems_run_and_are_told_once_that_nobody_has_tested_there(monkeypatch, tmp_path):
    search = ("search", "--dry_run", "--results_dir", tmp_path / "r")
    assert "tested on" not in run(*search).output
    monkeypatch.setattr(platforms.sys, "platform", "darwin")
    monkeypatch.delattr(platforms.os, "sched_getaffinity")
    said = run(*search)
    assert (said.status, said.output.count("tested on Linux, not on this system (darwin)")) == (0, 1)
    assert platforms.usable_cores() == os.cpu_count()


def test_processes_are_told_apart_without_proc(monkeypatch):
    """As on macOS: one that runs, one that has ended but was not fetched, one that never was."""
    monkeypatch.setattr(process_identity.sys, "platform", "darwin")
    own = process_identity.this_process()
    assert own.here
    assert not own.dead
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    for pid in (ended.pid, 2**22 + 1):
        assert dataclasses.replace(own, pid=pid).dead
    ended.wait()


def test_lower_ends_of_the_ranges():
    text = (ROOT / "pyproject.toml").read_text()
    found = dict(line.split("==") for line in lowest(text))
    assert found["numpy"] in text
    assert {"torch", "numba", "tyro", "gymnasium", "optuna", "distributed", "pyarrow"} <= found.keys()
    with pytest.raises(ValueError, match="'numpy' has no lower end"):
        lowest(text.replace('"numpy>=', '"numpy", "more>='))


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "ghm", "search", "--help"],
        [sys.executable, "-m", "ghm", "--help"],
        [sys.executable, str(ROOT / "scripts" / "hyperparameter_search.py"), "--help"],
        [sys.executable, str(ROOT / "scripts" / "train_monte_carlo_ghm_time_augmented.py"), "--help"],
    ],
    ids=["ghm search", "ghm", "search script", "training script"],
)
def test_a_reader_that_has_had_enough_gets_no_complaint(command):
    """As `| head -1` does, at the worst moment: nobody reads any more when the first word is written."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (platforms.ExitStatus.BROKEN_PIPE, "")


def program(body, output):
    """A program of ours, run, whose main function is ``body`` and whose output goes there."""
    code = f"import sys\nfrom ghm.io.platforms import run_program\ndef main():\n    {body}\nsys.exit(run_program(main))"
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with output.open("w") as file:
        return subprocess.run(
            [sys.executable, "-c", code], stdout=file, stderr=subprocess.PIPE, text=True, env=buffered, check=False
        )


def test_a_full_disk_and_a_crash_keep_their_status():
    """What cannot be printed any more hides neither how a program ended nor that it has a defect."""
    programs = {
        "print(1); return 6": 6,
        "print(1); raise SystemExit(2)": 2,
        "print(1); raise RuntimeError('a defect')": 1,
    }
    for body, status in programs.items():
        done = program(body, Path("/dev/full"))
        assert ("a defect" in done.stderr) == ("defect" in body)
        if "defect" not in body:
            assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize("body", ["print(1)", "print(1, flush=True)"], ids=["at its end", "in its middle"])
def test_a_full_disk_under_what_is_printed_is_said_in_a_line(body):
    done = program(f"{body}; return 0", Path("/dev/full"))
    assert (done.returncode, done.stderr.count("\n")) == (platforms.ExitStatus.INFRASTRUCTURE, 1)
    assert "no space left on the device" in done.stderr


def test_ctrl_c_ends_any_command_without_a_traceback():
    for output in (os.devnull, "/dev/full"):
        done = program("print(1); raise KeyboardInterrupt", Path(output))
        assert (done.returncode, done.stderr) == (platforms.ExitStatus.KEYBOARD, "")


@pytest.mark.parametrize("ends", [True, False])
def test_only_a_program_that_ends_is_deaf_after_a_stop(ends):
    """A process that lives on has its signals back; one within another does not make the outer one hear again."""
    before = signal.getsignal(signal.SIGTERM)

    def stopped():
        platforms.run_program(lambda: 0)
        platforms.put_back({signal.SIGTERM: before, signal.SIGINT: before}, stopped=True)
        return 4

    try:
        assert platforms.run_program(stopped, ends=ends) == 4
        assert signal.getsignal(signal.SIGTERM) == (signal.SIG_IGN if ends else before)
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_an_ascii_terminal_gets_every_help_text(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    command = [sys.executable, "-m", "ghm", "solve", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "c\\u0304" in done.stdout


def test_exit_statuses_are_those_of_the_documentation() -> None:
    """Scripts of users go by them: each number with the first word of its meaning, and no other number up to 8."""
    page = (ROOT / "docs/design/records.md").read_text().partition("## Exit statuses")[2].partition("\n## ")[0]
    said = {int(number): meaning for number, meaning in re.findall(r"^\| (\d+) \| ([a-z' ]+)", page, re.MULTILINE)}
    first = {
        ExitStatus.COMPLETED: "completed", ExitStatus.FAILED: "crashed", ExitStatus.USER_ERROR: "the user",
        ExitStatus.DIVERGED: "diverged", ExitStatus.INTERRUPTED: "interrupted", ExitStatus.OUT_OF_MEMORY: "out of memory",
        ExitStatus.INFRASTRUCTURE: "infrastructure", ExitStatus.PAUSED: "paused", ExitStatus.UNUSABLE_CHECKPOINT: "in a search",
    }  # fmt: skip
    assert said.keys() == {int(status) for status in first}
    for status, words in first.items():
        assert said[int(status)].startswith(words), status
    assert {*ExitStatus} - {*first} == {ExitStatus.KEYBOARD, ExitStatus.BROKEN_PIPE}
    assert (int(ExitStatus.KEYBOARD), int(ExitStatus.BROKEN_PIPE)) == (128 + signal.SIGINT, 128 + signal.SIGPIPE)
