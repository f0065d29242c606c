"""The search itself: take the directory, run the trials that are still to be run, keep the record."""

import contextlib
import dataclasses
import functools
import io
import math
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path
from typing import Any

from ghm.economics.model import GHMModel
from ghm.errors import UserError
from ghm.io.platforms import stop_signals
from ghm.search.backends.backend import Backend, ExecutorBackend, await_workers, holds_lease
from ghm.search.backends.heartbeat import take_over
from ghm.search.backends.opening import open_backend
from ghm.search.backends.spawning import leave_if_imported
from ghm.search.backends.task import Report, Task, run_task
from ghm.search.display.displays import Displays
from ghm.search.display.lines import PlainObserver
from ghm.search.display.observer import Observer
from ghm.search.display.page_writer import ReportRefresher
from ghm.search.records.directory import recorded_trials, trial_directories
from ghm.search.records.journal import Journal
from ghm.search.records.lock import locked
from ghm.search.records.reader import restored_search
from ghm.search.records.results_file import ResultsFile
from ghm.search.records.state import SearchState
from ghm.search.records.values import ReferenceReturns
from ghm.search.resolved import ResolvedSearch, resolve
from ghm.search.search_outcome import SearchOutcome
from ghm.search.settings.config import MAX_WORKERS, SearchConfig
from ghm.search.settings.space import SearchSpace
from ghm.search.step_queue import StepQueue
from ghm.search.taking import check_same, moved_note, take_directory
from ghm.search.trials.gpus import require_locks
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.process import end_orphans
from ghm.search.trials.trial import Trial, reference_name

# How often displays are refreshed, and a snapshot that was put off is thought of again, while trials run.
TICK_S = 1.0

LOOK_S = 0.1
"""How soon the displays are told of a stop."""


