"""The search itself: take the directory, run the trials that are still to be run, keep the record."""

import contextlib
import dataclasses
import functools
import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.io.atomic import remove_unfinished_writes
from ghm.io.sealed import write_sealed
from ghm.search.backends.backend import Backend, ExecutorBackend, await_workers, holds_lease
from ghm.search.backends.heartbeat import take_over
from ghm.search.backends.opening import open_backend
from ghm.search.backends.task import Report, Task, run_task
from ghm.search.decisions.selection import Decision
from ghm.search.display.lines import PlainObserver
from ghm.search.display.observer import Observer
from ghm.search.display.page_writer import ReportRefresher
from ghm.search.display.summary import summary
from ghm.search.records.directory import (
    RECORD_NAME,
    UNREADABLE_NAME,
    finish_move,
    locked,
    move_earlier,
    trial_directories,
)
from ghm.search.records.index import ReferenceReturns, ResultsIndex
from ghm.search.records.journal import Journal
from ghm.search.records.reader import read_outcomes
from ghm.search.records.restore import check_same
from ghm.search.resolved import ResolvedSearch, make_blueprint
from ghm.search.settings.config import MAX_WORKERS, SearchConfig
from ghm.search.settings.space import SearchSpace
from ghm.search.signals import stop_signals
from ghm.search.step_queue import StepQueue
from ghm.search.trials.outcome import Outcome
from ghm.search.trials.process import end_orphans
from ghm.search.trials.trial import Trial, reference_name

# How often displays are refreshed, and a snapshot that was put off is thought of again, while trials run.
TICK_S = 1.0

EXIT_COMPLETED, EXIT_ALL_FAILED, EXIT_INTERRUPTED = 0, 1, 4


@dataclass(frozen=True)
class SearchOutcome:
    """What a call of :meth:`HyperparameterSearch.run` leaves."""

    results: ResultsIndex
    """All trials, the best one, and the path of the JSON."""
    n_trials: int
    """Trials of the search in total."""
    interrupted: bool
    """Whether there is still something to be done."""

    @property
    def summary(self) -> str:
        """What the search found, as text."""
        return summary(self.results, self.n_trials, self.interrupted)

    @property
    def exit_status(self) -> int:
        """0: a trial completed; 1: every trial failed; 4: interrupted, as of the training script."""
        if self.interrupted:
            return EXIT_INTERRUPTED
        return EXIT_COMPLETED if self.results.ranked else EXIT_ALL_FAILED


def solve_reference(path: Path, config: SearchConfig) -> ReferenceReturns:
    """Solve the model once for all trials, or read the solution that an earlier call kept at ``path``."""
    from ghm.solvers.store import load_or_solve  # late: a dry run or a refused command needs no solver

    solution = load_or_solve(path, config.model, config.dt, config.T, config.terminal)
    return ReferenceReturns(solution.optimal_return, solution.wind_up_return)


