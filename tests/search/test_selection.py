"""Who is the better one, who goes on and who is confirmed, on examples that are small enough to be decided by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from ghm.search.decisions.confirmation import Confirmation, confirmed
from ghm.search.decisions.ranking import ConfigurationScore, best_return, captured_or_return, ranked, score
from ghm.search.decisions.selection import Decision, cut
from ghm.search.trials.outcome import TrialRecord
from ghm.search.trials.trial import RungResult
from ghm.training.settings import Hyperparameters


def ended(configuration: int, value: float | None, **known: Any) -> TrialRecord:
    """A trial that completed with this captured value, or diverged before its first evaluation (None)."""
    if value is None:
        return TrialRecord(configuration, Hyperparameters(), 1, "diverged", **known)
    known = {"iterations": 6} | known
    metrics = {"best_return": 5.95 + value, "captured_value": value}
    return TrialRecord(configuration, Hyperparameters(), 1, "completed", metrics=metrics, **known)


def stands(configuration: int, *values: float | None, **known: Any) -> ConfigurationScore:
    trials = [ended(configuration, value, **known) for value in values]
    return score(trials, "mean", captured_or_return)


def order(scores: Sequence[ConfigurationScore]) -> list[int]:
    return [one.configuration for one in ranked(scores)]


def test_the_greater_value_is_better_and_ties_go_to_the_lower_number() -> None:
    assert order([stands(1, 0.4), stands(2, 0.6), stands(3, 0.5)]) == [2, 3, 1]
    assert order([stands(3, 0.5), stands(1, 0.5), stands(4, 0.5), stands(2, 0.5)]) == [1, 2, 3, 4]


def test_fewer_failures_rank_first_however_good_the_rest() -> None:
    twice, once, never = stands(1, 0.9, None, None), stands(2, 0.8, 0.8, None), stands(3, 0.1, 0.1, 0.1)
    assert order([twice, once, never]) == [3, 2, 1]
    assert order([stands(1, None), stands(2, -5.0)]) == [2, 1]


def test_what_went_on_ranks_before_what_was_stopped_at_a_rung() -> None:
    assert order([stands(1, 0.9, iterations=4), stands(2, 0.5, iterations=6), stands(3, 0.95, iterations=2)]) == [
        2,
        1,
        3,
    ]
    # A failure weighs more than a rung.
    assert order([stands(1, 0.9, None, iterations=6), stands(2, 0.5, 0.5, iterations=4)]) == [2, 1]


@pytest.mark.parametrize(
    ("n", "keep", "places"), [(5, 0.5, 3), (3, 0.34, 2), (7, 0.1, 1), (8, 0.25, 2), (100, 0.07, 7), (4, 1.0, 4)]
)
def test_the_share_that_goes_on_is_rounded_up(n: int, keep: float, places: int) -> None:
    """Of a share that is whole nothing is rounded, though 0.07 · 100 is 7.000000000000001 to a computer."""
    scores = [stands(number, -number / 100) for number in range(1, n + 1)]
    decision = cut(2, keep, scores[::-1], "settings")
    assert decision.content["of"] == n
    assert decision.content["go_on"] == list(range(1, places + 1))


def test_no_failed_configuration_goes_on_in_a_place_that_is_left() -> None:
    assert cut(2, 1.0, [stands(1, None), stands(2, 0.5), stands(3, None)], "settings").content["go_on"] == [2]


def test_a_rung_counts_what_was_reached_there_and_not_what_came_after() -> None:
    """The first is ahead at iteration 2, the second at 4, the first again at the end; the third failed in between."""

    def passed(configuration: int, value: float | None, *at_rungs: float) -> TrialRecord:
        rungs = tuple(RungResult(rung, 5.95 + one, one) for rung, one in zip((2, 4), at_rungs, strict=False))
        return ended(configuration, value, rungs=rungs)

    trials = [passed(1, 0.7, 0.3, 0.4), passed(2, 0.6, 0.2, 0.5), passed(3, None, 0.9)]
    for measure, base in ((captured_or_return, 0.0), (best_return, 5.95)):
        found = {rung: [score([one], "mean", measure, rung) for one in trials] for rung in (2, 4, None)}
        assert [one.value for one in found[2]] == pytest.approx([base + 0.3, base + 0.2, base + 0.9])
        assert [one.value for one in found[4]] == pytest.approx([base + 0.4, base + 0.5, None])
        assert [one.value for one in found[None]] == pytest.approx([base + 0.7, base + 0.6, None])
        assert [one.reached for one in found[2]] == [2, 2, 2]
        assert cut(2, 0.34, found[2], "settings").content["go_on"] == [1, 3]
        assert cut(4, 0.34, found[4], "settings").content["go_on"] == [1, 2]
        assert order(found[4]) == [2, 1, 3]


Values = dict[int, Sequence[float | None]]


def confirms(fresh: Values, tuned: Values | None = None) -> Confirmation:
    """The confirmation of configurations on fresh seeds, after trials that they were chosen by."""
    tuned = tuned or {number: [0.5] for number in fresh}
    n_seeds = max(map(len, fresh.values()))
    content = {
        "of": len(fresh),
        "chosen": [[number, 0.5] for number in fresh],
        "seeds": list(range(1001, 1001 + n_seeds)),
        "iterations": 6,
    }
    choice = Decision("confirmation", {"count": len(fresh)}, content, "")
    trials = [ended(number, value, stage="confirm") for number, values in fresh.items() for value in values]
    return confirmed(choice, {number: stands(number, *tuned[number]) for number in fresh}, trials, 1)


def test_the_probability_is_that_the_first_beats_the_second() -> None:
    always = confirms({1: [0.1, 0.2, 0.3], 2: [0.7, 0.8, 0.9]})
    assert [one.configuration for one in always.configurations] == [2, 1]
    assert always.complete
    assert always.first_beats_second == 1.0
    # Of the four pairs 0.9 wins two, 0.5 one.
    assert confirms({1: [0.9, 0.5], 2: [0.8, 0.2]}).first_beats_second == 0.75
    assert confirms({1: [0.4, 0.5]}).first_beats_second is None


def test_a_failure_in_the_confirmation_ranks_behind() -> None:
    confirmation = confirms({1: [0.9, None, None], 2: [0.8, 0.9, None], 3: [0.1, 0.2, 0.3]})
    assert [one.configuration for one in confirmation.configurations] == [3, 2, 1]
    assert [one.failures for one in confirmation.configurations] == [0, 1, 2]
    assert confirmation.winner is confirmation.configurations[0]


def test_tuned_and_confirmed_leave_the_outer_quarters_out() -> None:
    """Of eight seeds the middle four count: one that went wrong, or was lucky, does not decide."""
    unlucky = [0.64, -50.0, 0.70, 0.60, 0.90, 0.62, 0.72, 0.66]
    steady = [0.60, 0.60, 0.60, 0.60, 0.60, 0.60, 0.60, 0.60]
    lucky = [0.56, 0.50, 9.0, 0.58, 0.52, 0.62, 0.60, 0.54]
    confirmation = confirms({1: steady, 2: unlucky}, {1: steady, 2: lucky})
    first, second = confirmation.configurations
    assert (first.configuration, second.configuration) == (2, 1)
    assert first.confirmed == pytest.approx((0.62 + 0.64 + 0.66 + 0.70) / 4)
    assert first.tuned == pytest.approx((0.54 + 0.56 + 0.58 + 0.60) / 4)
    assert first.difference == pytest.approx(0.655 - 0.57)
    assert (second.confirmed, second.difference) == pytest.approx((0.60, 0.0))
