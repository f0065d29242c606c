"""A race of seeds against an independent truth: configurations whose means are known, and noise that the seed shares."""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ghm.report.analysis.findings import confidence
from ghm.search.decisions import racing
from ghm.search.decisions.racing import ALPHA, Standing, judge
from ghm.search.decisions.statistics import interquartile_interval, interquartile_mean
from ghm.search.display.summary import summary
from ghm.search.records.reader import read_search
from ghm.search.settings.methods import first_look, n_looks
from tests.search.instant import INSTANT
from tests.search.support import run_search

K, S = 6, 12
REPEATS = 800
TIE = np.full(K, 0.95)
"""All are the best: so many can be ahead of the first by luck as ever can."""
APART = 0.95 - 0.004 * np.arange(K)

Noise = Callable[[np.random.Generator, np.ndarray, int], np.ndarray]


def normal(generator: np.random.Generator, means: np.ndarray, seeds: int) -> np.ndarray:
    """Values (K, seeds) of which the seed has most of the noise, standard deviation 0.0224 of 0.0255."""
    shared, own = generator.standard_normal(seeds), generator.standard_normal((len(means), seeds))
    return np.asarray(means[:, None] + 0.02 * (shared + 0.5 * own) + 0.01 * own * 0.5)


def skewed(generator: np.random.Generator, means: np.ndarray, seeds: int) -> np.ndarray:
    """The gap to 1 is multiplied by a gamma of mean 1 and variance ¼ for each: most are near the best, few far below."""
    own = generator.gamma(4.0, 0.25, (len(means), seeds))
    return np.asarray(1 - (1 - means[:, None]) * own)


@dataclass
class Raced:
    """How a race came out, and what its winner had before and after the last look."""

    winner: int
    beaten: set[int]
    during: list[float]
    after: list[float]
    trainings: int


def race(values: np.ndarray, seeds: int = S) -> Raced:
    """A race of configurations of these values (K, at least as many seeds as it takes)."""
    count = len(values)
    going, done = tuple(range(count)), first_look(count, seeds)
    used, beaten = count * done, set[int]()
    for look in itertools.count(1):
        told = {one: Standing(dict(enumerate(values[one, :done].tolist()))) for one in going}
        found = judge(told, look, used, count, seeds, range(done))
        beaten |= set(found.beaten)
        used += len(found.go_on) * len(found.next)
        if found.final:
            (winner,) = found.go_on
            after = values[winner, list(found.next)].tolist()
            return Raced(winner, beaten, values[winner, :done].tolist(), after, used)
        going, done = found.go_on, done + len(found.next)
    raise AssertionError


def races(noise: Noise, means: np.ndarray, repeats: int = REPEATS) -> list[Raced]:
    generator = np.random.default_rng(20261130)
    return [race(noise(generator, means, 4 * S)) for _ in range(repeats)]


@pytest.fixture(scope="module")
def raced() -> Callable[[Noise, str], list[Raced]]:
    """Races without a disturbance, each run once."""
    return functools.cache(lambda noise, means: races(noise, {"tie": TIE, "apart": APART}[means]))


def share(happened: list[bool]) -> tuple[float, float]:
    """The share of repeats, and its standard error at α."""
    return float(np.mean(happened)), float(np.sqrt(ALPHA * (1 - ALPHA) / len(happened)))


@pytest.mark.parametrize("noise", [normal, skewed])
@pytest.mark.parametrize("means", ["tie", "apart"])
def test_the_best_is_called_beaten_in_at_most_a_share_alpha_of_races(
    noise: Noise, means: str, raced: Callable[[Noise, str], list[Raced]]
) -> None:
    lost, error = share([0 in one.beaten for one in raced(noise, means)])
    assert lost <= ALPHA + 3 * error


def test_without_the_correction_it_would_be_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    monkeypatch.setattr(racing, "ALPHA", ALPHA * (K - 1) * n_looks(K))
    lost, error = share([0 in one.beaten for one in races(normal, TIE)])
    assert lost > ALPHA + 3 * error


