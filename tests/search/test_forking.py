"""Trials that are forked from a warm process (`ghm.training.server`): everything that holds of one started from nothing."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ghm.search.records.lock import locked
from ghm.search.settings.command import training_command
from ghm.search.trials import forking
from ghm.search.trials import process as process_module
from ghm.search.trials.forking import ForkedProcess, ForkServer, starter
from ghm.search.trials.process import TrialProcess, trial_environment
from ghm.training.checkpoints.stored import read_checkpoint

ROOT = Path(__file__).parents[2]

# Of one wait; preparing compiles in a new checkout.
LIMIT_S = 300.0


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    made = ForkServer()
    yield made
    made.close()


BARE = "tests.search.bare_server"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServer]:
    """One that may be killed, since another one starts at once: it prepares nothing."""
    monkeypatch.setattr(forking, "SERVER", BARE)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = ForkServer()
    yield made
    made.close()


def begin(server: ForkServer, directory: Path, code: str, *arguments: str, **environment: str) -> TrialProcess:
    """A trial that runs ``code``; what it says is appended to files ``out`` and ``err`` of ``directory``."""
    script = directory / "script.py"
    script.write_text(textwrap.dedent(code))
    with (directory / "out").open("ab") as out, (directory / "err").open("ab") as err:
        return server(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=trial_environment(1, None) | environment,
            start_new_session=True,
        )


def run(server: ForkServer, directory: Path, code: str, *arguments: str, **environment: str) -> int:
    process = begin(server, directory, code, *arguments, **environment)
    assert isinstance(process, ForkedProcess)
    return process.wait(LIMIT_S)


def wait_for(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


SELF = """
    import json, os, signal, sys, threading
    print(json.dumps({
        "parent": os.getppid(),
        "leads": [os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid()],
        "command": open("/proc/self/cmdline").read().rstrip(" \\0").split("\\0"),
        "arguments": sys.argv,
        "name": __name__,
        "input": sys.stdin.read(),
        "open": sorted(int(one) for one in os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "told": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "variables": len(os.environ),
        "deaf": [one.name for one in signal.valid_signals() if signal.getsignal(one) == signal.SIG_IGN],
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "directory": os.getcwd(),
        "imported": "torch" in sys.modules,
    }))
"""


def test_a_forked_trial_stands_as_one_that_was_started_from_nothing(server: ForkServer, tmp_path: Path) -> None:
    told = {}
    for name, start in (("forked", server), ("started", subprocess.Popen)):
        directory = tmp_path / name
        directory.mkdir()
        process = begin(start, directory, SELF, "--ckpt_dir", "a b/ü", CUDA_VISIBLE_DEVICES="7")  # type: ignore[arg-type]
        assert process.wait(LIMIT_S) == 0, (directory / "err").read_text()
        told[name] = json.loads((directory / "out").read_text())
        for words in (told[name]["command"], told[name]["arguments"]):
            words.remove(str(directory / "script.py"))
    assert told["forked"].pop("imported")
    assert not told["started"].pop("imported")  # negative control: nothing else is warm
    assert told["forked"] == told["started"]
    assert told["forked"]["parent"] == os.getpid()
    assert told["forked"]["command"] == [sys.executable, "--ckpt_dir", "a b/ü"]


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("pass", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("raise SystemExit('no room')", 1, "no room"),
        ("raise ValueError('of a trial')", 1, "ValueError: of a trial"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
    ],
)
def test_how_it_ended_is_seen(server: ForkServer, tmp_path: Path, code: str, status: int, said: str) -> None:
    assert run(server, tmp_path, code) == status
    assert said in (tmp_path / "err").read_text()


def zombie(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_orphans_of_a_trial_do_not_stay_as_zombies(server: ForkServer, tmp_path: Path) -> None:
    """A killed trial's child is handed to this process; a child of its own is left to whoever waits for it."""
    code = """
        import subprocess, sys
        print(subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE).pid, flush=True)
        import time; time.sleep(600)
    """
    own = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    trial = begin(server, tmp_path, code)
    orphan = int(wait_for(lambda: (tmp_path / "out").read_text().strip()))
    os.kill(trial.pid, signal.SIGKILL)
    assert trial.wait(LIMIT_S) == -signal.SIGKILL
    wait_for(lambda: zombie(orphan) and zombie(own.pid))
    assert run(server, tmp_path, "pass") == 0
    assert not psutil.pid_exists(orphan)
    assert zombie(own.pid)
    assert own.wait(LIMIT_S) == 0


def test_output_is_appended_as_it_is_printed(server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("before\n")
    process = begin(server, tmp_path, "import time; print('now'); time.sleep(600)")
    wait_for(lambda: (tmp_path / "out").read_text() == "before\nnow\n")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(LIMIT_S) == -signal.SIGKILL


def test_a_killed_server_costs_no_trial_and_another_takes_its_place(bare: ForkServer, tmp_path: Path) -> None:
    process = begin(bare, tmp_path, "import os, sys; print('begun'); sys.exit(5 if os.read(0, 1) else 4)")
    assert process.wait(LIMIT_S) == 4
    (tmp_path / "go").unlink(missing_ok=True)
    code = "import os, sys, time\nprint('waits')\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.01)\nsys.exit(7)"
    process = begin(bare, tmp_path, code, str(tmp_path / "go"))
    wait_for(lambda: "waits" in (tmp_path / "out").read_text())
    first = bare.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    (tmp_path / "go").touch()
    assert process.wait(LIMIT_S) == 7
    assert run(bare, tmp_path, "import os; print(os.getppid())") == 0
    assert (tmp_path / "out").read_text().split()[-1] == str(os.getpid())
    assert bare.pid not in (None, first)


def test_a_server_that_stands_still_is_given_up(
    bare: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(bare, tmp_path, "pass") == 0
    first = bare.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    monkeypatch.setattr(forking, "ANSWER_S", 1.0)
    process = begin(bare, tmp_path, "pass")
    assert process.wait(LIMIT_S) == 0
    assert not psutil.pid_exists(first)


SEARCH = """
import os, subprocess, sys, time
from pathlib import Path
from ghm.search.records.lock import locked
from ghm.search.trials import forking
from ghm.search.trials.forking import ForkServer
from ghm.search.trials.process import trial_environment

forking.SERVER = sys.argv[3]
directory, server = Path(sys.argv[1]), ForkServer()
with locked(directory / "results"):
    with (directory / "out").open("ab") as out:
        process = server([sys.executable, sys.argv[2]], stdout=out, stderr=out, env=trial_environment(1, None))
    print(process.pid, server.pid, flush=True)
    time.sleep(600)
"""


def test_a_killed_searchs_server_ends_its_trial_notices_and_its_lock_is_free(tmp_path: Path) -> None:
    script = tmp_path / "trial.py"
    # A trial that does not end by itself: it says whom it belongs to, again and again.
    script.write_text("import os, time\nwhile True:\n    print(os.getppid())\n    time.sleep(0.01)\n")
    command = [sys.executable, "-c", SEARCH, str(tmp_path), str(script), BARE]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as search:
        assert search.stdout is not None
        trial, server = map(psutil.Process, map(int, search.stdout.readline().split()))
        try:
            wait_for(lambda: (tmp_path / "out").read_text().split()[-1:] == [str(search.pid)])
            search.kill()
            search.wait()
            wait_for(lambda: (tmp_path / "out").read_text().split()[-1] != str(search.pid))
            with locked(tmp_path / "results"):
                assert trial.is_running()
            # The orphan may be left to this process, which takes them, and fetches none that it does not know.
            wait_for(lambda: not process_module._lives(server))
        finally:
            trial.kill()


REFUSALS = {
    "threads": (
        "__import__('threading').Thread(target=__import__('threading').Event().wait, daemon=True).start()",
        "the libraries have started 1 threads, which do not survive a fork",
    ),
    "broken": (
        "sys.modules['ghm.training.logging.progress'] = None",
        "the process to fork them from cannot prepare (ModuleNotFoundError: ",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_where_forking_is_unsafe_trials_are_started_from_nothing_and_it_is_said(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    done, said = REFUSALS[name]
    if name == "threads":
        monkeypatch.setattr(forking, "SERVER", BARE)
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nif '{forking.SERVER}' in sys.orig_argv:\n    {done}\n")
    made = ForkServer()
    for _ in range(2):
        places = os.pathsep.join([str(tmp_path), str(ROOT)])
        process = begin(made, tmp_path, "import sys; sys.exit('torch' in sys.modules)", PYTHONPATH=places)
        assert isinstance(process, subprocess.Popen)
        assert process.wait(LIMIT_S) == 0
    assert made.pid is None
    (line,) = capfd.readouterr().err.splitlines()  # once
    assert line.startswith(f"Each trial is started from nothing, which takes seconds: {said}")


def test_what_is_not_forked(tmp_path: Path) -> None:
    one, two = trial_environment(1, None), trial_environment(2, None)
    assert forking.forkable(training_command(), one)
    assert not forking.forkable(training_command(), two)  # libraries start threads
    assert not forking.forkable([*training_command(), "x" * forking.ROOM], one)  # no room to show it
    assert starter(None, subprocess.Popen) is forking.FORK_SERVER
    assert starter(["mine"], subprocess.Popen) is subprocess.Popen  # a command of the user's
    assert starter(None, begin) is begin  # a starter of the caller's


def test_a_fork_of_this_process_has_no_part_in_its_server(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(server, tmp_path, "pass") == 0
    monkeypatch.setattr(forking.FORK_SERVER, "_server", server._server)
    child = os.fork()
    if child == 0:
        os._exit(0 if forking.FORK_SERVER.pid is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert forking.FORK_SERVER.pid == server.pid


TINY = ("--n_iterations", "30", "--eval_freq", "10", "--log_freq", "5", "--n_trajectories", "20", "--progress", "none")
SHORT = ("--T", "0.2", "--dt", "0.02")


def record(directory: Path) -> tuple[list[dict[str, Any]], dict[str, bytes], dict[str, Any]]:
    """What a training left: its history, all in its best checkpoint, its metrics."""
    lines = map(json.loads, (directory / "history.jsonl").read_text().splitlines())
    history = [{key: value for key, value in line.items() if key != "seconds"} for line in lines]
    members = read_checkpoint(directory / "checkpoints/best_model.pt")[1]
    kept = {name: data for name, data in members.items() if name.startswith(("policy/", "data/"))}
    return history, kept, json.loads((directory / "result.json").read_text())["metrics"]


def test_a_forked_training_is_ghm_train_with_the_same_flags_bit_for_bit(server: ForkServer, tmp_path: Path) -> None:
    left = []
    ghm = [str(Path(sys.executable).with_name("ghm")), "train"]
    commands = {"forked": training_command(), "ghm": ghm, "other": training_command()}
    for name, command in commands.items():
        where = ["--ckpt_dir", str(tmp_path / name / "checkpoints"), "--log_dir", str(tmp_path / name / "logs")]
        start: Any = server if name in ("forked", "other") else subprocess.Popen
        process = start(
            [*command, *TINY, *SHORT, *where, "--seed", "2" if name == "other" else "1"],
            stdout=subprocess.DEVNULL if start is subprocess.Popen else (tmp_path / "out").open("wb"),
            stderr=subprocess.DEVNULL if start is subprocess.Popen else (tmp_path / "err").open("wb"),
            env=trial_environment(1, None),
        )
        assert isinstance(process, ForkedProcess if start is server else subprocess.Popen)
        assert process.wait(LIMIT_S) == 0
        left.append(record(tmp_path / name))
    assert left[0] == left[1]
    assert len(left[0][0]) >= 7
    assert "policy/modes.npy" in left[0][1]
    assert left[0] != left[2]  # negative control: another seed
