"""What a training run shows while it works: a live table on a terminal, plain lines elsewhere.

The display must not cost what it shows. A live table is drawn anew only when at least ``1 / SHARE`` times the last
drawing's own time has passed, so that it takes less than ``SHARE`` of the run however slow the terminal.
"""

import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TextIO

from ghm.io.text import LEVELS, percent_text
from ghm.training.settings import Progress

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.table import Table

SHARE = 0.004
"""Largest share of a run's time that drawing may take: below the 0.5% that users are promised."""

SHORTEST_INTERVAL = 0.25
"""Seconds between two drawings at least: people do not read faster."""

LABELS = {
    "simulated_return": "simulated firm value",
    "exact_return": "firm value",
    "captured_value": "captured value",
    **LEVELS,
    "policy_loss": "policy loss",
    "value_loss": "value loss",
    "entropy": "entropy",
    "policy_grad_norm": "policy gradient",
    "value_grad_norm": "value gradient",
}
"""Figures of a history line in the order shown, with their names for people."""

PLAIN_FIGURES = ("simulated_return", "exact_return", "captured_value")
"""Figures of a plain line; the rest is in history.jsonl and TensorBoard."""


class DrawingBudget:
    """Says when a display may be drawn again, so that drawing stays below `SHARE` of the time."""

    def __init__(self, shortest_interval: float = SHORTEST_INTERVAL) -> None:
        self._shortest_interval = shortest_interval
        self._next = 0.0

    def due(self) -> bool:
        """Whether enough time has passed since the last drawing."""
        return time.perf_counter() >= self._next

    def spend(self, draw: Callable[[], None]) -> None:
        """Draw, and set the time of the next drawing by what this one cost."""
        before = time.perf_counter()
        draw()
        after = time.perf_counter()
        self._next = after + max((after - before) / SHARE, self._shortest_interval)


def resolve_progress(progress: Progress, stream: TextIO) -> Literal["live", "plain", "none"]:
    """The display meant: ``auto`` is live on a terminal that can move its cursor, plain elsewhere."""
    if progress != "auto":
        return progress
    return "live" if stream.isatty() and os.environ.get("TERM") != "dumb" else "plain"


def duration(seconds: float | None) -> str:
    """Seconds as people read them: 0:42, 12:05, 3:07:00; a dash where unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def number(value: float | None, digits: int = 4) -> str:
    """A figure with ``digits`` decimals; a dash where missing or not finite."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _text(key: str, value: float | None) -> str:
    """A figure of a history line: captured value in percent, any other as a number."""
    return percent_text(value, 2) if key == "captured_value" else number(value)


def bar(words: str, share: float, elapsed: float, left: float | None) -> "Table":
    """A line of a terminal: words, a bar up to the share that is done, seconds since the beginning and to the end."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    line = Table.grid(padding=(0, 2), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True, justify="right")
    line.add_row(words, ProgressBar(total=1.0, completed=share), f"elapsed {duration(elapsed)}  left {duration(left)}")
    return line


class TrainingView:
    """Shows one run; a context manager, updated by the trainer.

    Example:
        with TrainingView(5000, "auto") as view:
            for iteration in range(1, 5001):
                ...
                view.update(iteration)              # cheap: every iteration
                view.update(iteration, record)      # with a line of the history, whenever one is written
    """

    def __init__(
        self,
        n_iterations: int,
        progress: Progress = "auto",
        stream: TextIO | None = None,
        start_iteration: int = 0,
        optimum: Mapping[str, float | None] | None = None,
    ) -> None:
        """Make a view; nothing is shown before it is entered.

        Args:
            n_iterations: Iterations of the whole run.
            progress: Display: ``auto``, ``live``, ``plain`` or ``none``.
            stream: Where to write; standard output by default.
            start_iteration: Iterations done before, when a run continues.
            optimum: Optimal figures to stand beside the learned ones, under the names of a history line
                (``payout_level``, ``issue_below``, ``issue_target``, ``exact_return``, ``captured_value``).
        """
        self._stream = sys.stdout if stream is None else stream
        self._mode = resolve_progress(progress, self._stream)
        self._n_iterations = n_iterations
        self._start_iteration = start_iteration
        self._optimum = dict(optimum or {})
        self._iteration = start_iteration
        self._figures: dict[str, Any] = {}
        self._started = time.perf_counter()
        self._budget = DrawingBudget()
        self._live: Live | None = None

    def update(self, iteration: int, figures: Mapping[str, Any] | None = None) -> None:
        """Note that ``iteration`` is done; ``figures`` are a line of the history, if one was written."""
        self._iteration = iteration
        if figures is not None:
            # An evaluation's figures stay in view until the next one, whose missing levels mean "never".
            evaluated = figures.get("exact_return") is not None
            self._figures.update({key: value for key, value in figures.items() if evaluated or value is not None})
            if self._mode == "plain":
                print(self._line(figures), file=self._stream, flush=True)
        if self._live is not None and self._budget.due():
            self._budget.spend(self._draw)

    def message(self, text: str) -> None:
        """Show a line that stays, above a live table."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        elif self._mode != "none":
            print(text, file=self._stream, flush=True)

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        if self._mode == "live":
            from rich.console import Console
            from rich.live import Live

            self._live = Live(self._table(), console=Console(file=self._stream), auto_refresh=False)
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._draw()
            self._live.stop()
            self._live = None

    def _draw(self) -> None:
        assert self._live is not None
        self._live.update(self._table(), refresh=True)

    def _times(self) -> tuple[float, float | None]:
        """Seconds since the start and, once an iteration is done, seconds left."""
        elapsed = time.perf_counter() - self._started
        done = self._iteration - self._start_iteration
        return elapsed, elapsed / done * (self._n_iterations - self._iteration) if done > 0 else None

    def _line(self, figures: Mapping[str, Any]) -> str:
        elapsed, left = self._times()
        shown = [f"{LABELS[key]} {_text(key, figures[key])}" for key in PLAIN_FIGURES if figures.get(key) is not None]
        return "  ".join(
            [
                f"iteration {self._iteration:>{len(str(self._n_iterations))}}/{self._n_iterations}",
                *shown,
                f"elapsed {duration(elapsed)}",
                f"left {duration(left)}",
            ]
        )

    def _table(self) -> "Group":
        from rich.console import Group
        from rich.table import Table

        words = f"iteration {self._iteration}/{self._n_iterations}"
        head = bar(words, self._iteration / self._n_iterations, *self._times())
        table = Table(box=None, padding=(0, 2), header_style="dim")
        table.add_column("figure")
        table.add_column("learned", justify="right")
        table.add_column("optimum", justify="right", style="dim")
        for key, label in LABELS.items():
            if key in self._figures:
                optimum = _text(key, self._optimum[key]) if key in self._optimum else ""
                table.add_row(label, _text(key, self._figures[key]), optimum)
        return Group(head, table)
