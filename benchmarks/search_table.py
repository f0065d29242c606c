"""The table of `ghm.benchmark` from the search that `make search-table` runs, and its best configurations on fresh seeds.

    python benchmarks/search_table.py results/search_table

Configurations all of whose trials are over are taken; of a search that goes on, those so far. Where it is confirmed, the
confirmation's trainings are kept beside the table.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from ghm.benchmark.seeds import FRESH
from ghm.benchmark.table import TRAININGS
from ghm.search.records.reader import read_search
from ghm.search.records.search_record import DECISIVE
from ghm.search.records.state import SearchState
from ghm.search.settings.configurations import plain_hyperparameters
from ghm.search.trials.outcome import TrialRecord

DIGITS = 7
"""Decimals of captured value kept: a hundred times finer than the reference solution is good to."""


def table(search: SearchState) -> dict[str, Any]:
    """The table as JSON types.

    Raises:
        ValueError: when no configuration is done, or evaluations differ.
    """
    of: dict[int, list[TrialRecord]] = {}
    for trial in search.trials:
        if trial.stage == "explore":
            of.setdefault(trial.configuration, []).append(trial)
    whole = [one for one in of.values() if len(one) == search.n_instances and all(trial.final for trial in one)]
    curves = {trial.trial_num: _curve(search, trial) for one in whole for trial in one}
    grids = {tuple(curve) for curve in curves.values() if curve}
    if len(grids) != 1:
        raise ValueError(f"{search.path}: the trials' evaluations differ, or there are none")
    reference = search.references[None]
    assert reference is not None
    return {
        "settings": {name: value for name, value in search.config.to_dict().items() if name in DECISIVE},
        "optimal_return": reference.optimal_return,
        "liquidation_return": reference.wind_up_return,
        "space": {name: values.to_json() for name, values in search.record.choices.items()},
        "seeds": [trial.seed for trial in whole[0]],
        "iterations": list(grids.pop()),
        "trainings": [
            {
                "hyperparameters": plain_hyperparameters(one[0].hyperparameters),
                "captured_value": [list(curves[trial.trial_num].values()) or None for trial in one],
            }
            for one in whole
        ],
    }


def _curve(search: SearchState, trial: TrialRecord) -> dict[int, float]:
    """Captured value by iteration; empty where the training failed."""
    if not trial.success:
        return {}
    found = ((line.iteration, line.captured_value) for line in search.history(trial))
    return {iteration: round(value, DIGITS) for iteration, value in found if value is not None and math.isfinite(value)}


def fresh_seeds(search: SearchState) -> dict[str, Any]:
    """Captured values of the confirmation's trainings that are over as JSON types; numbers of configurations are the table's."""
    assert search.confirmation is not None
    rows = []
    for number in search.confirmation.chosen:
        trials = [one for one in search.trials if one.stage == "confirm" and one.configuration == number and one.final]
        values = [max(_curve(search, one).values(), default=None) for one in trials]
        rows.append({"number": number - 1, "captured_value": values})
    return {"seeds": list(search.confirmation.seeds), "configurations": rows}


def write(content: dict[str, Any], path: Path) -> None:
    """Write a table, a training per line; its last item is the list of these."""
    *others, last = content
    head = json.dumps({name: content[name] for name in others})[:-1]
    rows = ",\n".join(json.dumps(row) for row in content[last])
    path.write_text(f'{head}, "{last}": [\n{rows}\n]}}\n')


def main() -> None:
    """Make the table and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", type=Path)
    parser.add_argument("--table", type=Path, default=TRAININGS)
    parser.add_argument("--seeds", type=Path, default=FRESH)
    flags = parser.parse_args()
    search = read_search(flags.results)
    content = table(search)
    write(content, flags.table)
    sizes = (len(content[name]) for name in ("trainings", "seeds", "iterations"))
    print("{}: {} configurations x {} seeds x {} evaluations".format(flags.table, *sizes))
    if search.confirmation is not None:
        fresh = fresh_seeds(search)
        write(fresh, flags.seeds)
        print(f"{flags.seeds}: {len(fresh['configurations'])} configurations x {len(fresh['seeds'])} seeds")


if __name__ == "__main__":
    main()
