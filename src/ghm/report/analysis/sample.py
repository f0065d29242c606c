"""What a page of very many trials draws: a sample of them, and it says so."""

import dataclasses

import numpy as np

from ghm.search.records.reader import RecordedSearch, RecordedTrial

DRAWN = 500
"""Trials drawn at most: beyond, points and curves cover each other, and a page of 10,000 takes minutes and 20 MB.

With 500 trials the standard error of a hyperparameter's share of the ranking is about 0.045 at most.
"""


def sample(search: RecordedSearch, most: int = DRAWN, seed: int = 0) -> RecordedSearch:
    """The search with ``most`` of its trials, drawn at random, its best one always among them; all, if there are no more.

    Of a search with several seeds or calibrations it is configurations that are drawn, each with all its trials: half of one
    could not be compared.
    """
    if len(search.trials) <= most:
        return search
    groups: dict[int, list[RecordedTrial]] = {}
    for trial in search.trials:
        groups.setdefault(trial.configuration if search.several_instances else trial.number, []).append(trial)
    kept = next((group for group in groups.values() if search.best in group), [])
    others = [group for group in groups.values() if group is not kept]
    for index in np.random.default_rng(seed).permutation(len(others)):
        if len(kept) + len(others[index]) > most:
            break
        kept = [*kept, *others[index]]
    return dataclasses.replace(search, trials=tuple(sorted(kept, key=lambda trial: trial.number)))


def sentence(drawn: RecordedSearch, search: RecordedSearch) -> str | None:
    """That the page draws a sample; None where it draws all."""
    if len(drawn.trials) == len(search.trials):
        return None
    return (
        f"Charts, importance and leaderboard are of {len(drawn.trials):,} of the {len(search.trials):,} trials, the best one and "
        "others drawn at random; the figures above and what `ghm report --export` writes are of all."
    )