def test_paired_differences_tell_what_others_could_not(
    monkeypatch: pytest.MonkeyPatch, raced: Callable[[Noise, str], list[Raced]]
) -> None:
    """The seed has most of the noise; its share cancels in pairs. The wrong variant compares values of different seeds."""
    paired = np.mean([len(one.beaten) for one in raced(normal, "apart")])
    behind = racing._behind

    def unpaired(leader: Standing, other: Standing, level: float) -> Any:
        turned = dict(zip(other.by_seed, [*other.by_seed.values()][1:] + [*other.by_seed.values()][:1], strict=True))
        return behind(leader, Standing(turned), level)

    monkeypatch.setattr(racing, "_behind", unpaired)
    assert paired > 1.5 * np.mean([len(one.beaten) for one in races(normal, APART, 200)])


@pytest.mark.parametrize("noise", [normal, skewed])
def test_the_value_of_the_winner_is_neither_lucky_nor_too_sure(
    noise: Noise, raced: Callable[[Noise, str], list[Raced]]
) -> None:
    """Where all are alike the luckiest wins; the seeds that decided flatter it, those after the decision do not."""
    found = raced(noise, "tie")
    generator = np.random.default_rng(1)
    truth = interquartile_mean(noise(generator, TIE[:1], 200_000)[0].tolist())
    bias = {}
    for name in ("during", "after"):
        errors = [interquartile_mean(getattr(one, name)) - truth for one in found]
        bias[name] = float(np.mean(errors)) / (float(np.std(errors)) / np.sqrt(len(errors)))
    assert abs(bias["after"]) < 4
    assert bias["during"] > 8  # negative control
    intervals = [interquartile_interval([[value] for value in one.after]) for one in found]
    covered, error = share([low <= truth <= high for low, high in filter(None, intervals)])
    assert covered >= 0.93 - 3 * error  # as of samples that nobody has chosen, docs/design/search.md


def test_a_race_takes_no_more_trainings_and_finds_the_best_more_often(
    raced: Callable[[Noise, str], list[Raced]],
) -> None:
    """Beside a confirmation that trains each on S seeds, which both decide and tell."""
    found = raced(normal, "apart")
    assert max(one.trainings for one in found) <= K * S
    generator = np.random.default_rng(20261130)
    fixed = [
        int(np.argmax([interquartile_mean(row) for row in normal(generator, APART, 4 * S)[:, :S].tolist()]))
        for _ in range(REPEATS)
    ]
    ours, theirs = (np.mean(np.array(chosen) == 0) for chosen in ([one.winner for one in found], fixed))
    assert ours > theirs + 3 * np.sqrt(0.5 / REPEATS)


def test_looks_and_what_a_race_needs() -> None:
    """Of 12: 12, 6, 3, 2, 1. The first of four looks comes after a quarter of 11 × 10 trainings, 2 seeds of each."""
    assert [n_looks(count) for count in (2, 3, 4, 5, 12)] == [1, 2, 2, 3, 4]
    assert (first_look(12, 10), first_look(12, 8), first_look(2, 4), first_look(2, 3), first_look(1, 100)) == (
        2,
        0,
        2,
        0,
        0,
    )


def test_more_failures_rank_behind_and_of_equals_the_lower_number_is_ahead() -> None:
    """As a confirmation ranks one with a failed training behind all without, however good the others."""
    even = {seed: 0.9 + 0.01 * seed for seed in range(3)}
    told = {
        7: Standing(even),
        2: Standing({1: 0.99, 2: 0.99}, failures=1),
        5: Standing(even),
        9: Standing({}, failures=3),
    }
    found = judge(told, 1, 12, 4, 10, range(1000, 1003))
    assert (found.leader, found.beaten, found.go_on, found.final) == (5, (), (7, 5), False)
    assert found.next == tuple(range(1003, 1012))  # 2 × 9 of the 18 trainings that are left of 30
    assert found.compared[-1] == (9, None, None)
    # Of configurations all of which failed nothing is known.
    none = {one: Standing({}, failures=3) for one in (3, 1, 2)}
    assert judge(none, 1, 9, 3, 10, range(3)).go_on == (1, 2)


