"""The search itself: take the directory, run the trials that are still to be run, keep the record."""

import contextlib
import dataclasses
import functools
import io
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from ghm.errors import UserError
from ghm.files import remove_unfinished_writes
from ghm.model import GHMModel
from ghm.sealed import write_sealed
from ghm.search.blueprint import Blueprint, make_blueprint
from ghm.search.course import Course
from ghm.search.decisions.selection import Decision
from ghm.search.displays.lines import PlainObserver
from ghm.search.displays.observer import Observer
from ghm.search.displays.refresh import ReportRefresher
from ghm.search.displays.summary import summary
from ghm.search.records.directory import RECORD_NAME, finish_move, locked, move_earlier
from ghm.search.records.index import ReferenceReturns, ResultsIndex
from ghm.search.records.journal import Journal
from ghm.search.records.reader import read_outcomes
from ghm.search.records.restore import check_same
from ghm.search.settings.command import training_command
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.space import SearchSpace
from ghm.search.signals import stop_signals
from ghm.search.trials.outcome import Outcome, failure
from ghm.search.trials.process import end_orphans
from ghm.search.trials.runner import TrialRunner
from ghm.search.trials.trial import Trial, reference_name
from ghm.search.trials.workspace import record_outcome

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
    from ghm.reference.store import load_or_solve  # late: a dry run or a refused command needs no solver

    solution = load_or_solve(path, config.model, config.dt, config.T, config.terminal)
    return ReferenceReturns(solution.optimal_return, solution.wind_up_return)


class HyperparameterSearch:
    """A search over hyperparameters, each trial a run of the training script.

    Args:
        space: the search space; None: the default one, or with ``config.resume`` the recorded one.
        config: settings; those of a search to continue come from :func:`ghm.search.resumed_config`.
        observers: displays; None: the messages, as ``config.progress`` has them, and the report's page.
        command: what starts the training script; its flags are appended.
        solve: solves the model for all trials.
        make_executor: makes the ``concurrent.futures`` executor for a number of workers.
        popen: starts a trial's process.
    """

    def __init__(
        self,
        space: SearchSpace | None = None,
        config: SearchConfig | None = None,
        *,
        observers: Sequence[Observer] | None = None,
        command: Sequence[str] | None = None,
        solve: Callable[[Path, SearchConfig], ReferenceReturns | None] = solve_reference,
        make_executor: Callable[[int], Executor] = ThreadPoolExecutor,
        popen: "Callable[..., subprocess.Popen[bytes]]" = subprocess.Popen,
    ) -> None:
        _require_kind("space", space, SearchSpace, "SearchSpace.from_dict({...})")
        _require_kind("config", config, SearchConfig, "SearchConfig(n_trials=...)")
        self._space = space
        self._config = config or SearchConfig()
        self._observers = _default_observers(self._config) if observers is None else list(observers)
        self._command = training_command() if command is None else list(command)
        self._solve = solve
        self._make_executor = make_executor
        self._popen = popen
        self._stopping = False

    def blueprint(self) -> Blueprint:
        """What :meth:`run` would run; nothing is written.

        Raises:
            UserError: when settings, space, device or the record to resume are not in order.
        """
        return make_blueprint(self._space, self._config)

    def run(self) -> SearchOutcome:
        """Run the trials that are still to be run.

        Raises:
            UserError: when settings, space, directory or the record to resume are not in order, and then nothing was run;
                or when a decision comes out otherwise than it was recorded.
            OSError: when the search's own records cannot be written any more; what was recorded is kept.
        """
        blueprint = self.blueprint()
        with locked(blueprint.results_dir):
            results, moved = _open(blueprint)
            end_orphans(blueprint.results_dir)
            for outcome in read_outcomes(blueprint.results_dir, results.record).values():
                results.add(outcome)
            finished = self._run(blueprint, results, moved)
        interrupted = not finished or not all(outcome.final for outcome in results.outcomes)
        return SearchOutcome(results, max(blueprint.n_trials, len(results.outcomes)), interrupted)

    def _run(self, blueprint: Blueprint, results: ResultsIndex, moved: Path | None) -> bool:
        """Take all steps that are left; return whether there is none left. ``moved``: where an earlier search is now."""
        config = blueprint.config
        drifted = config.allow_drift or bool(results.record.drift)
        journal = Journal(blueprint.results_dir, allow_drift=drifted)
        check = functools.partial(_check, blueprint.results_dir, drifted)
        # A failure that a decision was made from has had its consequences.
        retry_machine = not journal.counted
        agenda = blueprint.agenda(results.by_number, check, retry_machine)
        course = Course(agenda.steps(), results, journal, room=config.n_workers)
        runner = TrialRunner(self._command, blueprint.gpus, config.trial_timeout, config.max_retries, popen=self._popen)
        course.advance()  # before anything is said to start: recorded decisions that come out otherwise are refused here
        results.write()
        plan = blueprint.plan(results.by_number, retry_machine)
        if moved is not None:
            plan = dataclasses.replace(plan, notes=(_moved_note(blueprint.results_dir, moved), *plan.notes))
        self._tell(lambda observer: observer.search_started(plan, results))
        with stop_signals(lambda: self._stop(runner), runner.kill, runner.pause, runner.go_on):
            try:
                self._solve_all(blueprint, results)
                self._run_trials(course, results, runner)
            except KeyboardInterrupt:
                return False  # the second Ctrl-C: the trials are gone, what they recorded is taken in when resumed
            finally:
                try:
                    results.write()
                finally:  # a display leaves the terminal as it was whatever happened; a report reads what was written
                    self._tell(lambda observer: observer.search_finished(results))
        return course.finished

    def _solve_all(self, blueprint: Blueprint, results: ResultsIndex) -> None:
        """Solve the models that trials are measured against."""
        models: dict[str | None, GHMModel] = {one.name: one.model for one in blueprint.calibrations}
        for name, model in (models or {None: blueprint.config.model}).items():
            settings = dataclasses.replace(blueprint.config, model=model)
            results.references[name] = self._solve(blueprint.results_dir / reference_name(name), settings)

    def _run_trials(self, course: Course, results: ResultsIndex, runner: TrialRunner) -> None:
        """Next steps from recorded outcomes, the journal, the trials, the record; until nothing is left to be done."""
        running: dict[Future[Outcome], Trial] = {}
        n_workers = self._config.n_workers
        announced = False
        with self._make_executor(n_workers) as executor, _stopped_on_error(runner):
            while True:
                if not self._stopping:
                    course.advance()
                for decision in course.news():
                    self._tell(functools.partial(_decided, decision))
                while len(running) < n_workers and not self._stopping and (trial := course.next_trial()):
                    self._tell(functools.partial(_started, trial))
                    running[executor.submit(runner, trial)] = trial
                if self._stopping and running and not announced:
                    announced = True
                    self._tell(lambda observer: observer.stopping())
                if not running:
                    return
                for future in wait(running, timeout=TICK_S, return_when=FIRST_COMPLETED).done:
                    self._finish(running.pop(future), future, results)
                results.write_if_cheap()
                self._tell(lambda observer: observer.tick())

    def _finish(self, trial: Trial, future: Future[Outcome], results: ResultsIndex) -> None:
        try:
            outcome = future.result()
        except OSError:
            raise  # the outcome could not be recorded: the search cannot go on
        except Exception as error:  # a defect of an executor must not cost the other trials
            outcome = failure(trial, "crashed", f"the search could not run it: {error!r}", 0.0)
            record_outcome(trial, outcome)
        results.add(outcome)
        self._tell(lambda observer: observer.trial_finished(trial, outcome))

    def _stop(self, runner: TrialRunner) -> None:
        self._stopping = True
        runner.stop()

    def _tell(self, event: Callable[[Observer], None]) -> None:
        """Tell every display; one that fails (a closed pipe) is dropped, since the search matters more."""
        for observer in list(self._observers):
            try:
                event(observer)
            except Exception as error:
                self._observers.remove(observer)
                with contextlib.suppress(OSError):
                    sys.stderr.write(f"display dropped: {error!r}\n")


