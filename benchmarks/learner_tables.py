"""What `benchmarks/learners.py` has recorded, as tables and a figure.

python benchmarks/learner_tables.py [--learner gae] [--directory DIRECTORY] [--plot docs/figures/learners.png]
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from learners import (
    CURVE_SEEDS,
    DIRECTORY,
    LEARNERS,
    OTHERS,
    REPEATED,
    TABLE_ITERATIONS,
    TABLE_SEED,
    Recorded,
    Series,
    best,
    configurations,
)
from main_effects import main_effects
from numpy.typing import NDArray
from scipy import stats

from ghm.search.settings.configurations import NAMES
from ghm.search.settings.distributions import label

Floats = NDArray[np.float64]

SHOWN = (100, 500, 1000, 1500, 2000)
"""Iterations of the table of curves."""

SIGNIFICANT = 0.05

COLOURS = {"model_based": "C0", "after_state": "C2", "gae": "C1", "monte_carlo": "C3", "PPO": "0.5"}


def curve(records: Sequence[dict[str, Any]]) -> tuple[Floats, Floats, Floats]:
    """Iterations (P,), mean CPU seconds (P,) and captured value of the better action rule, (seeds, P)."""
    points = np.array([[point[:4] for point in record["points"]] for record in records], dtype=float)
    return points[0, :, 0], points[:, :, 1].mean(axis=0), points[:, :, 2:4].max(axis=2)


def show_curves(directory: Path) -> None:
    """Print captured value by iteration, of what is kept and at the end."""
    print("| learner | " + " | ".join(f"{one:,}" for one in SHOWN) + " | kept: median, worst | ms an iteration |")
    print("|---" * (len(SHOWN) + 3) + "|")
    for name in LEARNERS:
        records = Recorded(directory / f"curves_{name}.jsonl").records
        if not records:
            continue
        iterations, seconds, values = curve(records)
        cells = [f"{np.median(c):.4f}, {c.min():.4f}" for c in values[:, np.searchsorted(iterations, SHOWN)].T]
        kept = values.max(axis=1)
        pace = 1000 * seconds[-1] / iterations[-1]
        print(f"| `{name}` | {' | '.join(cells)} | {np.median(kept):.4f}, {kept.min():.4f} | {pace:.0f} |")
    peers = Recorded(directory / "curves_ppo.jsonl").records
    if peers:
        points = np.array([record["points"] for record in peers], dtype=float)
        seconds, values = points[:, :, 0].mean(axis=0), points[:, :, 1]
        print(f"\nPPO, {len(peers)} seeds: CPU seconds: median, worst, best")
        print(
            "; ".join(
                f"{s:.0f}: {np.median(v):.3f}, {v.min():.3f}, {v.max():.3f}"
                for s, v in zip(seconds, values.T, strict=True)
            )
        )


def show_selection(directory: Path) -> None:
    """Print what choosing by simulated returns costs."""
    print("| seed | kept by exact returns | kept by simulated returns | at the end |\n|---|---|---|---|")
    found = []
    for record in Recorded(directory / "curves_after_state.jsonl").records:
        points = np.array(record["points"], dtype=float)
        exact, simulated = points[:, 2:4], points[:, 4:6]
        chosen = exact.flat[simulated.argmax()]
        found.append((exact.max(), chosen, exact[-1].max()))
        print(f"| {record['flags']['seed']} | " + " | ".join(f"{one:.4f}" for one in found[-1]) + " |")
    for name, summary in (("median", np.median), ("worst", np.min)):
        print(f"| {name} | " + " | ".join(f"{one:.4f}" for one in summary(found, axis=0)) + " |")


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, step down (Holm 1979, *Scandinavian Journal of Statistics* 6)."""
    order, corrected, largest = np.argsort(p_values), [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


OUTCOMES: dict[str, Callable[[dict[str, Any]], float]] = {
    "kept": best,
    "at the end": lambda record: max(record["points"][-1][2:4]),
    "kept, log10 of what is missing": lambda record: float(np.log10(1 - best(record))),
}


def plain(value: Any) -> Any:
    """A hyperparameter's value as :func:`main_effects` orders them: numbers, and layers as text."""
    return label(value) if isinstance(value, tuple) else value


def trained(series: Series) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Configurations of the table, each once, and their records."""
    table, distinct = series.records("table"), {str(one): one for one in configurations()}
    found = [(one, table.find(series.flags(one, TABLE_SEED))) for one in distinct.values()]
    return [(one, record) for one, record in found if record is not None and "diverged" not in record]


def show_effects(series: Series, slowest: float = 0.0) -> None:
    """Print each hyperparameter's main effects on each outcome; of trainings with ``lr_policy`` at least ``slowest``."""
    pairs = [pair for pair in trained(series) if pair[0]["lr_policy"] >= slowest]
    for outcome, of in OUTCOMES.items():
        values = np.array([of(record) for _, record in pairs])
        effects = main_effects({name: [plain(one[name]) for one, _ in pairs] for name in NAMES}, values)
        corrected = holm([effect.p_value for effect in effects])
        quantiles = ", ".join(f"{q:.4f}" for q in np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
        print(f"\n{values.size} trainings, captured value {outcome}: minimum, quartiles, maximum {quantiles}\n")
        print("| hyperparameter | effect, thousandths (standard error) | p | corrected |\n|---|---|---|---|")
        for effect, p in sorted(zip(effects, corrected, strict=True), key=lambda pair: pair[0].p_value):
            cells = ", ".join(
                f"{value}: {1e3 * size:+.2f} ({1e3 * error:.2f})"
                for value, size, error in zip(effect.values, effect.effects, effect.errors, strict=True)
            )
            mark = "**" if p < SIGNIFICANT else ""
            print(f"| `{effect.name}` | {cells} | {effect.p_value:.1g} | {mark}{p:.1g}{mark} |")


def show_seeds(series: Series) -> None:
    """Print how much seeds vary beside how much configurations do."""
    first, others = series.records("table"), series.records("seeds")
    values = []
    for configuration in [*configurations()][:REPEATED]:
        records = [first.find(series.flags(configuration, TABLE_SEED))]
        records += [others.find(series.flags(configuration, seed)) for seed in range(2, 10)]
        values.append([best(record) for record in records if record is not None])
    within = np.sqrt(np.mean([np.var(one, ddof=1) for one in values]))
    means = np.std([np.mean(one) for one in values], ddof=1)
    print(
        f"\n{len(values)} configurations x {len(values[0])} seeds: standard deviation over seeds of one configuration"
    )
    print(f"{within:.4f}, of the configurations' means {means:.4f}")


def show_transfer(series: Series) -> None:
    """Print what the chosen configurations reach on other calibrations, and their differences from the default flags."""
    table, chosen = series.records("transfer"), series.chosen()
    for name, configuration in chosen.items():
        print(f"{name}: " + ", ".join(f"{key} {label(value)}" for key, value in configuration.items()))
    print("\n| calibration | " + " | ".join(chosen) + " |\n|---" + "|---" * len(chosen) + "|")
    means = []
    for calibration, model in OTHERS.items():
        cells, row = [], []
        for configuration in chosen.values():
            wanted = {key: value for key, value in series.flags(configuration, 0, model).items() if key != "seed"}
            wanted = {key: list(value) if isinstance(value, tuple) else value for key, value in wanted.items()}
            found = [best(r) for r in table.records if {k: v for k, v in r["flags"].items() if k != "seed"} == wanted]
            row.append(np.mean(found))
            cells.append(f"{np.mean(found):.4f} ({min(found):.4f}–{max(found):.4f})")
        means.append(row)
        print(f"| {calibration} | " + " | ".join(cells) + " |")
    values = np.array(means)
    print("| mean | " + " | ".join(f"{one:.4f}" for one in values.mean(axis=0)) + " |")
    differences = values[:, :-1] - values[:, -1:]
    centre = differences.mean(axis=0)
    half = stats.t.ppf(0.975, len(OTHERS) - 1) * differences.std(axis=0, ddof=1) / np.sqrt(len(OTHERS))
    cells = [f"{1e3 * c:+.2f} [{1e3 * (c - h):+.2f}, {1e3 * (c + h):+.2f}]" for c, h in zip(centre, half, strict=True)]
    print("| less default flags, thousandths [95%] | " + " | ".join(cells) + " | |")


def plot(directory: Path, path: Path) -> None:
    """Draw what is still missing against iterations and against CPU seconds: a line a seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for name in LEARNERS:
        records = Recorded(directory / f"curves_{name}.jsonl").records
        label = name if name == "model_based" else f"model_free, {name}"
        for seed, record in enumerate(records):
            points = np.array([point[:4] for point in record["points"]], dtype=float)
            missing, style = 1 - points[:, 2:].max(axis=1), {"color": COLOURS[name], "linewidth": 0.9}
            left.semilogy(points[:, 0], missing, label=label if seed == 0 else None, **style)
            right.semilogy(points[1:, 1], missing[1:], **style)
    peers = Recorded(directory / "curves_ppo.jsonl").records
    for seed, record in enumerate(peers):
        points = np.array(record["points"], dtype=float)
        right.semilogy(
            points[:, 0], 1 - points[:, 1], color=COLOURS["PPO"], linewidth=0.9, label=None if seed else "PPO"
        )
    left.set(xlabel="training iterations", ylabel="1 − captured value at that moment")
    right.set(xlabel="CPU seconds of one core, beside other work")
    left.legend(frameon=False, fontsize="small")
    if peers:
        right.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Print the tables of what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--learner", choices=LEARNERS, default="gae", help="whose hyperparameters")
    parser.add_argument("--n_iterations", type=int, default=TABLE_ITERATIONS, help="of the table's trainings")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="of the records")
    parser.add_argument("--plot", type=Path, help="draw the curves into this file")
    flags = parser.parse_args()
    series = Series(flags.directory, flags.learner, flags.n_iterations)
    print(f"Captured value of {len(CURVE_SEEDS)} seeds after so many iterations: median, worst\n")
    show_curves(flags.directory)
    show_selection(flags.directory)
    if flags.plot:
        plot(flags.directory, flags.plot)
    for name, show in (("table", show_effects), ("seeds", show_seeds), ("transfer", show_transfer)):
        if series.records(name).records:
            show(series)
    if series.records("table").records:
        print("\nWithout the smallest lr_policy, which has hardly begun:")
        show_effects(series, 3e-4)


if __name__ == "__main__":
    main()
