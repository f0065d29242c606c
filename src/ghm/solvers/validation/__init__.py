"""Checks of the solutions: the validation card, and the independent answers that it holds them against."""

from ghm.solvers.validation.card import Card, Line, card, validate
from ghm.solvers.validation.evidence import Evidence
from ghm.solvers.validation.simulation import simulate
from ghm.solvers.validation.stopping import optimal_stopping
from ghm.solvers.validation.stored import load_or_validate

__all__ = ["Card", "Evidence", "Line", "card", "load_or_validate", "optimal_stopping", "simulate", "validate"]
