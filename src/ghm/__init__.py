"""Hyperparameter search for Monte Carlo policy gradient on the GHM equity management model."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ghm.report.analysis.results import load_results

__all__ = ["load_results"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: ``import ghm`` alone stays light."""
    if name == "load_results":
        from ghm.report.analysis.results import load_results

        return load_results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
