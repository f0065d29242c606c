"""Hyperparameter search for Monte Carlo policy gradient on the GHM equity management model.

The front door of the package:

==================  =====================================================================
`load_results`      a search's results: trials as a DataFrame, the best policy as a function
`solve`             the optimum of the model over grids of cash and time to horizon
`evaluate`          any policy judged by its exact return, beside the optimum
`GHMModel`          the model and its parameters
`UserError`         what is raised where the caller can mend something
==================  =====================================================================
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ghm.errors import UserError
    from ghm.model import GHMModel
    from ghm.reference.answers.evaluation import evaluate
    from ghm.reference.answers.solution import solve
    from ghm.report.analysis.results import load_results

__version__ = "0.1.0"

__all__ = ["GHMModel", "UserError", "__version__", "evaluate", "load_results", "solve"]

_MODULES = {
    "GHMModel": "ghm.model",
    "UserError": "ghm.errors",
    "evaluate": "ghm.reference.answers.evaluation",
    "load_results": "ghm.report.analysis.results",
    "solve": "ghm.reference.answers.solution",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: ``import ghm`` alone stays light."""
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Everything that can be asked for, loaded or not."""
    return sorted({*globals(), *__all__})
