"""What a search shows while it runs: a live table on a terminal, plain lines elsewhere.

Both say the same: the spec's messages as they come, and of each running trial its configuration, how far it is, its
firm value and captured value and the time left; how many trials finished and failed, the best so far, and the time left for
the search. Drawing takes a bounded share of the search's time (`ghm.training.logging.progress.DrawingBudget`).
"""

import atexit
import contextlib
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from ghm.errors import shown
from ghm.io.text import percent_text
from ghm.search.display.lines import PlainObserver
from ghm.search.display.observer import Plan
from ghm.search.display.running import Running, SearchProgress, configuration, standing
from ghm.search.records.state import SearchState
from ghm.search.settings.configurations import described
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import Trial
from ghm.training.logging.progress import DrawingBudget, bar, duration, number

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

PLAIN_INTERVAL_S = 60.0
"""Seconds between two lines about the same trial: an hour's log stays readable."""

FIGURES = (("iteration", 11), ("firm value", 10), ("captured", 8), ("left", 7))
"""Columns of the table of running trials, behind the bar, and their least widths."""

BAR = 16
"""Least width of a trial's bar beside the whole configuration."""


class PlainView(PlainObserver):
    """Prints the search's messages, and now and then how each running trial stands.

    Args:
        stream: Where to; default: standard output.
        interval: Seconds between two lines about the same trial.
    """

    name = "the display of running trials"

    def __init__(self, stream: TextIO | None = None, interval: float = PLAIN_INTERVAL_S) -> None:
        super().__init__(stream)
        self._interval = interval
        self._progress: SearchProgress | None = None
        self._next: dict[int, float] = {}

    def search_started(self, plan: Plan, state: SearchState) -> None:
        """Say what is about to run."""
        super().search_started(plan, state)
        self._progress = SearchProgress(plan, state)

    def joined(self, plan: Plan, results: SearchState, running: Iterable[Trial]) -> None:
        """Take over from a display that failed."""
        super().joined(plan, results, running)
        self._progress = SearchProgress(plan, results)
        for trial in running:
            self._progress.start(trial)
            self._next[trial.number] = time.monotonic() + self._interval

    def next_best(self) -> PlainObserver:
        """The messages alone, which look at no running trial."""
        return PlainObserver(self._stream)

    def trial_started(self, trial: Trial) -> None:
        """Say that a trial starts, and with what."""
        super().trial_started(trial)
        if self._progress is not None:
            self._progress.start(trial)
            self._next[trial.number] = time.monotonic() + self._interval
            if not trial.checkpoint.is_file():  # one that continues was introduced when it started
                self._print(described(trial.hyperparameters))

    def trial_finished(self, trial: Trial, outcome: TrialRecord) -> None:
        """Say how a trial ended, and how the search stands."""
        super().trial_finished(trial, outcome)
        if self._progress is not None:
            self._progress.finish(trial, outcome)
            self._print("; ".join(filter(None, (self._progress.counts(), self._progress.time_left()))))

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

    name = "the live table"

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._budget = DrawingBudget()
        self._progress: SearchProgress | None = None
        self._live: Live | None = None
        self._given_up = False

    def search_started(self, plan: Plan, state: SearchState) -> None:
        """Say what is about to run, and show the table."""
        from rich.console import Console
        from rich.live import Live

        super().search_started(plan, state)
        self._progress = SearchProgress(plan, state)
        console = Console(file=self._stream)
        self._live = Live(console=console, auto_refresh=False, get_renderable=lambda: self._table(console))
        # A search that ends by an exception must not leave a terminal without a cursor.
        atexit.register(self._end)
        self._live.start(refresh=True)

    def trial_started(self, trial: Trial) -> None:
        """Say that a trial starts, and give it a row."""
        super().trial_started(trial)
        if self._progress is not None:
            self._progress.start(trial)

    def trial_finished(self, trial: Trial, outcome: TrialRecord) -> None:
        """Say how a trial ended, and take its row away."""
        super().trial_finished(trial, outcome)
        if self._progress is not None:
            self._progress.finish(trial, outcome)

    def _say_best(self) -> None:
        """Nothing: the table says it."""

    def tick(self) -> None:
        """Draw again if there is time for it."""
        if self._live is not None and self._budget.due():
            self._budget.spend(self._refresh)

    def _refresh(self) -> None:
        assert self._progress is not None
        assert self._live is not None
        self._progress.read()
        self._live.refresh()

    def search_finished(self, state: SearchState) -> None:  # noqa: ARG002  (the interface's)
        """Draw for the last time and leave the terminal as it was."""
        self._end()

    def close(self) -> None:
        """Take the table away: it would stand still, and be drawn once more below the summary."""
        self._given_up = True
        self._end()

    def next_best(self) -> PlainView:
        """Lines about running trials."""
        return PlainView(self._stream)

    def _end(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            atexit.unregister(self._end)
            with contextlib.suppress(OSError):  # a terminal that was closed
                live.stop()

    def _print(self, text: str) -> None:
        if self._live is None:
            super()._print(text)
        else:
            self._live.console.print(shown(text), markup=False, highlight=False, overflow="fold")

    def _table(self, console: "Console") -> "Group":
        from rich.console import Group

        if self._given_up:
            return Group()
        assert self._progress is not None
        # Rows beyond the terminal's height would be cut off without a word.
        room = max(console.height - 8, 1)
        running = list(self._progress.running.values())
        wide = _wide(running, console)
        if not wide:
            room = max(room // 2, 1)
        more = [f"and {len(running) - room} more running"] if len(running) > room else []
        trials: list[Table | Text] = [_trials(running[:room], wide)] if running else []
        if not wide:
            shown = enumerate(running[:room])
            trials = [part for at, one in shown for part in (_trials([one], wide, head=at == 0), _settings(one))]
        return Group(*trials, *more, *_totals(self._progress))


def _wide(running: list[Running], console: "Console") -> bool:
    """Whether the terminal has room for whole configurations, beside bars and figures."""
    configurations = [len(configuration(one.trial.hyperparameters)) for one in running]
    columns = [5, max(configurations, default=0), BAR, *(width for _, width in FIGURES)]
    return console.width >= sum(columns) + 2 * len(columns)


def _settings(one: Running) -> "Text":
    from rich.text import Text

    return Text(f"  {configuration(one.trial.hyperparameters)}", style="dim")


def _trials(running: list[Running], wide: bool, head: bool = True) -> "Table":
    """The running trials, one row per trial; widths are fixed, so that tables under each other line up."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim", show_header=head)
    table.add_column("trial", justify="right", no_wrap=True, min_width=5)
    # On a narrow terminal the whole configuration has a line of its own: cut short, trials would look alike.
    if wide:
        table.add_column("configuration", no_wrap=True)
    table.add_column("progress", ratio=1)
    for title, width in FIGURES:
        table.add_column(title, justify="right", no_wrap=True, min_width=width)
    for one in running:
        total = one.trial.config.n_iterations
        table.add_row(
            str(one.trial.number),
            *([configuration(one.trial.hyperparameters)] if wide else []),
            ProgressBar(total=total, completed=one.iteration),
            f"{one.iteration}/{total}",
            number(one.current_return),
            percent_text(one.captured_value),
            duration(one.seconds_left),
        )
    return table


def _totals(progress: SearchProgress) -> list["Table | str"]:
    """The search as a whole."""
    words = f"search {100 * progress.share_done:.0f}%"
    line = bar(words, progress.share_done, progress.elapsed, progress.seconds_left)
    return [line, progress.counts(), progress.best()]
