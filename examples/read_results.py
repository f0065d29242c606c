"""Read a search's results in Python: which settings work, and what the best policy does.

python examples/read_results.py results/hyperparam_search
"""

import sys

import ghm

results = ghm.load_results(sys.argv[1] if len(sys.argv) > 1 else "results/hyperparam_search")

# All trials as a pandas DataFrame, one row per trial; results.column_descriptions says what the columns are.
trials = results.trials
print(f"{len(trials)} trials, {trials['success'].sum()} successful")
best = trials.nlargest(5, "best_return")
print(
    best[["trial_num", "captured_value", "best_return", "lr_policy", "lr_baseline", "n_trajectories"]].to_string(
        index=False
    )
)

# Which learning rate works? Captured value is 0 for immediate liquidation and 1 for the optimum.
print("\nMedian captured value by learning rate of the policy")
print(trials.groupby("lr_policy")["captured_value"].median().to_string())

# The best trial's policy is a function of cash and time to horizon (numbers or arrays).
policy = results.best_policy
print("\nWhat the best policy does with the whole horizon ahead")
horizon = results.search.config.T
for cash in (0.0, 0.05, 0.2, 1.0):
    action = policy(cash, horizon)
    print(
        f"cash {cash:.2f}: hold {action.hold:.2f}, pay {action.pay:.2f} (down to {action.payout_level:.3f}), "
        f"issue {action.issue:.2f} (up to {action.issue_target:.3f})"
    )
