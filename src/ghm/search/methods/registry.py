"""The search methods by name."""

from ghm.search.methods.proposals import GridProposal, Proposal, RandomProposal
from ghm.search.settings.config import SearchType
from ghm.search.settings.inactive import effective_choices
from ghm.search.settings.space import Choices


def make_proposal(
    search_type: SearchType, choices: Choices, seed_base: int, inactive: tuple[str, ...] = ()
) -> Proposal:
    """The search method of that name; only random search varies the hyperparameters named by ``inactive``."""
    if search_type == "random":
        return RandomProposal(choices, seed_base)
    if search_type == "grid":
        return GridProposal(effective_choices(choices, inactive))
    from ghm.search.methods.learned import LearnedProposal  # late: most searches need neither SciPy nor Optuna

    return LearnedProposal(search_type, effective_choices(choices, inactive), seed_base)