def solve_reference(path: Path, config: SearchConfig) -> ReferenceReturns:
    """Solve the model once for all trials, or read the solution that an earlier call kept at ``path``."""
    from ghm.solvers.store import load_or_solve  # late: a dry run or a refused command needs no solver

    solution = load_or_solve(path, config.training().problem)
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
        self._displays = Displays(_default_observers(self._config) if observers is None else observers)
        self._executor = executor
        self._command = command
        self._solve = solve
        self._popen = popen
        self._work = run
        self._stopping = self._announced = False

    def resolved(self) -> ResolvedSearch:
        """What :meth:`run` would run; nothing is written.

        Raises:
            UserError: when settings, space, device or the record to resume are not in order.
        """
        return resolve(self._space, self._config, elsewhere=self._executor is not None)

    def run(self) -> SearchOutcome:
        """Run the trials that are still to be run; called again, go on with the same search.

        Raises:
            UserError: when settings, space, directory or the record to resume are not in order, and then nothing was run;
                or when a decision comes out otherwise than it was recorded.
            OSError: when the search's own records cannot be written any more; what was recorded is kept.
        """
        leave_if_imported()
        resolved = self.resolved()
        directory, config = resolved.results_dir, resolved.config
        require_locks(resolved.gpus)
        self._stopping = self._announced = False
        with contextlib.ExitStack() as stack:
            require_directory = stack.enter_context(locked(directory))
            take_over(directory)
            backend = stack.enter_context(
                open_backend(
                    config,
                    directory,
                    resolved.gpus,
                    self._command,
                    self._popen,
                    self._executor,
                    self._work,
                    require_directory,
                )
            )
            record, moved = take_directory(resolved)
            # Called again, it goes on with the search as it has grown.
            self._config = dataclasses.replace(
                self._config,
                resume=directory,
                results_dir=directory,
                n_seeds=record.config.n_seeds,
                n_trials=record.config.n_trials,
                top=None,
            )
            end_orphans(directory, functools.partial(holds_lease, directory))
            state = restored_search(directory, record)
            if not isinstance(backend, ExecutorBackend):  # whose tasks wait, each for its own trial
                left = (one for one in trial_directories(directory) if not _over(state, one))
                await_workers(directory, left, config.heartbeat)
            finished = self._run(resolved, state, backend, moved, require_directory)
        interrupted = not finished or not all(one.final for one in state.by_number.values())
        return SearchOutcome(state, interrupted, tuple(self._displays.failures))

    def _run(
        self,
        resolved: ResolvedSearch,
        state: SearchState,
        backend: Backend,
        moved: Path | None,
        require_directory: Callable[[], None],
    ) -> bool:
        """Take all steps that are left; return whether there is none left. ``moved``: where an earlier search is now."""
        config = dataclasses.replace(resolved.config, n_workers=min(max(backend.slots(), 1), MAX_WORKERS))
        resolved = dataclasses.replace(resolved, config=config)
        drifted = config.allow_drift or bool(state.record.drift)
        journal = Journal(resolved.results_dir, allow_drift=drifted)
        check = functools.partial(_check, resolved.results_dir, drifted)
        # A failure that a decision was made from has had its consequences.
        retry_machine = not journal.counted
        scheduler = resolved.scheduler(state.by_number, check, retry_machine, drifted)
        queue = StepQueue(scheduler.steps(), state, journal, at_least=config.n_workers)
        file = ResultsFile(state, require_directory)
        queue.advance()  # before anything is said to start: recorded decisions that come out otherwise are refused here
        file.write()
        plan = resolved.plan(state, retry_machine)
        if moved is not None:
            plan = dataclasses.replace(plan, notes=(moved_note(resolved.results_dir, moved), *plan.notes))
        self._displays.search_started(plan, state)
        with stop_signals(lambda: self._stop(backend), backend.kill, backend.pause, backend.go_on):
            try:
                self._solve_all(resolved, state)
                with _in_order(backend):
                    self._run_trials(queue, file, state, backend)
            except KeyboardInterrupt:  # the second Ctrl-C: the trials are gone, and have told how far they came
                for outcome in recorded_trials(resolved.results_dir).values():
                    state.add(outcome)
                return False
            finally:
                try:
                    file.write()
                finally:  # a display leaves the terminal as it was whatever happened; a report reads what was written
                    self._displays.search_finished(state)
        return queue.finished

    def _solve_all(self, resolved: ResolvedSearch, state: SearchState) -> None:
        """Solve the models that trials are measured against."""
        models: dict[str | None, GHMModel] = {one.name: one.model for one in resolved.calibrations}
        for name, model in (models or {None: resolved.config.model}).items():
            settings = dataclasses.replace(resolved.config, model=model)
            state.references[name] = self._solve(resolved.results_dir / reference_name(name), settings)

    def _run_trials(self, queue: StepQueue, file: ResultsFile, state: SearchState, backend: Backend) -> None:
        """Next steps from recorded outcomes, the journal, the trials, the record; until nothing is left to be done."""
        running: dict[Future[Any], Trial] = {}
        limit = self._config.time_limit
        end = math.inf if limit is None else time.monotonic() + 3600 * limit
        while True:
            file.require_place()
            if not self._stopping and time.monotonic() >= end:
                self._stop(backend)
            if not self._stopping:
                queue.advance()
            for decision in queue.drain_decisions():
                self._displays.decided(decision)
            while not self._stopping and len(running) < backend.slots() and (trial := queue.next_trial()):
                self._displays.trial_started(trial)
                running[backend.submit(trial, state.by_number.get(trial.number))] = trial
            if backend.given_up or (not running and (self._stopping or not queue.ready)):
                return
            if not running:
                time.sleep(TICK_S)  # no worker is there: nothing to wait for but time
            for future in self._ended(running):
                self._finish(running.pop(future), future, queue, state, backend)
            file.write_if_cheap()
            self._displays.tick()

    def _ended(self, running: Collection["Future[Any]"]) -> "set[Future[Any]]":
        """Those that ended within a tick; displays are told of a stop at once, and before the trials that it ends."""
        until = time.monotonic() + TICK_S
        while True:
            done = wait(running, timeout=LOOK_S, return_when=FIRST_COMPLETED).done
            if self._stopping and not self._announced:
                self._announced = True
                self._displays.stopping()
            if done or not running or time.monotonic() >= until:
                return done

    def _finish(
        self, trial: Trial, future: "Future[Any]", queue: StepQueue, state: SearchState, backend: Backend
    ) -> None:
        outcome = backend.outcome(trial, future)
        if outcome is None:
            queue.put_back(trial)
            return
        state.add(outcome)
        self._displays.trial_finished(trial, outcome)

    def _stop(self, backend: Backend) -> None:
        self._stopping = True
        backend.stop()


def _check(results_dir: Path, drifted: bool, outcome: TrialRecord, trial: Trial) -> None:
    if not drifted:
        check_same(outcome, trial, results_dir)


def _require_kind(name: str, value: object, kind: type, remedy: str) -> None:
    if value is not None and not isinstance(value, kind):
        raise UserError(f"{name} must be a {kind.__name__}; received a {type(value).__name__}; write {remedy}")


def _default_observers(config: SearchConfig) -> list[Observer]:
    if config.progress == "none":
        return [ReportRefresher(stream=io.StringIO())]
    return [PlainObserver(), ReportRefresher()]


def _over(state: SearchState, number: int) -> bool:
    """Whether a trial is done with; any other may still be run by a worker of an earlier search."""
    outcome = state.by_number.get(number)
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
