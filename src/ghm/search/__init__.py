"""The search over hyperparameters.

>>> from ghm.search import HyperparameterSearch, LogFloat, SearchConfig, SearchSpace
>>> space = SearchSpace()
>>> space.lr_policy = LogFloat(1e-5, 1e-1)
>>> search = HyperparameterSearch(space, SearchConfig(n_trials=4, n_iterations=300))
"""

from ghm.search.display.lines import PlainObserver
from ghm.search.display.observer import Observer
from ghm.search.resolved import resumed_config
from ghm.search.search import HyperparameterSearch
from ghm.search.search_outcome import SearchOutcome
from ghm.search.settings.config import SearchConfig
from ghm.search.settings.distributions import Layers
from ghm.search.settings.space import FloatRange, IntRange, LogFloat, LogInt, SearchSpace

__all__ = [
    "FloatRange",
    "HyperparameterSearch",
    "IntRange",
    "Layers",
    "LogFloat",
    "LogInt",
    "Observer",
    "PlainObserver",
    "SearchConfig",
    "SearchOutcome",
    "SearchSpace",
    "resumed_config",
]
