"""Which is the optimum: the dynamic program's, or the higher one of a program with Gauss-Hermite quadrature?

    PYTHONPATH=tests python -m solvers.confirm_optimum [--batches N]

Prints what docs/design/model.md reports, in about a quarter of an hour of one core: both programs as they are refined, the
second also with the one thing changed that is held to be wrong with it, and, as the judge, a large simulation of the policies
that they find. The judge shares nothing with either, and needs no grid: if the higher figure were the optimum, the policy
that comes with it would earn it.
"""

import argparse

import numpy as np
from solvers import quadrature_bellman
from solvers.plain_simulation import simulate

from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.solvers import dynamic_program

DT, N_STEPS = 0.01, 1000
REFINEMENTS = (0.5, 1.0, 2.0, 4.0, 8.0)
QUADRATURES = ((2001, 31), (2001, 41), (4001, 61), (8001, 201), (16001, 401))
"""Nodes and quadrature points; the second is the first prototype's."""
PROTOTYPE = (2001, 41)
PATHS = 20_000
"""Paths a batch, for memory's sake."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=100, help=f"batches of {PATHS:,} simulated paths (default: 100)")
    batches = parser.parse_args().batches
    for fixed_cost in (0.002, 6.0):
        model = GHMModel(fixed_cost=fixed_cost)
        print(f"\nφ = {fixed_cost:g}\nrefinement of the dynamic program's grid, J*")
        for refinement in REFINEMENTS:
            optimum = dynamic_program(Problem(model, DT, N_STEPS * DT), refinement=refinement)
            print(f"{refinement:4g} ({optimum.cash.size:5} nodes)  {optimum.optimal_return:.8f}")
        print("nodes, points, J* by Gauss-Hermite quadrature, J* by quadrature split at zero")
        for nodes, points in QUADRATURES:
            hermite, split = (
                quadrature_bellman.solve(model, DT, N_STEPS, nodes, points, split) for split in (False, True)
            )
            print(f"{nodes:5} {points:4}  {hermite.optimal_return:.6f}  {split.optimal_return:.6f}", flush=True)
        print(f"simulated return of the policy found, {batches * PATHS:,} paths")
        report("dynamic program", model, dynamic_program(Problem(model, DT, N_STEPS * DT)), batches)
        report("quadrature " + str(PROTOTYPE), model, quadrature_bellman.solve(model, DT, N_STEPS, *PROTOTYPE), batches)


def report(name, model, solution, batches):
    """Print the policy's simulated return beside what its program says it is."""
    levels = solution.levels[:3]
    parts = [simulate(model, DT, N_STEPS, *levels, n_paths=PATHS, seed=seed) for seed in range(batches)]
    mean = np.mean([part.mean for part in parts])
    error = np.sqrt(np.sum([part.standard_error**2 for part in parts])) / batches
    said = solution.optimal_return
    print(
        f"{name}: said {said:.6f}, simulated {mean:.6f} ± {error:.6f}, {(said - mean) / error:+.1f} errors", flush=True
    )


if __name__ == "__main__":
    main()
