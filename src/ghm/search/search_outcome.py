"""What a search leaves when it ends."""

from dataclasses import dataclass

from ghm.io.platforms import ExitStatus
from ghm.search.display.summary import summary
from ghm.search.records.state import SearchState


@dataclass(frozen=True)
class SearchOutcome:
    """What a call of :meth:`HyperparameterSearch.run` leaves."""

    results: SearchState
    """All trials, the best one, and the path of the JSON."""
    interrupted: bool
    """Whether there is still something to be done."""
    failures: tuple[str, ...] = ()
    """Displays that failed, a line each."""

    @property
    def n_trials(self) -> int:
        """Trials of the search in total."""
        return self.results.counts().asked

    @property
    def summary(self) -> str:
        """What the search found, as text, and what could not be shown of it."""
        found = summary(self.results, self.interrupted)
        return "\n".join(
            [found, "", "Not shown", *(f"  {line}" for line in self.failures)] if self.failures else [found]
        )

    @property
    def exit_status(self) -> int:
        """0: a trial completed; 1: every trial failed; 4: interrupted, as of the training script."""
        if self.interrupted:
            return ExitStatus.INTERRUPTED
        return ExitStatus.COMPLETED if any(one.success for one in self.results.trials) else ExitStatus.FAILED
