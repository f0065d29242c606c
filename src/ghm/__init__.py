"""Hyperparameter search for policy gradient on the GHM equity management model.

The front door of the package:

==================  =====================================================================
`load_results`      a search's results: trials as a DataFrame, the best policy as a function
`solve`             the optimum of the model over grids of cash and time to horizon
`infinite_horizon`  the objects of the paper: value, issuance, firms in the long run
`evaluate`          any policy judged by its exact return, beside the optimum
`GHMModel`          the model and its parameters
`Problem`           a model, a time step, a horizon, and what shareholders get there
`Actions`           what a policy of your own returns for states
`UserError`         what is raised where the caller can mend something
==================  =====================================================================
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ghm.economics.actions import Actions
    from ghm.economics.model import GHMModel
    from ghm.economics.problem import Problem
    from ghm.errors import UserError
    from ghm.report.analysis.results import load_results
    from ghm.solvers.answers.evaluation import evaluate
    from ghm.solvers.dynamic_program import solve
    from ghm.solvers.infinite_horizon import infinite_horizon

__version__ = "0.1.0"

__all__ = [
    "Actions",
    "GHMModel",
    "Problem",
    "UserError",
    "__version__",
    "evaluate",
    "infinite_horizon",
    "load_results",
    "solve",
]

_MODULES = {
    "Actions": "ghm.economics.actions",
    "GHMModel": "ghm.economics.model",
    "Problem": "ghm.economics.problem",
    "UserError": "ghm.errors",
    "evaluate": "ghm.solvers.answers.evaluation",
    "infinite_horizon": "ghm.solvers.infinite_horizon",
    "load_results": "ghm.report.analysis.results",
    "solve": "ghm.solvers.dynamic_program",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: ``import ghm`` alone stays light."""
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Everything that can be asked for, loaded or not."""
    return sorted({*globals(), *__all__})
