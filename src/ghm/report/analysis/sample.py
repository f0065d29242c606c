"""What a page of very many trials draws: a sample of them, and it says so."""

import numpy as np

from ghm.search.records.state import SearchState
from ghm.search.trials.outcome import TrialRecord

DRAWN = 500
"""Trials drawn at most: beyond, points and curves cover each other, and a page of 10,000 takes minutes and 20 MB.

With 500 trials the standard error of a hyperparameter's share of the ranking is about 0.045 at most.
"""


def sample(search: SearchState, most: int = DRAWN, seed: int = 0) -> SearchState:
    """The search with ``most`` of its trials, drawn at random, its best one always among them; all, if there are no more.

    Configurations are drawn, each with all its trials: half of one could not be compared.
    """
    trials, best = search.trials, search.best_trial
    if len(trials) <= most:
        return search
    groups: dict[int, list[TrialRecord]] = {}
    for trial in trials:
        groups.setdefault(trial.configuration, []).append(trial)
    kept = groups.pop(best.configuration, []) if best is not None else []
    others = list(groups.values())
    for index in np.random.default_rng(seed).permutation(len(others)):
        if len(kept) + len(others[index]) > most:
            break
        kept = [*kept, *others[index]]
    return search.restricted(kept)


def sentence(drawn: SearchState, search: SearchState) -> str | None:
    """That the page draws a sample; None where it draws all."""
    if len(drawn.trials) == len(search.trials):
        return None
    return (
        f"Charts, importance and leaderboard are of {len(drawn.trials):,} of the {len(search.trials):,} trials, the best one and "
        "others drawn at random; the figures above and what `ghm report --export` writes are of all."
    )
