"""An Optuna study on the tabular benchmark: 30 trials, pruned, in a second instead of hours.

python examples/benchmark_with_optuna.py
"""

import optuna

from ghm.benchmark import load_table

optuna.logging.set_verbosity(optuna.logging.WARNING)
table = load_table()
seed = table.seeds[0]
spent, asked = 0, set[int]()


def objective(trial: optuna.Trial) -> float:
    """Captured value of the recorded configuration that is nearest to what the sampler suggests."""
    global spent
    values = {
        "estimator": trial.suggest_categorical("estimator", ["after_state", "gae"]),
        "lr_policy": trial.suggest_float("lr_policy", 1e-5, 1e-1, log=True),
        "max_grad_norm": trial.suggest_float("max_grad_norm", 0.01, 10.0, log=True),
        "n_trajectories": trial.suggest_int("n_trajectories", 100, 1000, step=50),
    }
    number = table.nearest(values, excluded=asked)  # settings that are not named do not count
    asked.add(number)
    value, before = 0.0, 0
    for iterations in table.iterations[1:]:
        spent, before = spent + iterations - before, iterations
        value = table.objective(number, iterations, seed)
        trial.report(value, iterations)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=1),
    pruner=optuna.pruners.HyperbandPruner(min_resource=table.iterations[1], max_resource=table.iterations[-1]),
)
study.optimize(objective, n_trials=30)
best = max(table.objective(number, table.iterations[-1], seed) for number in range(len(table.configurations)))
print(
    f"captured value {study.best_value:.4f} after {spent:,} iterations; the best of the table has {best:.4f}, the optimum 1"
)
