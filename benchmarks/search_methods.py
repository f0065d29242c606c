"""Search methods on the table of `ghm.benchmark`: regret for the iterations spent, and rungs chosen on half of it.

    python benchmarks/search_methods.py
    python benchmarks/search_methods.py --choose
    python benchmarks/search_methods.py --learn_from

The first compares methods. The second chooses the rungs and the share promoted on half of the configurations, and tries them on
the other half, so that what is said of them is not flattered by the choice. The third searches half of the configurations with
what an earlier random search found in the other half, on another seed.
"""

import argparse
import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from replayed_search import (
    Course,
    Method,
    budgets_of,
    half,
    interval,
    iterations_needed,
    needed,
    regrets,
    run,
    search,
    search_half,
)

from ghm.benchmark import Table, load_table

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "search_methods.png"

CLOSE = (1e-2, 1e-3)
"""Regrets in captured value until which iterations are counted."""

BUDGETS = (2, 4, 8)
"""Whole trainings after whose iterations regret is told."""

SHARES = ((0.05,), (0.1,), (0.05, 0.15), (0.05, 0.2), (0.1, 0.3), (0.05, 0.1, 0.2), (0.05, 0.15, 0.4), (0.1, 0.2, 0.4))
"""Rungs among which is chosen, as shares of a training."""

KEEPS = (0.1, 0.15, 0.2, 0.25, 0.34, 0.5)
"""Shares promoted among which is chosen."""

CHOSEN_AT = (2, 3, 4)
"""Whole trainings after whose iterations the regret counts by which rungs are chosen."""


KEEP = 0.25
"""Share promoted that is recommended."""


def rungs(iterations: int, shares: Sequence[float]) -> tuple[int, ...]:
    """Of a training of so many iterations."""
    return tuple(round(share * iterations) for share in shares)


def methods(iterations: int) -> list[Method]:
    """What is compared where a whole training has so many iterations."""
    few, many = (rungs(iterations, shares) for shares in ((0.1, 0.3), (0.05, 0.15, 0.4)))
    return [
        Method("random"),
        Method("random", few),
        Method("random", many),
        Method("random", many, KEEP),
        Method("tpe"),
        Method("tpe", many, KEEP),
        Method("gp"),
        Method("gp", many, KEEP),
    ]


EARLIER = (0, 40)
"""Configurations of an earlier search that are known."""


def with_earlier(iterations: int) -> list[Method]:
    """Methods that learn, without an earlier search and with one, beside random search."""
    many = rungs(iterations, (0.05, 0.15, 0.4))
    learned = [
        Method(name, passed, KEEP, earlier) for name in ("gp", "tpe") for passed in ((), many) for earlier in EARLIER
    ]
    return [Method("random"), Method("random", many, KEEP), *learned]


