"""Tells a search's displays what happens; one that fails is closed, and the next best one takes its place."""

import contextlib
import sys
from collections.abc import Callable, Sequence

from ghm.io.guard import survive
from ghm.search.decisions.selection import Decision
from ghm.search.display.observer import Observer, Plan
from ghm.search.records.state import SearchState
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import Trial

DETAILS_NAME = "display_errors.log"
"""File in the results directory with the tracebacks of displays that failed."""


class Displays(Observer):
    """All displays of a search as one, which never raises.

    Args:
        observers: The displays.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.failures: list[str] = []
        """A line for each display that failed."""
        self._observers = list(observers)
        self._running: dict[int, Trial] = {}
        self._plan: Plan | None = None
        self._results: SearchState | None = None

    def search_started(self, plan: Plan, results: SearchState) -> None:
        """Tell all."""
        self._plan, self._results = plan, results
        self.failures.clear()
        self._running.clear()
        self._tell(lambda one: one.search_started(plan, results))

    def decided(self, decision: Decision) -> None:
        """Tell all."""
        self._tell(lambda one: one.decided(decision))

    def trial_started(self, trial: Trial) -> None:
        """Tell all."""
        self._tell(lambda one: one.trial_started(trial))
        self._running[trial.number] = trial

    def trial_finished(self, trial: Trial, outcome: TrialRecord) -> None:
        """Tell all."""
        self._running.pop(trial.number, None)
        self._tell(lambda one: one.trial_finished(trial, outcome))

    def tick(self) -> None:
        """Tell all."""
        self._tell(lambda one: one.tick())

    def stopping(self) -> None:
        """Tell all."""
        self._tell(lambda one: one.stopping())

    def search_finished(self, results: SearchState) -> None:
        """Tell all."""
        self._tell(lambda one: one.search_finished(results))

    def _tell(self, event: Callable[[Observer], None]) -> None:
        self._observers = [heir for one in self._observers if (heir := self._told(one, event)) is not None]

    def _told(self, observer: Observer, event: Callable[[Observer], None]) -> Observer | None:
        """The display once it was told; another in its place if it failed; None if there is none."""
        try:
            event(observer)
        except BrokenPipeError:  # its reader has had enough
            self._close(observer)
        except OSError as error:  # no room where it writes: a simpler display has none either
            self._close(observer)
            self._say(f"{observer.name} failed: {error}; nothing more is shown there")
        except Exception as error:  # a fault in a display must not cost the trials
            return self._replaced(observer, event, error)
        else:
            return observer
        return None

    def _replaced(self, observer: Observer, event: Callable[[Observer], None], error: Exception) -> Observer | None:
        self._close(observer)
        assert self._plan is not None
        assert self._results is not None
        told = survive(observer.name, error, self._plan.results_dir / DETAILS_NAME)
        heir = observer.next_best()
        self._say(f"{told}; " + ("nothing more is shown there" if heir is None else f"{heir.name} goes on"))
        if heir is None:
            return None
        plan, results, running = self._plan, self._results, list(self._running.values())

        def join(one: Observer) -> None:
            one.joined(plan, results, running)
            event(one)  # what the other failed at: said twice rather than never

        return self._told(heir, join)

    def _close(self, observer: Observer) -> None:
        with contextlib.suppress(OSError):  # where it draws is gone
            observer.close()

    def _say(self, failure: str) -> None:
        self.failures.append(failure)
        with contextlib.suppress(OSError):  # nobody reads it now; the summary repeats it
            sys.stderr.write(f"{failure}\n")
            sys.stderr.flush()
