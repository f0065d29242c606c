"""The training loop: simulate, estimate, learn; evaluate and leave a record as it goes.

What is left behind, and when, is written in docs/design/records.md.
"""

import contextlib
import dataclasses
import errno
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ghm.economics.action_rule import ActionRule
from ghm.io.atomic import open_to_append, write_atomically
from ghm.io.safe_read import DamagedError, parse_object, read_bytes
from ghm.policies.tables import PolicyTables
from ghm.policies.tabulated import TabulatedPolicy
from ghm.simulation.kernel import Simulator
from ghm.solvers.answers.evaluation import ExactEvaluation, PolicyEvaluation
from ghm.solvers.solution import Solution
from ghm.training.checkpoints.checkpoint import Checkpoint, RunProgress, value_table
from ghm.training.exact import ExactReturns
from ghm.training.learners.choice import gradient_estimator
from ghm.training.learners.learner import Learner, LearningFigures
from ghm.training.logging.progress import TrainingView
from ghm.training.logging.tensorboard import EventLog
from ghm.training.problem import GriddedProblem
from ghm.training.selection import choose
from ghm.training.settings import TrainConfig


class Diverged(Exception):
    """Something became non-finite; the run ends."""


class Interrupted(Exception):
    """The run was asked to stop; ``latest.pt`` is where it goes on."""


class Paused(Exception):
    """The run has reached ``pause_at``; ``latest.pt`` is where it goes on.

    Args:
        metrics: what it has reached.
    """

    def __init__(self, metrics: dict[str, Any]) -> None:
        super().__init__("paused")
        self.metrics = metrics


class Orphaned(Exception):
    """The process that the run belongs to is gone."""


CURVE_POINTS = 20
"""Points that a learning curve has at least, however short the run."""