def report(found: Mapping[str, Sequence[Course]], table: Table) -> str:
    """The comparison as a Markdown table."""
    sizes = f"{len(table.configurations)} configurations x {len(table.seeds)} seeds x {table.iterations[-1]} iterations"
    after = " | ".join(f"regret after {count} trainings" for count in BUDGETS)
    lines = [
        f"{sizes}; medians over {len(next(iter(found.values())))} searches of each method, with 95% intervals",
        "",
        "| method | " + " | ".join(f"iterations until regret ≤ {one:g}" for one in CLOSE) + f" | {after} |",
        "|---|---|---|---|---|---|",
    ]
    for name, courses in found.items():
        budgets = budgets_of(courses)
        values = regrets(courses, budgets)
        cells = []
        for one in CLOSE:
            low, high = interval(values, budgets, one)
            cells.append(f"{_shown(iterations_needed(values, budgets, one))} ({_shown(low)} to {_shown(high)})")
        at = np.array(BUDGETS) * table.iterations[-1]
        cells += [f"{one:.5f}" if math.isfinite(one) else "–" for one in np.median(regrets(courses, at), axis=0)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(iterations: float) -> str:
    return f"{iterations:,.0f}" if math.isfinite(iterations) else "not reached"


def draw(found: Mapping[str, Sequence[Course]], path: Path) -> None:
    """Median regret against iterations, a curve a method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8, 4.2), layout="constrained")
    axes = figure.subplots()
    colours = {"random": "#0072B2", "tpe": "#009E73", "gp": "#D55E00"}
    styles = itertools.cycle(("--", ":"))
    for name, courses in found.items():
        budgets = budgets_of(courses)
        median = np.maximum(np.median(regrets(courses, budgets), axis=0), 1e-5)
        recommended = f"keep {KEEP:g}" in name
        style = "-" if "rungs" not in name or recommended else next(styles)
        width = 2.2 if recommended else 1.1
        colour = colours[name.split(",")[0]]
        axes.step(budgets, median, style, where="post", color=colour, linewidth=width, label=name)
    for one in CLOSE:
        axes.axhline(one, color="grey", linewidth=0.8)
    axes.set(xlabel="training iterations spent", ylabel="median regret (captured value)", xscale="log", yscale="log")
    axes.legend(fontsize="x-small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


HALVES = ("even", "odd")
"""Configurations of even and odd numbers."""


def score(courses: Sequence[Course], whole: int) -> float:
    """Mean over searches of log10 of regret, at :data:`CHOSEN_AT` trainings of ``whole`` iterations; less is better."""
    found = regrets(courses, np.array(CHOSEN_AT) * whole)
    return float(np.log10(np.clip(found, 1e-5, 1.0)).mean())


def chosen(table: Table, repeats: int, processes: int) -> Method:
    """Random search with the rungs and the share promoted that have the least :func:`score`."""
    whole = table.iterations[-1]
    candidates = [Method("random", rungs(whole, shares), keep) for shares in SHARES for keep in KEEPS]
    found = run(table, candidates, repeats, processes)
    return min(candidates, key=lambda one: score(found[one.name], whole))


def held_out(table: Table, repeats: int, processes: int) -> str:
    """What is chosen on each half and tried on the other, beside random search, as a Markdown table."""
    lines = ["| chosen on | tried on | method | " + " | ".join(f"until regret ≤ {one:g}" for one in CLOSE) + " |"]
    lines.append("|---|---|---|---|---|")
    plain = Method("random"), Method("random", rungs(table.iterations[-1], (0.1, 0.3)))
    for on, other in (("even", "odd"), ("odd", "even")):
        best = chosen(half(table, HALVES.index(on)), repeats, processes)
        compared = [*plain, best, dataclasses.replace(best, search_type="gp")]
        for name, courses in run(half(table, HALVES.index(other)), compared, repeats, processes).items():
            lines.append(f"| {on} | {other} | {name} | {' | '.join(_shown(needed(courses, one)) for one in CLOSE)} |")
    lines.append(f"Chosen on all: {chosen(table, repeats, processes).name}")
    return "\n".join(lines)


def main() -> None:
    """Compare the methods."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--table", type=Path, help="another table than that of the package")
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--only", nargs="+", help="methods whose names contain one of these")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--figure", type=Path, default=FIGURE)
    parser.add_argument("--choose", action="store_true", help="choose rungs on half of the table instead")
    parser.add_argument("--learn_from", action="store_true", help="what an earlier search is worth instead")
    flags = parser.parse_args()
    table = load_table() if flags.table is None else load_table(flags.table)
    if flags.choose:
        print(held_out(table, flags.repeats, flags.processes))
        return
    whole = table.iterations[-1]
    compared = [
        one
        for one in (with_earlier(whole) if flags.learn_from else methods(whole))
        if not flags.only or any(word in one.name for word in flags.only)
    ]
    found = run(table, compared, flags.repeats, flags.processes, search_half if flags.learn_from else search)
    print(report(found, half(table, 0) if flags.learn_from else table))
    if flags.learn_from:
        return
    draw(found, flags.figure)


if __name__ == "__main__":
    main()