def test_the_differences_are_those_of_student() -> None:
    """By hand: differences 1, 2, 3, 4, 5 hundredths have mean 0.03 and standard error 0.01/√2."""
    told = {1: Standing(dict.fromkeys(range(5), 1.0)), 2: Standing({k: 0.99 - 0.01 * k for k in range(5)})}
    found = judge(told, 1, 10, 2, 10, range(5))
    ((number, behind, allowed),) = found.compared
    assert (number, behind) == (2, pytest.approx(0.03))
    assert allowed == pytest.approx(2.131847 * 0.01 / np.sqrt(2))  # t(4) at 95%, one rival and one look
    assert (found.beaten, found.go_on, found.final, found.next) == ((2,), (1,), True, tuple(range(5, 15)))


def test_one_that_is_beaten_does_not_go_on_though_it_is_in_the_better_half() -> None:
    told = {one: Standing({k: 0.9 - 0.01 * one + 1e-6 * k * one for k in range(4)}) for one in range(8)}
    found = judge(told, 1, 32, 8, 20, range(4))
    assert found.go_on == (0,)
    assert found.final


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(("configurations", "seeds"), [(4, 6), (12, 10)])
def test_the_summary_of_a_race_fits_a_terminal(
    configurations: int,
    seeds: int,
    columns: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All but paths and the command that trains longer, which are to be copied whole."""
    monkeypatch.setenv("COLUMNS", str(columns))
    race = ("--n_trials", 12, "--n_seeds", 4, "--confirm", configurations, "--confirm_seeds", seeds, "--race")
    words = ("--n_iterations", 6, "--progress", "none", "--results_dir", tmp_path / "r")
    assert run_search(*race, *words, **INSTANT) == 0
    state = read_search(tmp_path / "r")
    confirmation = state.confirmation
    assert confirmation is not None
    first = confirmation.configurations[0]
    # The longest figures that there are: of nearly the optimum, and of a failed training.
    longest = dataclasses.replace(first, interval=(0.99982, 0.99994), tuned=0.99996, confirmed=0.99995)
    wide = dataclasses.replace(confirmation, configurations=(longest, *confirmation.configurations[1:]))
    monkeypatch.setattr(type(state), "confirmation", property(lambda _: wide))
    for said in (capsys.readouterr().out, summary(state, interrupted=False)):
        block = said[said.index("Confirmation on fresh seeds") :]
        table = block[: block.index("\n\n")].splitlines()
        assert [line.split()[0] for line in table if line.split()[-1] in ("ahead", "behind", "beaten")] == [
            str(one.configuration) for one in confirmation.configurations
        ]
        lines = said[said.index("Search summary") : said.index("Results:")].splitlines()
        assert max(map(len, lines)) <= 80, max(lines, key=len)


def test_summary_and_page_name_the_trials_that_the_figure_is_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not those by which the winner was chosen."""
    race = ("--n_trials", 4, "--confirm", 4, "--confirm_seeds", 6, "--race")
    words = ("--n_iterations", 6, "--progress", "none", "--results_dir", tmp_path / "r")
    assert run_search(*race, *words, **INSTANT) == 0
    said = capsys.readouterr().out
    state = read_search(tmp_path / "r")
    assert state.confirmation is not None
    first = state.confirmation.configurations[0]
    own = [one.trial_num for one in first.trials]
    again = [
        one.trial_num for one in state.trials if one.configuration == first.configuration and one.stage == "confirm"
    ]
    assert len(own) == 6 < len(again)
    named = f"trials {own[0]} to {own[-1]}"
    assert own == list(range(own[0], own[0] + 6))
    assert f"in the search, {named} on fresh seeds)" in " ".join(said.split())
    assert f"{named} of configuration {first.configuration}" in str(confidence(state))