class HyperparameterSearch:
    """A search over hyperparameters, each trial a run of the training script.

    Args:
        space: the search space; None: the default one, or with ``config.resume`` the recorded one.
        config: settings; those of a search to continue come from :func:`ghm.search.resumed_config`.
        observers: displays; None: the messages, as ``config.progress`` has them, and the report's page.
        executor: any ``concurrent.futures`` executor, whose workers then run the trials, ``config.n_workers`` at a time; it
            stays open. None: as ``config.executor`` has it.
        command: what starts the training script; its flags are appended.
        solve: solves the model for all trials.
        popen: starts a trial's process.
        run: what an executor's workers run; for tests.
    """

    def __init__(
        self,
        space: SearchSpace | None = None,
        config: SearchConfig | None = None,
        *,
        observers: Sequence[Observer] | None = None,
        executor: Executor | None = None,
        command: Sequence[str] | None = None,
        solve: Callable[[Path, SearchConfig], ReferenceReturns | None] = solve_reference,
        popen: "Callable[..., subprocess.Popen[bytes]]" = subprocess.Popen,
        run: Callable[[Task], Report] = run_task,
    ) -> None:
        _require_kind("space", space, SearchSpace, "SearchSpace.from_dict({...})")
        _require_kind("config", config, SearchConfig, "SearchConfig(n_trials=...)")
        _require_kind("executor", executor, Executor, "ThreadPoolExecutor(4), or client.get_executor(pure=False)")
        self._space = space
        self._config = config or SearchConfig()
        self._observers = _default_observers(self._config) if observers is None else list(observers)
        self._executor = executor
        self._command = command
        self._solve = solve
        self._popen = popen
        self._work = run
        self._stopping = False

    def resolved(self) -> ResolvedSearch:
        """What :meth:`run` would run; nothing is written.

        Raises:
            UserError: when settings, space, device or the record to resume are not in order.
        """
        return make_blueprint(self._space, self._config, elsewhere=self._executor is not None)

    def run(self) -> SearchOutcome:
        """Run the trials that are still to be run.

        Raises:
            UserError: when settings, space, directory or the record to resume are not in order, and then nothing was run;
                or when a decision comes out otherwise than it was recorded.
            OSError: when the search's own records cannot be written any more; what was recorded is kept.
        """
        resolved = self.resolved()
        directory, config = resolved.results_dir, resolved.config
        with contextlib.ExitStack() as stack:
            stack.enter_context(locked(directory))
            take_over(directory)
            backend = stack.enter_context(
                open_backend(config, directory, resolved.gpus, self._command, self._popen, self._executor, self._work)
            )
            results, moved = _open(resolved)
            end_orphans(directory, holds_lease(directory))
            for outcome in read_outcomes(directory, results.record).values():
                results.add(outcome)
            if not isinstance(backend, ExecutorBackend):  # whose tasks wait, each for its own trial
                left = (one for one in trial_directories(directory) if not _over(results, one))
                await_workers(directory, left, config.heartbeat)
            finished = self._run(resolved, results, backend, moved)
        interrupted = not finished or not all(outcome.final for outcome in results.outcomes)
        return SearchOutcome(results, max(resolved.n_trials, len(results.outcomes)), interrupted)

    def _run(self, resolved: ResolvedSearch, results: ResultsIndex, backend: Backend, moved: Path | None) -> bool:
        """Take all steps that are left; return whether there is none left. ``moved``: where an earlier search is now."""
        config = dataclasses.replace(resolved.config, n_workers=min(max(backend.slots(), 1), MAX_WORKERS))
        resolved = dataclasses.replace(resolved, config=config)
        drifted = config.allow_drift or bool(results.record.drift)
        journal = Journal(resolved.results_dir, allow_drift=drifted)
        check = functools.partial(_check, resolved.results_dir, drifted)
        # A failure that a decision was made from has had its consequences.
        retry_machine = not journal.counted
        scheduler = resolved.scheduler(results.by_number, check, retry_machine)
        queue = StepQueue(scheduler.steps(), results, journal, room=config.n_workers)
        queue.advance()  # before anything is said to start: recorded decisions that come out otherwise are refused here
        results.write()
        plan = resolved.plan(results.by_number, retry_machine)
        if moved is not None:
            plan = dataclasses.replace(plan, notes=(_moved_note(resolved.results_dir, moved), *plan.notes))
        self._tell(lambda observer: observer.search_started(plan, results))
        with stop_signals(lambda: self._stop(backend), backend.kill, backend.pause, backend.go_on):
            try:
                self._solve_all(resolved, results)
                with _in_order(backend):
                    self._run_trials(queue, results, backend)
            except KeyboardInterrupt:
                return False  # the second Ctrl-C: the trials are gone, what they recorded is taken in when resumed
            finally:
                try:
                    results.write()
                finally:  # a display leaves the terminal as it was whatever happened; a report reads what was written
                    self._tell(lambda observer: observer.search_finished(results))
        return queue.finished

    def _solve_all(self, resolved: ResolvedSearch, results: ResultsIndex) -> None:
        """Solve the models that trials are measured against."""
        models: dict[str | None, GHMModel] = {one.name: one.model for one in resolved.calibrations}
        for name, model in (models or {None: resolved.config.model}).items():
            settings = dataclasses.replace(resolved.config, model=model)
            results.references[name] = self._solve(resolved.results_dir / reference_name(name), settings)

    def _run_trials(self, queue: StepQueue, results: ResultsIndex, backend: Backend) -> None:
        """Next steps from recorded outcomes, the journal, the trials, the record; until nothing is left to be done."""
        running: dict[Future[Any], Trial] = {}
        announced = False
        while True:
            if not self._stopping:
                queue.advance()
            for decision in queue.drain_decisions():
                self._tell(functools.partial(_decided, decision))
            while not self._stopping and len(running) < backend.slots() and (trial := queue.next_trial()):
                self._tell(functools.partial(_started, trial))
                running[backend.submit(trial, results.by_number.get(trial.number))] = trial
            if self._stopping and running and not announced:
                announced = True
                self._tell(lambda observer: observer.stopping())
            if backend.given_up or (not running and (self._stopping or not queue.ready)):
                return
            if not running:
                time.sleep(TICK_S)  # no worker is there: nothing to wait for but time
            for future in wait(running, timeout=TICK_S, return_when=FIRST_COMPLETED).done:
                self._finish(running.pop(future), future, queue, results, backend)
            results.write_if_cheap()
            self._tell(lambda observer: observer.tick())

    def _finish(
        self, trial: Trial, future: "Future[Any]", queue: StepQueue, results: ResultsIndex, backend: Backend
    ) -> None:
        outcome = backend.outcome(trial, future)
        if outcome is None:
            queue.put_back(trial)
            return
        results.add(outcome)
        self._tell(lambda observer: observer.trial_finished(trial, outcome))

    def _stop(self, backend: Backend) -> None:
        self._stopping = True
        backend.stop()

    def _tell(self, event: Callable[[Observer], None]) -> None:
        """Tell every display; one that fails (a closed pipe) is dropped, since the search matters more."""
        for observer in list(self._observers):
            try:
                event(observer)
            except Exception as error:
                self._observers.remove(observer)
                if isinstance(error, BrokenPipeError):
                    continue  # its reader has had enough
                with contextlib.suppress(OSError):
                    sys.stderr.write(f"display dropped: {error!r}\n")