def _require_continuation(blueprint: Blueprint, journal: Journal) -> None:
    """Refuse settings under which what was decided would come out otherwise."""
    config = blueprint.config
    if config.retry_failed:
        journal.require_no_retry()
    iterations = config.confirm_iterations or config.n_iterations
    journal.require_same_size(blueprint.layout.n_configurations, config.confirm_seeds, iterations, config.keep)


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
    return f"{results_dir} held an earlier search; it is kept, whole, as {moved} (--resume {moved} goes on with it)."


def _open(blueprint: Blueprint) -> tuple[ResultsIndex, Path | None]:
    """Take over the directory: finish or make room, and write the search's record; also where an earlier search is now."""
    remove_unfinished_writes(blueprint.results_dir)
    finish_move(blueprint.results_dir)
    moved = None
    if blueprint.recorded is None:
        moved = move_earlier(blueprint.results_dir)
    else:
        _require_continuation(blueprint, Journal(blueprint.results_dir))
    record = blueprint.record()
    write_sealed(blueprint.results_dir / RECORD_NAME, record.to_dict())
    return ResultsIndex(blueprint.results_dir / record.results_name, record), moved


def _decided(decision: Decision, observer: Observer) -> None:
    observer.decided(decision)


def _started(trial: Trial, observer: Observer) -> None:
    observer.trial_started(trial)


@contextlib.contextmanager
def _stopped_on_error(runner: TrialRunner) -> Iterator[None]:
    """Let running trials stop in order when the search itself cannot go on."""
    try:
        yield
    except BaseException:
        runner.stop()
        raise
