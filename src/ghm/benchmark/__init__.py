"""A tabular benchmark for hyperparameter optimisation: recorded trainings, measured by their distance to a known optimum.

>>> from ghm.benchmark import load_table
>>> table = load_table()
>>> number = table.nearest({"lr_policy": 3e-3, "estimator": "gae"})
>>> value = table.objective(number, iterations=table.iterations[-1], seed=table.seeds[0])
"""

from ghm.benchmark.seeds import Seeds, load_seeds
from ghm.benchmark.table import Table, load_table

__all__ = ["Seeds", "Table", "load_seeds", "load_table"]
