"""Which trials are still to be run: the one place that decides it."""

from collections.abc import Sequence

from ghm.search.trials.outcome import Outcome


def pending(n_trials: int, outcomes: Sequence[Outcome], retry_failed: bool = False) -> list[int]:
    """Numbers, from 1 to ``n_trials``, of the trials that are not over; with ``retry_failed`` failed ones are not."""
    over = {outcome.trial_num for outcome in outcomes if outcome.final and (outcome.success or not retry_failed)}
    return [number for number in range(1, n_trials + 1) if number not in over]
