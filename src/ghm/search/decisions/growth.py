"""What a search grows by when it is resumed with more configurations, rungs or seeds: its next extents.

A growth takes nothing back. What was decided stands; configurations that are added pass the rungs as a group of their own, and
more seeds are for those that were trained to their ends, all of them or the best.
"""

from collections.abc import Callable, Sequence

from ghm.errors import UserError
from ghm.search.decisions.ranking import ConfigurationScore
from ghm.search.decisions.selection import Decision, best, digest, facts
from ghm.search.settings.config import RANK_WORDS, SearchConfig
from ghm.search.settings.trial_numbering import Extent, TrialNumbering
from ghm.training.settings import Hyperparameters


def grow(before: TrialNumbering, config: SearchConfig, n_configurations: int, again: bool) -> tuple[Extent, ...]:
    """The extents of a search that goes on with ``config``; none where it has not grown.

    Args:
        before: its numbers until now.
        config: the settings that are asked for, ``n_seeds`` and ``top`` among them.
        n_configurations: configurations in all.
        again: the last growth is over, so that the same one chooses anew.

    Raises:
        UserError: when it would shrink, or what is asked for does not go together.
    """
    extents, last = list(before.extents), before.extents[-1]
    _require_more(before, config)
    if n_configurations < last.n_trials:  # which was accepted as drift
        if before.group(len(extents) - 1).start > n_configurations:
            raise UserError(
                f"--n_trials {n_configurations}: the search grew beyond that, and its numbers would mean other trainings, also "
                f"with --allow_drift; give at least {before.group(len(extents) - 1).start}"
            )
        extents[-1] = last = Extent(n_configurations, last.rungs, last.n_seeds, last.top)
    if n_configurations > last.n_trials or config.rungs != last.rungs:
        extents.append(Extent(n_configurations, config.rungs, before.n_seeds(len(extents) - 1)))
    if config.top is not None or config.n_seeds > before.n_seeds(len(before.extents) - 1):
        seeds = Extent(n_configurations, config.rungs, config.n_seeds, config.top)
        if seeds != extents[-1] or again:
            _require_enough(before, config, extents)
            extents.append(seeds)
    return tuple(extents) if len(extents) > 1 else ()


def more_configurations(growth: int, group: range, rungs: Sequence[int], settings: str) -> Decision:
    """Configurations are added that pass ``rungs`` as a group of their own."""
    content = {"configurations": [group.start, group.stop - 1] if group else [], "rungs": list(rungs)}
    return Decision("growth", {"growth": growth}, content, digest(settings, growth, content))


def more_seeds(
    growth: int,
    extent: Extent,
    scores: Sequence[ConfigurationScore],
    settings: str,
    distinct: Callable[[Hyperparameters], Hyperparameters],
) -> Decision:
    """The best configurations, or all, are trained on more seeds; of those that are the same by ``distinct`` only the best."""
    content = {"of": len(scores), "chosen": best(extent.top, scores, distinct), "seeds": extent.n_seeds}
    return Decision("growth", {"growth": growth}, content, digest(settings, growth, extent.top, facts(scores)))


def growth_note(numbering: TrialNumbering, at: int) -> str:
    """What extent ``at`` adds, in a sentence."""
    extent, group = numbering.extents[at], numbering.group(at)
    if numbering.adds_seeds(at):
        going = numbering.n_finishing(at)
        which = f"all {going}" if extent.top is None else f"the {extent.top} best of {going}"
        ranked = RANK_WORDS[numbering.config.rank_by]
        return (
            f"The search grows: {which} configurations that are trained to their ends, ranked by the {ranked}, get "
            f"{extent.n_seeds} seeds each."
        )
    rungs = f" with rungs {_words(extent.rungs)}" if extent.rungs else ""
    if not group:
        return f"The search grows: configurations that are added from now on (--n_trials) have rungs {_words(extent.rungs)}."
    several = f"configurations {group.start} to {group.stop - 1} are"
    added = f"configuration {group.start} is" if len(group) == 1 else several
    return f"The search grows: {added} added{rungs}; what was decided stands."


def _require_more(before: TrialNumbering, config: SearchConfig) -> None:
    n_seeds, rungs = before.n_seeds(len(before.extents) - 1), before.extents[-1].rungs
    if config.n_seeds < n_seeds:
        raise UserError(
            f"--n_seeds {config.n_seeds} is fewer than the {n_seeds} of the search to --resume; a search grows and does not "
            f"shrink: give more, or leave it out"
        )
    if lost := sorted({*rungs} - {*config.rungs}):
        raise UserError(
            f"--rungs {_words(config.rungs)}: the search to --resume has {_words(rungs)}, and {_words(lost)} would be lost; "
            f"rungs are added: give --rungs {_words(sorted({*rungs, *config.rungs}))}, or leave it out"
        )


def _require_enough(before: TrialNumbering, config: SearchConfig, extents: Sequence[Extent]) -> None:
    """Refuse to choose more configurations than there are, or to compare what cannot be."""
    top = config.top
    if top is None:
        return
    if config.n_seeds <= before.n_seeds(len(before.extents) - 1):
        raise UserError(
            f"--top {top} needs --n_seeds above {config.n_seeds}, which all configurations have: it says how many configurations "
            f"are trained on more; give --n_seeds {config.n_seeds + 4} --top {top}"
        )
    if config.rank_by == "worst":
        raise UserError(
            f"--top {top}: with --rank_by worst, more seeds make a configuration's figure lower, and the chosen ones would fall "
            "behind the others; give --n_seeds without --top, or --confirm"
        )
    after = TrialNumbering(config, before.calibrations, extents[-1].n_trials, tuple(extents))
    if top > (most := after.n_finishing(len(extents))):
        raise UserError(f"--top {top}: only {most} configurations are trained to their ends; give at most {most}")


def _words(rungs: Sequence[int]) -> str:
    return " ".join(map(str, rungs)) or "none"
