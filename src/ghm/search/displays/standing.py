"""How a running search stands: each trial from its history, the search from its trials."""

import time

from ghm.search.displays.history import HistoryTail
from ghm.search.displays.observer import Plan
from ghm.search.records.index import ResultsIndex
from ghm.search.settings.space import label
from ghm.search.trials.outcome import finite
from ghm.search.trials.trial import Trial
from ghm.training.config import Hyperparameters
from ghm.training.progress import duration, number


class Running:
    """How a running trial stands."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._tail = HistoryTail(trial.history_path)
        self.read()
        self._first = self.iteration

    def read(self) -> None:
        """Look at what the trial has recorded since the last look."""
        self._tail.read()

    @property
    def iteration(self) -> int:
        """Iterations done, as far as its history tells."""
        return int(self._figure("iteration") or 0)

    @property
    def share_done(self) -> float:
        """Share done of the iterations that were left when it was started, from 0 to 1."""
        return max(self.iteration - self._first, 0) / max(self.trial.config.n_iterations - self._first, 1)

    @property
    def current_return(self) -> float | None:
        """Exact return at the last evaluation, the simulated one before the first."""
        exact = self._figure("exact_return")
        return self._figure("simulated_return") if exact is None else exact

    @property
    def captured_value(self) -> float | None:
        """Captured value at the last evaluation."""
        return self._figure("captured_value")

    @property
    def seconds_left(self) -> float | None:
        """Time left at the pace so far; None before the first record."""
        seconds = self._figure("seconds")
        left = self.trial.config.n_iterations - self.iteration
        return seconds / self.iteration * left if seconds is not None and self.iteration else None

    def _figure(self, name: str) -> float | None:
        return finite(self._tail.figures.get(name))


class SearchProgress:
    """How a search stands, whatever the display."""

    def __init__(self, plan: Plan, results: ResultsIndex) -> None:
        self._plan, self._results = plan, results
        self._started = time.monotonic()
        self._ended = 0
        self.running: dict[int, Running] = {}

    def start(self, trial: Trial) -> None:
        """A trial starts."""
        self.running[trial.number] = Running(trial)

    def finish(self, trial: Trial) -> None:
        """A trial ended."""
        self.running.pop(trial.number, None)
        self._ended += 1

    def read(self) -> None:
        """Look at what the running trials have recorded since the last look."""
        for one in self.running.values():
            one.read()

    @property
    def completed(self) -> int:
        """Trials that completed, those of earlier calls included."""
        return sum(outcome.success for outcome in self._results.outcomes)

    @property
    def failed(self) -> int:
        """Trials that failed for good."""
        return sum(outcome.final and not outcome.success for outcome in self._results.outcomes)

    @property
    def n_trials(self) -> int:
        """Trials in total."""
        return self._plan.n_trials

    @property
    def share_done(self) -> float:
        """Share of this call's training that is done, from 0 to 1."""
        share = sum(one.share_done for one in self.running.values())
        return min((self._ended + share) / max(self._plan.n_pending, 1), 1.0)

    @property
    def elapsed(self) -> float:
        """Seconds since the search started."""
        return time.monotonic() - self._started

    @property
    def seconds_left(self) -> float:
        """Time left: the rest at the pace so far, the plan's estimate before there is a pace."""
        share = self.share_done
        # With less than a hundredth done, start-up is most of what was measured.
        return self.elapsed / share * (1 - share) if share > 0.01 else max(self._plan.seconds - self.elapsed, 0.0)

    def counts(self) -> str:
        """Finished, failed and running trials."""
        parts = [f"{self.completed} of {self.n_trials} trials completed", f"{self.failed} failed"]
        return ", ".join([*parts, f"{len(self.running)} running"])

    def best(self) -> str:
        """The best trial so far."""
        best = self._results.best
        if best is None:
            return "best so far: none yet"
        captured = "" if best.captured_value is None else f", captured value {best.captured_value:.3f}"
        return f"best so far: trial {best.trial_num}, return {best.best_return:.4f}{captured}"


def configuration(hyperparameters: Hyperparameters) -> str:
    """The eight hyperparameters on one line, what matters most first."""
    chosen = {name: label(value) for name, value in vars(hyperparameters).items()}
    return (
        f"lr {chosen['lr_policy']}/{chosen['lr_baseline']} entropy {chosen['entropy_weight']} "
        f"paths {chosen['n_trajectories']} net {chosen['policy_hidden']}/{chosen['value_hidden']} "
        f"clip {chosen['max_grad_norm']} reg {chosen['action_reg_weight']}"
    )


def standing(one: Running) -> str:
    """How a running trial stands, on one line."""
    captured = "" if one.captured_value is None else f", captured {one.captured_value:.3f}"
    return (
        f"iteration {one.iteration}/{one.trial.config.n_iterations}: return {number(one.current_return)}{captured}, "
        f"about {duration(one.seconds_left)} left"
    )