class Trainer:
    """One run.

    Args:
        config: settings.
        reference: the solution that policies are judged against.
        view: what the user sees.
        interrupted: says whether the run has been asked to stop.
    """

    def __init__(
        self, config: TrainConfig, reference: Solution, view: TrainingView, interrupted: Callable[[], bool]
    ) -> None:
        self._config, self._reference, self._view, self._interrupted = config, reference, view, interrupted
        self._problem = GriddedProblem.build(config.problem)
        self._learner = Learner(self._problem, config)
        simulator = Simulator(self._problem.model, self._problem.grid, self._problem.terminal_values, config.seed)
        self._estimate = gradient_estimator(config, self._problem, simulator, self._learner)
        self._returns = ExactReturns.build(config.problem, self._problem.grid)
        self.standing = RunProgress()
        self._best: ExactEvaluation | None = None
        self._started = time.perf_counter()

    def resume(self, checkpoint: Checkpoint, path: Path) -> None:
        """Continue from a checkpoint; the history after it is forgotten.

        Raises:
            UserError: when it, or the best policy beside it, which the run's end needs, is damaged.
        """
        best = self._config.ckpt_dir / "best_model.pt"
        if checkpoint.standing.best_iteration is not None and (best.exists() or self._config.parent_pid is not None):
            Checkpoint.load(best)
        checkpoint.restore(self._learner, path)
        self.standing = checkpoint.standing
        self._started -= checkpoint.standing.seconds
        _cut_history(self._config.history_path, self.standing.iteration)

    def run(self) -> dict[str, Any]:
        """Train to the end and return the metrics.

        Raises:
            Diverged: when something became non-finite; the iteration is in the message.
            Paused: at ``pause_at``; everything is saved.
            Interrupted: when asked to stop; everything is saved.
            Orphaned: when the parent process is gone; nothing more has been written.
        """
        config = self._config
        with EventLog(config.log_dir, config, self.standing.iteration) as events, self._history() as history:
            try:
                self._loop(events, history)
            except Diverged:
                events.finish({"seconds": self.standing.seconds}, success=False)
                raise
            except (Paused, Interrupted):
                events.reached(self._reached() | {"seconds": self.standing.seconds})
                raise
            metrics = self._finish(events)
            events.finish(metrics | {"seconds": self.standing.seconds}, success=True)
            return metrics

    def _loop(self, events: EventLog, history: Callable[[dict[str, Any]], None]) -> None:
        """Iterate to the end, leaving the records of each iteration that has some."""
        config = self._config
        between = min(config.log_freq, max(config.n_iterations // CURVE_POINTS, 1))
        if self.standing.iteration == 0:
            untrained = {"iteration": 0, "seconds": round(self._seconds(), 3)} | self._evaluate(0)
            self._record(untrained, events, history)
        while self.standing.iteration < config.n_iterations:
            if config.pause_at is not None and self.standing.iteration >= config.pause_at:
                raise Paused(self._reached())
            self._stop_if_asked()
            iteration = self.standing.iteration + 1
            figures = self._iterate(iteration)
            self.standing = dataclasses.replace(self.standing, iteration=iteration, seconds=self._seconds())
            saved = iteration % config.eval_freq == 0 or iteration in (*config.evaluate_at, config.n_iterations)
            logged = saved or iteration % config.log_freq == 0
            record = None
            if logged or iteration % between == 0:
                record = {"iteration": iteration, "seconds": round(self.standing.seconds, 3), **figures}
                record |= self._evaluate(iteration)
                self._record(record, events, history)
            self._view.update(iteration, record if logged else None)
            self._save(iteration, saved or iteration == config.pause_at)

    def _record(self, record: dict[str, Any], events: EventLog, history: Callable[[dict[str, Any]], None]) -> None:
        history(record)
        events.history(record | self._optimal_levels())

    def _iterate(self, iteration: int) -> dict[str, float]:
        """One iteration of simulation and learning."""
        config = self._config
        tabulation = self._learner.tabulate()
        estimate = self._estimate(tabulation.tables, self._learner.given_values(), iteration)
        if not estimate.is_finite():
            raise Diverged(f"the simulated return or its gradient is not finite at iteration {iteration}")
        figures = self._learner.learn(tabulation, estimate, progress=(iteration - 1) / config.n_iterations)
        self._require_finite(figures, iteration)
        return {"simulated_return": estimate.simulated_return, **dataclasses.asdict(figures)}

    def _require_finite(self, figures: LearningFigures, iteration: int) -> None:
        for name, value in dataclasses.asdict(figures).items():
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value} at iteration {iteration}")
        if not self._learner.is_finite():
            raise Diverged(f"a network's parameters are not finite at iteration {iteration}")

    def _evaluate(self, iteration: int) -> dict[str, Any]:
        """Evaluate the policy exactly, and keep it if it is the best so far."""
        tables = self._learner.tabulate().tables
        evaluation = self._judged(tables)
        chosen, score = choose(evaluation, self._config.select, self._config.seed)
        self.standing = dataclasses.replace(self.standing, last_return=evaluation.exact_return)
        if self.standing.best_score is None or score > self.standing.best_score:
            self.standing = dataclasses.replace(
                self.standing, best_return=chosen.exact_return, best_score=score, best_iteration=iteration
            )
            self._best = chosen
            self._checkpoint("best_model.pt", (tables, chosen.action_rule))
        return evaluation.figures()

    def _judged(self, tables: PolicyTables) -> ExactEvaluation:
        return ExactEvaluation(TabulatedPolicy(self._problem.grid, tables), self._reference, self._returns(tables))

    def _optimal_levels(self) -> dict[str, float | None]:
        return {f"optimal_{name}": level for name, level in dataclasses.asdict(self._reference.initial_levels).items()}

    def _save(self, iteration: int, latest: bool) -> None:
        config = self._config
        numbered = iteration % config.ckpt_freq == 0
        if numbered:
            self._checkpoint(f"step_{iteration:06d}.pt")
            # By length first: the names of iterations beyond 999,999 are longer.
            numbers = sorted(config.ckpt_dir.glob("step_*.pt"), key=lambda path: (len(path.name), path.name))
            for old in numbers[: -config.keep_checkpoints]:
                old.unlink()
        if numbered or latest:
            self._checkpoint("latest.pt")

    def _finish(self, events: EventLog) -> dict[str, Any]:
        """Keep the last policy; measure the best one in full, and draw it if asked."""
        self._checkpoint("final_model.pt")
        standing, chosen, drawn = self.standing, self._best, self._config.figures == "drawn"
        if chosen is None or drawn:  # it was found before the run was resumed, or its networks are asked for
            path, learner = self._config.ckpt_dir / "best_model.pt", Learner(self._problem, self._config)
            Checkpoint.load(path).restore(learner, path)
            tables = learner.tabulate().tables
            if drawn:
                self._draw(events, learner, tables)
            chosen = chosen or choose(self._judged(tables), self._config.select, self._config.seed)[0]
        return {
            "best_return": standing.best_return,
            "best_iteration": standing.best_iteration,
            "final_return": standing.last_return,
            **PolicyEvaluation.of(chosen, seed=self._config.seed).metrics(),
        }

    def _draw(self, events: EventLog, learner: Learner, tables: PolicyTables) -> None:
        from ghm.training.logging.figures import policy_figure, value_figure  # late: they load Matplotlib

        grid, iteration = self._problem.grid, self.standing.iteration
        values = value_table(self._problem, self._config, learner, tables)
        events.figure("policy", policy_figure(TabulatedPolicy(grid, tables), self._reference), iteration)
        events.figure("value", value_figure(grid.cash, grid.time_to_horizon, values, self._reference), iteration)

    def _reached(self) -> dict[str, Any]:
        """What the run has reached so far; the rest of the metrics is for its end."""
        best = self.standing.best_return
        return {
            "best_return": best,
            "best_iteration": self.standing.best_iteration,
            "final_return": self.standing.last_return,
            "captured_value": None if best is None else self._reference.captured_value(best),
            "optimal_return": self._reference.optimal_return,
            "wind_up_return": self._reference.wind_up_return,
        }

    def _stop_if_asked(self) -> None:
        parent = self._config.parent_pid
        if parent is not None and os.getppid() != parent:
            raise Orphaned
        if self._interrupted():
            self._checkpoint("latest.pt")
            raise Interrupted(f"interrupted after iteration {self.standing.iteration}")

    def _checkpoint(self, name: str, policy: tuple[PolicyTables, ActionRule] | None = None) -> None:
        Checkpoint(self._config, self.standing, self._learner.state()).save(self._config.ckpt_dir / name, policy)

    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    @contextlib.contextmanager
    def _history(self) -> Iterator[Callable[[dict[str, Any]], None]]:
        """The open history file, as a function that appends a record."""
        with open_to_append(self._config.history_path, empty=self.standing.iteration == 0) as file:

            def append(record: dict[str, Any]) -> None:
                file.write((json.dumps(record) + "\n").encode())
                file.flush()

            yield append


def _cut_history(path: Path, iteration: int) -> None:
    """Drop the records after ``iteration``, which will be written again, and a last line cut off by a crash."""
    if not path.exists():
        return
    try:
        lines = read_bytes(path).splitlines(keepends=True)
    except DamagedError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    kept = []
    for line in lines:
        with contextlib.suppress(DamagedError):
            at = parse_object(line).get("iteration")
            if isinstance(at, int) and at <= iteration and line.endswith(b"\n"):
                kept.append(line)
    write_atomically(path, b"".join(kept))
