"""How long a search will take, roughly: said before it starts, and corrected by the trials that have finished."""

from collections.abc import Sequence

from ghm.search.settings.config import SearchConfig
from ghm.search.settings.space import Choices
from ghm.search.trials.outcome import Outcome

# Time of one training iteration on one core: a fixed part, and a part for each path and time step.
# `benchmarks/search_overhead.py` is where these are measured; they are good to a factor of two.
SECONDS_PER_ITERATION = 0.015
SECONDS_PER_PATH_STEP = 3e-8


def estimated_seconds(config: SearchConfig, choices: Choices, n_trials: int, finished: Sequence[Outcome] = ()) -> float:
    """Seconds until ``n_trials`` more trials are done, from the finished ones if there are any."""
    # A trial that was stopped at a rung took its share of a whole one's time.
    whole = [(one, config.n_iterations / one.iterations if one.iterations else 1.0) for one in finished if one.success]
    times = [one.seconds * share for one, share in whole]
    if times:
        trial = sum(times) / len(times)
    else:
        paths = choices["n_trajectories"]
        path_steps = sum(paths) / len(paths) * config.training().n_steps
        trial = config.n_iterations * (SECONDS_PER_ITERATION + SECONDS_PER_PATH_STEP * path_steps)
    # The last round of workers may be incomplete, and takes as long as a full one.
    rounds = -(-n_trials // config.n_workers)
    return trial * rounds


def duration(seconds: float) -> str:
    """A length of time in words: ``42 s``, ``3.5 min``, ``7.0 h``, ``12.3 days``."""
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
