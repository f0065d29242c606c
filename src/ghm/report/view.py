"""What a search shows while it runs: a live table on a terminal, plain lines elsewhere.

Both say the same: the spec's messages as they come, and of each running trial its configuration, how far it is, its
return and captured value and the time left; how many trials finished and failed, the best so far, and the time left for
the search. Drawing takes a bounded share of the search's time (`ghm.training.progress.DrawingBudget`).
"""

import atexit
import time
from typing import TYPE_CHECKING, TextIO

from ghm.report.history import HistoryTail
from ghm.report.records import finite, label
from ghm.search.observer import PlainObserver, Plan
from ghm.search.outcome import Outcome
from ghm.search.results import Results
from ghm.search.trial import Trial
from ghm.training.config import Hyperparameters
from ghm.training.progress import DrawingBudget, duration, number

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table

PLAIN_INTERVAL_S = 60.0
"""Seconds between two lines about the same trial: an hour's log stays readable."""

WIDE = 120
"""Columns of a terminal from which on the table shows the whole configuration."""

NARROW_BAR = 8
"""Columns of a progress bar on a narrower terminal."""


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

    def __init__(self, plan: Plan, results: Results) -> None:
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


class PlainView(PlainObserver):
    """Prints the search's messages, and now and then how each running trial stands.

    Args:
        stream: Where to; default: standard output.
        interval: Seconds between two lines about the same trial.
    """

    def __init__(self, stream: TextIO | None = None, interval: float = PLAIN_INTERVAL_S) -> None:
        super().__init__(stream)
        self._interval = interval
        self._progress: SearchProgress | None = None
        self._next: dict[int, float] = {}

    def search_started(self, plan: Plan, results: Results) -> None:
        """Say what is about to run."""
        super().search_started(plan, results)
        self._progress = SearchProgress(plan, results)

    def trial_started(self, trial: Trial) -> None:
        """Say that a trial starts, and with what."""
        super().trial_started(trial)
        if self._progress is not None:
            self._progress.start(trial)
            self._next[trial.number] = time.monotonic() + self._interval
            self._print(f"{trial.label} {configuration(trial.hyperparameters)}")

    def trial_finished(self, trial: Trial, outcome: Outcome) -> None:
        """Say how a trial ended, and how the search stands."""
        super().trial_finished(trial, outcome)
        if self._progress is not None:
            self._progress.finish(trial)
            self._print(f"{self._progress.counts()}; about {duration(self._progress.seconds_left)} left")

    def tick(self) -> None:
        """Say how trials stand whose last line is long ago."""
        if self._progress is None:
            return
        self._progress.read()
        for one in self._progress.running.values():
            if time.monotonic() >= self._next[one.trial.number] and one.iteration:
                self._next[one.trial.number] = time.monotonic() + self._interval
                self._print(f"{one.trial.label} {standing(one)}")


class LiveView(PlainObserver):
    """A table that is redrawn in place, with the search's messages scrolling above it.

    Args:
        stream: The terminal; default: standard output.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._budget = DrawingBudget()
        self._progress: SearchProgress | None = None
        self._live: Live | None = None

    def search_started(self, plan: Plan, results: Results) -> None:
        """Say what is about to run, and show the table."""
        from rich.console import Console
        from rich.live import Live

        super().search_started(plan, results)
        self._progress = SearchProgress(plan, results)
        console = Console(file=self._stream)
        self._live = Live(console=console, auto_refresh=False, get_renderable=lambda: self._table(console))
        # A search that ends by an exception must not leave a terminal without a cursor.
        atexit.register(self.close)
        self._live.start(refresh=True)

    def trial_started(self, trial: Trial) -> None:
        """Say that a trial starts, and give it a row."""
        super().trial_started(trial)
        if self._progress is not None:
            self._progress.start(trial)

    def trial_finished(self, trial: Trial, outcome: Outcome) -> None:
        """Say how a trial ended, and take its row away."""
        super().trial_finished(trial, outcome)
        if self._progress is not None:
            self._progress.finish(trial)

    def tick(self) -> None:
        """Draw again if there is time for it."""
        if self._live is not None and self._budget.due():
            self._budget.spend(self._refresh)

    def _refresh(self) -> None:
        assert self._progress is not None
        assert self._live is not None
        self._progress.read()
        self._live.refresh()

    def search_finished(self, results: Results) -> None:  # noqa: ARG002  (the interface's)
        """Draw for the last time and leave the terminal as it was."""
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            atexit.unregister(self.close)

    def _print(self, text: str) -> None:
        if self._live is None:
            super()._print(text)
        else:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _table(self, console: "Console") -> "Group":
        from rich.console import Group

        assert self._progress is not None
        # Rows beyond the terminal's height would be cut off without a word.
        room = max(console.height - 8, 1)
        running = list(self._progress.running.values())
        more = [f"and {len(running) - room} more running"] if len(running) > room else []
        trials = [_trials(running[:room], console)] if running else []
        return Group(*trials, *more, *_totals(self._progress))


def _trials(running: list[Running], console: "Console") -> "Table":
    """The running trials, a row each."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    table.add_column("trial", justify="right", no_wrap=True)
    # A wide terminal shows the whole configuration, and the bar takes the rest; a narrow one, the other way round.
    wide = console.width >= WIDE
    table.add_column("configuration", no_wrap=True, overflow="ellipsis", ratio=None if wide else 1)
    table.add_column("progress", ratio=1 if wide else None, width=None if wide else NARROW_BAR)
    for title in ("iteration", "return", "captured", "left"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in running:
        total = one.trial.config.n_iterations
        table.add_row(
            str(one.trial.number),
            configuration(one.trial.hyperparameters),
            ProgressBar(total=total, completed=one.iteration),
            f"{one.iteration}/{total}",
            number(one.current_return),
            number(one.captured_value, 3),
            duration(one.seconds_left),
        )
    return table


def _totals(progress: SearchProgress) -> list["Table | str"]:
    """The search as a whole."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    line = Table.grid(padding=(0, 2), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True, justify="right")
    line.add_row(
        f"search {100 * progress.share_done:.0f}%",
        ProgressBar(total=1.0, completed=progress.share_done),
        f"elapsed {duration(progress.elapsed)}  left {duration(progress.seconds_left)}",
    )
    return [line, progress.counts(), progress.best()]


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
