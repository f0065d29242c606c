"""The steps of a search as they are taken: decisions are written down, trials made ready to run."""

from collections import deque
from collections.abc import Iterator

from ghm.errors import UserError
from ghm.search.decisions.scheduler import Step
from ghm.search.decisions.selection import Decision
from ghm.search.methods.proposals import OutsideGridError
from ghm.search.records.journal import Journal
from ghm.search.records.state import SearchState
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import Trial
from ghm.search.trials.workspace import rewrite_outcome, unrecorded_outcome

LOOKAHEAD = 64
"""Trials made ready at once: their proposals are then forced to disk together, which costs as much as for one."""


class StepQueue:
    """The steps of a search as they are taken: decisions are written down, trials made ready to run.

    Args:
        steps: what is to be done, see :data:`ghm.search.decisions.scheduler.Step`.
        state: what is recorded; steps depend on it.
        journal: where decisions are written down.
        at_least: trials to have ready.
    """

    def __init__(self, steps: Iterator[Step], state: SearchState, journal: Journal, at_least: int) -> None:
        self._steps, self._state, self._journal, self._at_least = steps, state, journal, at_least
        self._ready: deque[Trial] = deque()
        self._exhausted = False
        self._made: list[Decision] = []

    @property
    def finished(self) -> bool:
        """Whether no step is left, nor a trial that is ready to run."""
        return self._exhausted and not self._ready

    def advance(self) -> None:
        """Take the steps that can be taken now, until enough trials are ready; write down the decisions among them.

        Raises:
            UserError: when a decision comes out otherwise than it was recorded, or a record is of another trial.
            OSError: when something cannot be written.
        """
        if len(self._ready) >= self._at_least:
            return
        while len(self._ready) < max(self._at_least, LOOKAHEAD) and not self._exhausted:
            try:
                step = next(self._steps)
            except StopIteration:
                self._exhausted = True
                break
            except OutsideGridError as error:
                raise UserError(f"{self._state.path.parent}: {error}; remove that trial's directory") from error
            if step is None:
                break
            self._take(step)
        self._journal.write()

    def drain_decisions(self) -> list[Decision]:
        """Decisions made and written down since this was last asked for."""
        made, self._made = self._made, []
        return made

    def next_trial(self) -> Trial | None:
        """A trial that is ready to run."""
        return self._ready.popleft() if self._ready else None

    @property
    def ready(self) -> bool:
        """Whether a trial is ready to run."""
        return bool(self._ready)

    def put_back(self, trial: Trial) -> None:
        """The trial is to be run again, before all others: what is run does not depend on whose workers are lost."""
        self._ready.appendleft(trial)

    def _take(self, step: Decision | TrialRecord | Trial) -> None:
        if isinstance(step, Decision):
            if self._journal.take(step):
                self._made.append(step)
            if step.kind in ("confirmation", "race"):
                self._state.choose(step)
        elif isinstance(step, TrialRecord):
            self._journal.write()  # a decision is written down before it is acted on
            rewrite_outcome(self._state.directory(step), step)
            self._state.add(step)
        elif told := unrecorded_outcome(step):
            self._state.add(told)
        else:
            self._ready.append(step)