def _require_continuation(resolved: ResolvedSearch, journal: Journal) -> None:
    """Refuse settings under which what was decided would come out otherwise."""
    config = resolved.config
    if config.retry_failed:
        journal.require_no_retry()
    iterations = config.confirm_iterations or config.n_iterations
    journal.require_same_size(resolved.numbering.n_configurations, config.confirm_seeds, iterations, config.keep)


def _check(results_dir: Path, drifted: bool, outcome: Outcome, trial: Trial) -> None:
    if not drifted:
        check_same(outcome, trial, results_dir)


def _require_kind(name: str, value: object, kind: type, remedy: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise UserError(f"{name} must be a {kind.__name__}; received a {type(value).__name__}; write {remedy}")


def _default_observers(config: SearchConfig) -> list[Observer]:
    if config.progress == "none":
        return [ReportRefresher(stream=io.StringIO())]
    return [PlainObserver(), ReportRefresher()]


def _moved_note(results_dir: Path, moved: Path) -> str:
    if moved.name.startswith(UNREADABLE_NAME):
        return f"{results_dir} held files by names that a search uses, but no search that can be read; they are kept as {moved}."
    return f"{results_dir} held an earlier search; it is kept, whole, as {moved} (--resume {moved} goes on with it)."


def _open(resolved: ResolvedSearch) -> tuple[ResultsIndex, Path | None]:
    """Take over the directory: finish or make room, and write the search's record; also where an earlier search is now."""
    remove_unfinished_writes(resolved.results_dir)
    finish_move(resolved.results_dir)
    moved = None
    if resolved.recorded is None:
        moved = move_earlier(resolved.results_dir)
    else:
        _require_continuation(resolved, Journal(resolved.results_dir))
    record = resolved.record()
    write_sealed(resolved.results_dir / RECORD_NAME, record.to_dict())
    return ResultsIndex(resolved.results_dir / record.results_name, record), moved


def _decided(decision: Decision, observer: Observer) -> None:
    observer.decided(decision)


def _started(trial: Trial, observer: Observer) -> None:
    observer.trial_started(trial)


def _over(results: ResultsIndex, number: int) -> bool:
    """Whether a trial is done with; any other may still be run by a worker of an earlier search."""
    outcome = results.by_number.get(number)
    return outcome is not None and outcome.success


@contextlib.contextmanager
def _in_order(backend: Backend) -> Iterator[None]:
    """Let running trials stop in order when the search itself cannot go on, and wait for them."""
    try:
        yield
    except BaseException:
        backend.stop()
        raise
    finally:
        backend.join()
