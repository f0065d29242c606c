"""Trials on executors: the local results, one process a directory, orders that arrive, workers that do not fit."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from ghm.errors import UserError
from ghm.search import HyperparameterSearch, SearchConfig
from ghm.search.backends import preflight as preflight_module
from ghm.search.backends.backend import ExecutorBackend
from ghm.search.backends.heartbeat import Heartbeat, SearchWatch
from ghm.search.backends.lease import LostError
from ghm.search.backends.preflight import Answer, ProbeRequest, probe, prove
from ghm.search.backends.task import Report, Task, run_task
from ghm.search.records.environment import code_version
from ghm.search.settings.space import SearchSpace
from ghm.search.trials.gpus import claimed_gpu
from ghm.search.trials.trial import Trial
from tests.cluster.support import ROOT, cluster, search, trials_of, wait_until
from tests.cluster.twins import run_without_lease
from tests.search.support import STUB, comparable, no_solver, read, run_search
from tests.search.test_faults import check_ledger

distributed = pytest.importorskip("distributed")  # the extra "dask"

SMALL = ("--n_trials", 4, "--n_iterations", 10, "--n_workers", 2, "--progress", "none")

# Trials that last, at half a second an iteration, far longer than what happens to them takes; once iterations take no time
# they are soon over.
LASTING = (*SMALL, "--n_iterations", 60)


def config(results_dir: Path, **settings: Any) -> SearchConfig:
    return SearchConfig(**{"n_trials": 4, "n_iterations": 10, "n_workers": 2, "results_dir": results_dir} | settings)


def searched(results_dir: Path, executor: Executor, **settings: Any) -> Any:
    options: Any = {"command": STUB, "solve": no_solver, "observers": ()}
    return HyperparameterSearch(None, config(results_dir, **settings), executor=executor, **options).run()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("local") / "r"
    assert run_search(*SMALL, "--results_dir", directory) == 0
    return directory


@pytest.fixture
def local(undisturbed: Path) -> dict[str, Any]:
    return comparable(read(undisturbed))


@pytest.fixture(scope="module")
def local_lasting(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("lasting") / "r"
    assert run_search(*LASTING, "--results_dir", directory) == 0
    return comparable(read(directory))


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_gives_the_local_searchs_results_and_stays_open(
    tmp_path: Path, undisturbed: Path, local: dict[str, Any], kind: type[Executor]
) -> None:
    with kind(2) as executor:
        assert searched(tmp_path / "r", executor).exit_status == 0
        assert executor.submit(abs, -3).result() == 3
    assert comparable(read(tmp_path / "r")) == local
    decisions = [(directory / "journal.jsonl").read_bytes() for directory in (tmp_path / "r", undisturbed)]
    assert decisions[0] == decisions[1]


def test_a_cluster_that_the_search_starts_gives_the_local_searchs_results(
    tmp_path: Path, local: dict[str, Any]
) -> None:
    assert run_search(*SMALL, "--results_dir", tmp_path / "r", "--executor", "dask", "--heartbeat", 5) == 0
    assert comparable(read(tmp_path / "r")) == local


class Breaking(Executor):
    """Loses the worker of every first task, as engines do: with an exception of their own; then takes none."""

    def __init__(self, takes: int) -> None:
        self.threads, self.takes, self.seen = ThreadPoolExecutor(1), takes, set[int]()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        if fn is probe:
            return self.threads.submit(fn, *args)
        self.takes -= 1
        if self.takes < 0:
            raise RuntimeError("cannot schedule new futures after shutdown")
        number = args[0].trial.number
        if number in self.seen:
            return self.threads.submit(fn, *args)
        self.seen.add(number)
        future: Future[Any] = Future()
        future.set_exception(ProcessLookupError("worker lost"))
        return future


def test_a_trial_whose_worker_was_lost_is_run_again_and_fails_after_max_retries(
    tmp_path: Path, local: dict[str, Any]
) -> None:
    assert searched(tmp_path / "r", Breaking(100)).exit_status == 0
    assert comparable(read(tmp_path / "r")) == local
    outcome = searched(tmp_path / "none", Breaking(100), max_retries=0)
    assert outcome.exit_status == 1
    assert {(one.status, one.machine_failures) for one in outcome.results.trials} == {("infrastructure", 1)}
    # The machine's failures are tried again on resume.
    assert run_search("--resume", tmp_path / "none", "--progress", "none") == 0
    assert comparable(read(tmp_path / "none")) == local


def test_an_executor_that_takes_no_more_trials_ends_the_search_and_nothing_is_lost(
    tmp_path: Path, local: dict[str, Any]
) -> None:
    with pytest.raises(OSError, match=r"takes no trials.*after shutdown"):
        searched(tmp_path / "r", Breaking(6))
    assert 0 < len(read(tmp_path / "r")["results"]) < 4
    assert run_search("--resume", tmp_path / "r", "--progress", "none") == 0
    assert comparable(read(tmp_path / "r")) == local


def test_what_is_no_executor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="executor must be a Executor; received a str"):
        searched(tmp_path / "r", "dask")  # type: ignore[arg-type]


@contextlib.contextmanager
def a_task(results_dir: Path, tmp_path: Path, step: str = "0.02") -> Any:
    """A task of a search that lives, to be submitted as often as one likes."""
    results_dir.mkdir()
    settings = config(results_dir.resolve())
    steps = HyperparameterSearch(None, settings).resolved().scheduler({}).steps()
    trial = next(one for one in steps if isinstance(one, Trial))
    with Heartbeat(results_dir, 5.0) as signs:
        yield Task(trial, results_dir, signs.token, 5.0, code_version(), command=tuple(STUB))


def run_twice(task: Task, run: Any) -> list[Report]:
    with ProcessPoolExecutor(2) as pool:
        return [future.result() for future in [pool.submit(run, task) for _ in range(2)]]


def test_an_owner_that_lost_its_lease_starts_no_further_attempt(tmp_path: Path) -> None:
    """The next owner ends what the old one left; the old one must not take that for a failure to be tried again."""
    started = []

    class TakenOver:
        """A training that is killed by the next owner of its directory."""

        pid = 2**22 + 1  # beyond the largest process number

        def __init__(self, command: list[str], **_options: Any) -> None:
            started.append(command)

        def wait(self, _timeout: float | None = None) -> int:
            (task.trial.directory / "lease-2.json").touch()
            return -signal.SIGKILL

    with a_task(tmp_path / "r", tmp_path) as a:
        task = dataclasses.replace(a, popen=TakenOver, max_retries=3)
        with pytest.raises(LostError, match="another process has taken it over"):
            run_task(task)
    assert len(started) == 1


def test_two_copies_of_a_task_run_the_trial_once_and_without_the_lease_they_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_STEP_S", "0.05")
    monkeypatch.setenv("STUB_LEDGER", str(tmp_path / "ledger"))
    with a_task(tmp_path / "r", tmp_path) as task:
        first, second = run_twice(task, run_task)
        assert first.outcome is not None
        assert first == second, "the directory says what finished"
        check_ledger(tmp_path / "ledger", n_trials=1)
    monkeypatch.setenv("STUB_LEDGER", str(tmp_path / "twins"))
    with a_task(tmp_path / "twin", tmp_path) as task:
        run_twice(task, run_without_lease)
        with pytest.raises(AssertionError, match="two processes in one directory"):
            check_ledger(tmp_path / "twins", n_trials=1)


async def _forget(address: str, dask_scheduler: Any = None) -> None:
    """On the scheduler: count the worker as lost, as it does with one that it has not heard of for a while."""
    await dask_scheduler.remove_worker(address, stimulus_id="test", close=False)


def given_up_by_the_engine(tmp_path: Path, run: Any, trial_goes_on: bool = True) -> int:
    """A search of one trial on a cluster that gives up its worker, which stands still while the trial goes on.

    The other worker gets the task at once; a trial that stands still, too, is there for as long as the second copy takes to
    start. Returns the search's exit status.
    """
    results_dir, ledger, hurry = tmp_path / "r", tmp_path / "ledger", tmp_path / "hurry"
    environment = os.environ | {"STUB_LEDGER": str(ledger), "STUB_STEP_S": "0.6", "STUB_HURRY": str(hurry)}
    with cluster(tmp_path / "cluster", environment) as made:

        def give_up_a_worker() -> None:
            with distributed.Client(scheduler_file=made.file, set_as_default=False) as client:
                client.wait_for_workers(2)  # without the other one, the first would get its task back
                wait_until(ledger.exists)  # the trial is in its directory
                (trial,) = trials_of(results_dir)
                worker = trial.parent()
                assert worker is not None
                (address,) = [one for one, pid in client.run(os.getpid).items() if pid == worker.pid]
                worker.suspend()
                if not trial_goes_on:
                    trial.suspend()
                try:
                    client.run_on_scheduler(_forget, address)
                    # The second copy waits for the heartbeat, unless it knows no lease.
                    wait_until(lambda: {one.pid for one in trials_of(results_dir)} - {trial.pid})
                    if not trial_goes_on:
                        wait_until(lambda: ledger.read_text().count("\n") > 1)
                finally:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        trial.resume()
                    worker.resume()
                    hurry.touch()

        with ThreadPoolExecutor(1) as thread:
            standing = thread.submit(give_up_a_worker)
            flags = ("--executor", "dask", "--dask_scheduler", made.file, "--heartbeat", 1, "--max_retries", 5)
            status = run_search(*LASTING, "--n_trials", 1, "--results_dir", results_dir, *flags, run=run)
            standing.result()
    return status


def test_an_engine_that_runs_a_task_again_while_its_first_copy_lives(
    tmp_path: Path, local_lasting: dict[str, Any]
) -> None:
    assert given_up_by_the_engine(tmp_path, run_task) == 0
    assert comparable(read(tmp_path / "r"))["results"] == local_lasting["results"][:1]
    check_ledger(tmp_path / "ledger", n_trials=1)
    assert list((tmp_path / "r").glob("trial_*/lease-2.json")), "no task was run again: this tests nothing"


def test_the_ledger_shows_what_that_engine_does_without_the_lease(tmp_path: Path) -> None:
    """Negative control."""
    given_up_by_the_engine(tmp_path, run_without_lease, trial_goes_on=False)
    with pytest.raises(AssertionError, match="two processes in one directory"):
        check_ledger(tmp_path / "ledger", n_trials=1)


def both_under_way(results_dir: Path) -> bool:
    """Whether the first two trials have each done an iteration."""
    return all((results_dir / f"trial_00{number}/checkpoints/latest.pt").exists() for number in (1, 2))


def interrupted(results_dir: Path) -> list[int]:
    """Iterations that the first two trials had done when they were interrupted, as their workers recorded it."""
    paths = [results_dir / f"trial_00{number}/outcome.json" for number in (1, 2)]
    wait_until(lambda: all(path.exists() for path in paths))
    kept = [json.loads(path.read_text())["metrics"] for path in paths]
    assert [one["status"] for one in kept] == ["interrupted", "interrupted"]
    return [one["iterations"] for one in kept]


def test_stop_and_loss_of_the_search_reach_trials_on_workers(
    tmp_path: Path, local_lasting: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    results_dir, ledger = tmp_path / "r", tmp_path / "ledger"
    environment = os.environ | {"STUB_LEDGER": str(ledger), "STUB_STEP_S": "0.4"}
    with cluster(tmp_path / "cluster", environment) as made:
        settings = [argument for argument in LASTING if argument not in ("--progress", "none")]
        driver = search(made, results_dir, *settings)
        wait_until(lambda: both_under_way(results_dir))
        driver.send_signal(signal.SIGTERM)
        output, _ = driver.communicate(timeout=60)
        assert driver.returncode == 4, output
        assert "Traceback" not in output
        assert trials_of(results_dir) == []
        assert all(iterations > 0 for iterations in interrupted(results_dir)), "they wrote a checkpoint"

        driver = search(made, results_dir)
        wait_until(lambda: len(trials_of(results_dir)) == 2)
        driver.kill()
        driver.communicate()
        # When exactly they stop is for `test_signs.py` to say, with a clock of its own.
        wait_until(lambda: not trials_of(results_dir))
        interrupted(results_dir)

        monkeypatch.setenv("STUB_LEDGER", str(ledger))
        # A local search goes on from there, and waits for what workers still hold.
        assert (
            run_search("--resume", results_dir, "--executor", "local", "--dask_scheduler", "None", "--progress", "none")
            == 0
        )
    assert comparable(read(results_dir)) == local_lasting
    check_ledger(ledger, n_trials=4)


def test_workers_that_see_another_directory_or_run_other_code_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight_module, "SIGHT_S", 0.2)
    (tmp_path / "r").mkdir()
    (tmp_path / "other").mkdir()

    def elsewhere(question: ProbeRequest) -> list[Answer]:
        return [probe(ProbeRequest(tmp_path / "other", question.name, question.code, "cpu", 0.2))]

    def one_way(question: ProbeRequest) -> list[Answer]:
        """Sees a copy of what the search wrote, as on a mirror."""
        (tmp_path / "other" / question.name).write_bytes((question.directory / question.name).read_bytes())
        return elsewhere(question)

    def old(question: ProbeRequest) -> list[Answer]:
        return [probe(ProbeRequest(question.directory, question.name, question.code | {"numpy": "1.0"}, "cpu"))]

    assert prove(tmp_path / "r", "cpu", lambda question: [probe(question), probe(question)]) == 2
    for ask, message in (
        (elsewhere, "does not see the file that the search has just written"),
        (one_way, "the search does not see the file that it has written"),
        (old, "numpy 2.* instead of 1.0"),
    ):
        with pytest.raises(UserError, match=message):
            prove(tmp_path / "r", "cpu", ask)
    assert list((tmp_path / "r/.workers").iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--dask_scheduler", "tcp://127.0.0.1:1"), "--dask_scheduler needs --executor dask"),
        (("--executor", "dask", "--dask_scheduler", "no_such.json"), "neither an address .* nor a file"),
        (("--executor", "dask", "--heartbeat", "0.5"), "--heartbeat must be a finite number >= 1; received 0.5"),
        (("--executor", "dask", "--dask_scheduler", "tcp://127.0.0.1:1"), "no scheduler answers there"),
    ],
)
def test_a_cluster_that_is_not_there_is_a_message_and_nothing_is_moved(
    tmp_path: Path,
    flags: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ghm.search.backends.engines.dask_cluster.CONNECT_S", 0.5)
    assert run_search(*SMALL, "--results_dir", tmp_path / "r") == 0
    before = sorted(path.name for path in (tmp_path / "r").glob("*"))
    with pytest.raises(SystemExit) as ended:
        sys.exit(run_search(*SMALL, "--results_dir", tmp_path / "r", *flags))
    assert ended.value.code == 2
    assert re.search(message, " ".join(capsys.readouterr().err.split()))
    assert sorted(path.name for path in (tmp_path / "r").glob("*")) == before


def test_without_the_extra_the_message_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert run_search(*SMALL, "--results_dir", tmp_path / "r", "--executor", "dask") == 2
    assert "pip install 'ghm[dask]'" in capsys.readouterr().err


def test_gpus_of_a_host_are_shared_out_by_its_workers(tmp_path: Path) -> None:
    with contextlib.ExitStack() as held:
        first = [held.enter_context(claimed_gpu(["0", "GPU-5/a"], tmp_path)) for _ in range(2)]
        assert sorted(map(str, first)) == ["0", "GPU-5/a"]
        more = [held.enter_context(claimed_gpu(["0", "GPU-5/a"], tmp_path)) for _ in range(2)]
        assert sorted(map(str, more)) == ["0", "GPU-5/a"], "beyond the number of GPUs they share"
    with claimed_gpu(["0", "1"], tmp_path) as gpu:
        assert gpu == "0", "what ended has let go"
    with claimed_gpu([]) as none:
        assert none is None


def test_the_space_is_the_searchs(tmp_path: Path) -> None:
    space = SearchSpace()
    space.lr_policy = [1e-3]
    with ThreadPoolExecutor(1) as executor:
        outcome = HyperparameterSearch(
            space, config(tmp_path / "r"), executor=executor, command=STUB, solve=no_solver, observers=()
        ).run()
    assert {one.hyperparameters.lr_policy for one in outcome.results.trials} == {1e-3}


def test_ctrl_c_at_a_terminal_stops_a_cluster_that_was_started_here_in_order(tmp_path: Path) -> None:
    """It is sent to every process of the terminal; workers that took it for theirs would end their trials."""
    results_dir = tmp_path / "r"
    flags = ["--n_trials", "2", "--n_iterations", "500", "--n_workers", "2", "--executor", "dask", "--heartbeat", "5"]
    search = subprocess.Popen(
        [sys.executable, "-m", "tests.search.support", *flags, "--results_dir", str(results_dir)],
        env=os.environ | {"STUB_STEP_S": "0.05"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: both_under_way(results_dir))
    os.killpg(search.pid, signal.SIGINT)
    output, _ = search.communicate(timeout=60)
    assert search.returncode == 4, output
    assert "Traceback" not in output
    assert all(iterations > 0 for iterations in interrupted(results_dir)), "they wrote a checkpoint"


def test_a_stop_after_a_kill_does_not_soften_it(tmp_path: Path) -> None:
    """The second Ctrl-C kills; as the search then ends, it stops whatever still runs."""
    with Heartbeat(tmp_path, 60.0) as signs, ThreadPoolExecutor(1) as executor:
        watch = SearchWatch(tmp_path, signs.token, 60.0)
        backend = ExecutorBackend(executor, lambda: 1, signs, lambda trial: pytest.fail("nothing is run"))
        orders = []
        for give in (backend.pause, backend.go_on, backend.stop, backend.kill, backend.stop, backend.go_on):
            give()
            wait_until(lambda: signs._orders.empty() and signs._written == signs._order)
            orders.append(watch.look())
    assert orders == ["pause", "run", "stop", "kill", "kill", "kill"]
