"""What the page says in words and tiles: each figure against one worked out by hand, and in the page's HTML as it was found."""

import dataclasses
import html
import re
from pathlib import Path

import numpy as np
import pytest
from report.by_hand import FRESH, OPTIMUM, confirmed, eight_trials, over_seeds, rung_trials, search_of, trial

from ghm.report.analysis import certainty, findings
from ghm.report.analysis.importance import Importance, finished, marginal_effects
from ghm.report.comparison import _cautions, _headline, _names
from ghm.report.drawing import tables
from ghm.report.drawing.tables import plain_rows
from ghm.report.page import _words, render
from ghm.search.decisions.ranking import best_first
from ghm.search.records.state import SearchState
from ghm.search.trials.outcome import TrialRecord


@pytest.fixture
def search(tmp_path: Path) -> SearchState:
    return eight_trials(tmp_path)


def test_headline_and_what_was_searched(search: SearchState) -> None:
    assert findings.headline(search) == (
        "Trial 5 is the best: it captures 95.0% of the value between immediate liquidation and the optimum, and loses 0.53% of "
        "firm value."
    )
    # Two learning rates, three values of each of five others, four of two networks: 2 · 3^5 · 4^2 = 7,776.
    assert findings.searched(search) == (
        "A random search over 10 of 7,776 possible configurations of 8 hyperparameters, 100 iterations per trial: 6 of 10 trials "
        "completed, 1 failed, 1 running or interrupted, 2 not started."
    )
    assert findings.verdict(search) == "Issues equity only at too little cash: all in words."


def test_headlines_of_searches_without_a_good_trial(tmp_path: Path) -> None:
    bad = search_of(tmp_path / "a", [trial(1, -0.5), trial(2, -0.2)])
    assert findings.headline(bad) == (
        "Even the best, trial 2, is worse than immediate liquidation: its firm value is 5.8100, that of immediate liquidation "
        "5.9500."
    )
    none = search_of(
        tmp_path / "b", [trial(1, None, "diverged"), trial(2, None, "crashed"), trial(3, None, "diverged")]
    )
    assert findings.headline(none) == "No trial succeeded: all 3 failed (2 diverged, 1 crashed)."
    some = search_of(tmp_path / "c", [trial(1, None, "diverged")], n_trials=4)
    assert findings.headline(some) == "No trial has succeeded yet; 1 failed (1 diverged)."


def test_headlines_of_several_seeds(tmp_path: Path) -> None:
    assert findings.headline(over_seeds(tmp_path / "tuned")) == (
        "Configuration 2 is the best: it captures 68.5% of the value between immediate liquidation and the optimum (mean of its "
        "4 trials)."
    )
    worst = over_seeds(tmp_path / "worst", rank_by="worst")
    assert findings.headline(worst) == (
        "Configuration 1 is the best: it captures 50.0% of the value between immediate liquidation and the optimum (worst of "
        "its 4 trials)."
    )
    assert findings.headline(confirmed(tmp_path / "confirmed")) == (
        "Configuration 2 is the best: it captures 83.0% of the value between immediate liquidation and the optimum "
        "(interquartile mean of its 5 trials on fresh seeds)."
    )


def test_confidence(search: SearchState, tmp_path: Path) -> None:
    def advice(state: SearchState, count: int) -> str:
        command = f"--resume {state.path.parent} --confirm {count}"
        return f"To train the best again on fresh seeds: python scripts/hyperparameter_search.py {command}"

    assert findings.confidence(search) == (
        f"The search is not finished. Not confirmed: each configuration was trained with one seed only. {advice(search, 3)}"
    )
    close = search_of(tmp_path / "close", [trial(1, 0.95), trial(2, 0.941), trial(3, 0.945), trial(4, 0.939)])
    assert findings.confidence(close) == (
        f"Not confirmed: 2 other trials came within 1 percentage point, and each had one seed only. {advice(close, 3)}"
    )
    seeds = over_seeds(tmp_path / "seeds")
    assert findings.confidence(seeds) == (
        "Not confirmed: its trials captured 10.0% to 90.0%, and the best of 3 configurations is partly the luckiest. "
        f"{advice(seeds, 3)}"
    )
    ends = re.fullmatch(
        r"Confirmed on 5 fresh seeds that the search had not used \(95% interval ([\d.]+)% to ([\d.]+)%\): "
        r"trials 13 to 17 of configuration 2, which was trials 5 to 8 in the search\.",
        findings.confidence(confirmed(tmp_path / "confirmed")) or "",
    )
    assert ends is not None
    assert [float(end) / 100 for end in ends.groups()] == pytest.approx(FRESH, abs=6e-4)
    off = trial(1, 0.95, metrics={"monte_carlo_return": 6.6191, "monte_carlo_standard_error": 0.001})
    assert findings.confidence(search_of(tmp_path / "off", [off])) == (
        "Do not trust this result yet: simulation gives the best policy a firm value of 6.6191 ± 0.0010, 4.1 standard errors "
        "from the exact one."
    )
    assert findings.confidence(search_of(tmp_path / "none", [trial(1, None, "diverged")])) is None


def test_meaning_has_what_no_training_captures(search: SearchState, tmp_path: Path) -> None:
    assert "Before any training" not in findings.meaning(search)
    before = [{"iteration": 0, "captured_value": 0.123}, {"iteration": 50, "captured_value": 0.5}]
    known = search_of(tmp_path / "b", [trial(1, 0.5)], {1: before}, dt=0.05, T=5.0)
    text = findings.meaning(known)
    assert "what shareholders get over 5 years" in text
    assert text.endswith("Before any training, the best trial captured 12.3%.")


def test_how_sure(search: SearchState) -> None:
    noise, simulated, lead, close, effort, importance = certainty.certainty(search, ())
    assert noise == (
        "Simulation noise in the ranking",
        "none",
        "Firm values are computed exactly, by backward induction.",
    )
    assert simulated == (
        "Firm value of the best policy, simulated",
        "6.6170 ± 0.0010",
        "It agrees with the exact firm value.",
    )
    assert lead[:2] == ("Lead over the runner-up", "5.0 percentage points")
    assert close == ("Other trials within 1 percentage point", "0", "")
    # The expected best of three draws with replacement from six, over all 216: by enumeration.
    values = np.array([0.60, 0.90, 0.72, 0.20, 0.95, -0.50])
    expected = np.mean(np.max(np.stack(np.meshgrid(values, values, values)), axis=0))
    assert effort == (
        "Best of 3 trials instead of 6",
        f"{100 * expected:.1f}% on average instead of 95.0%",
        "More random trials are likely to find better ones.",
    )
    assert importance == (
        "Hyperparameters with an effect beyond chance",
        "–",
        "Too few trials finished (7); at least 10 are needed.",
    )


@pytest.mark.parametrize(("simulated", "agrees"), [(6.6189, True), (6.6191, False), (6.6111, True), (6.6109, False)])
def test_a_simulated_return_beyond_four_standard_errors_is_a_warning(simulated: float, agrees: bool) -> None:
    one = trial(1, 0.95, metrics={"monte_carlo_return": simulated, "monte_carlo_standard_error": 0.001})
    said = certainty._noise(one)[1].follows
    assert said.startswith("It agrees") == agrees
    if not agrees:
        assert said == (
            "That is 4.1 standard errors from the exact firm value: do not trust it before this is explained."
        )


def test_rivals_within_a_point_are_counted(tmp_path: Path) -> None:
    close = search_of(tmp_path, [trial(1, 0.95), trial(2, 0.941), trial(3, 0.945), trial(4, 0.939)])
    assert certainty._rivals(close)[1][:2] == ("Other trials within 1 percentage point", "2")


def test_what_the_ranking_depends_on(search: SearchState) -> None:
    weights = (
        Importance("lr_policy", 0.60, 0.001, stands_out=True),
        Importance("n_trajectories", 0.05, 0.3, stands_out=False),
    )
    assert certainty._importance(search, weights)[1:] == (
        "lr_policy (60%)",
        "Share of the variance of the ranks of 7 trials that each explains.",
    )
    assert certainty._importance(search, weights[1:])[1:] == (
        "none",
        "With 7 finished trials, every effect can be chance.",
    )


def rungs(search: SearchState) -> certainty.Answer:
    """The one row on rungs."""
    (found,) = [one for one in certainty.certainty(search, ()) if one.question.startswith("Rank agreement")]
    return found


def test_rank_agreement_between_rungs(tmp_path: Path) -> None:
    few = search_of(tmp_path / "few", rung_trials(), rungs=(20,), keep=0.5)
    assert rungs(few) == (
        "Rank agreement between 20 and 100 iterations",
        "–",
        "Too few configurations were promoted (2) to tell.",
    )
    # Of ranks 1 2 3 ... 8 and 2 1 3 ... 8 the squared differences sum to 2: ρ = 1 − 6·2/(8·63) = 0.976.
    known = [(0.1, 0.2), (0.2, 0.1), *((k / 10, k / 10) for k in range(3, 9))]
    results = [one.rungs[0] for one in rung_trials()[:1]] * 8
    trials = [
        trial(number, end, rungs=(dataclasses.replace(result, captured_value=at, best_return=5.95 + 0.7 * at),))
        for number, ((at, end), result) in enumerate(zip(known, results, strict=True), 1)
    ]
    said = rungs(search_of(tmp_path / "five", trials, rungs=(20,), keep=1.0))
    # Fisher's z is 2.209 with a standard error of √((1 + ρ²/2)/5) = 0.543: 1.144 to 3.274, which are ρ = 0.816 and 0.997.
    assert said[1:] == ("0.98 (95% interval 0.82 to 1.00)", "Of 8 configurations that were promoted.")


def test_the_confirmation(tmp_path: Path) -> None:
    best, beats = certainty._confirmation(confirmed(tmp_path))
    assert best.question == "Captured value on 5 fresh seeds"
    assert best.follows == "Configuration 2, the interquartile mean; it had 87.0% in the search."
    found = re.fullmatch(r"83\.0% \(95% interval ([\d.]+)% to ([\d.]+)%\)", best.answer)
    assert found is not None, best
    ends = [float(end) / 100 for end in found.groups()]
    assert ends == pytest.approx(FRESH, abs=6e-4)
    # Of 5 · 4 pairs the first is the greater in 14: in all with 0.70 and 0.72, in none with 0.90, in four with 0.81.
    assert beats == (
        "Pairs of trainings in which it beats the runner-up",
        "70% of 20",
        "Its trainings on fresh seeds, each against each of configuration 1.",
    )


def test_tiles(search: SearchState) -> None:
    """Training time: 10 + 20 + ... + 80 seconds are six minutes."""
    words = _words(search)
    assert words["tiles"] == [
        ("Captured value", "95.0%"), ("Loss of firm value", "0.53%"), ("Best firm value", "6.6150"), ("Optimum", "6.6500"),
        ("Immediate liquidation", "5.9500"),
    ]  # fmt: skip
    assert words["counts"] == [
        ("Completed", "6"), ("Failed", "1"), ("Unfinished", "3"), ("Training time, all trials", "6:00"),
    ]  # fmt: skip


def tiles(search: SearchState) -> dict[str, str]:
    words = _words(search)
    return dict([*words["tiles"], *words["counts"]])


def test_tiles_of_rungs_and_of_a_confirmation(tmp_path: Path) -> None:
    stopped = tiles(search_of(tmp_path / "a", rung_trials(), rungs=(20,), keep=0.5))
    assert (stopped["Completed"], stopped["Stopped at a rung"], stopped["Best firm value"]) == ("2", "2", "6.5100")
    again = tiles(confirmed(tmp_path / "b"))
    assert (again["Captured value"], again["Best firm value"]) == ("83.0%", "6.5520")
    assert (again["Completed"], again["Failed"], again["Unfinished"]) == ("20", "2", "0")


def test_the_page_has_them_as_they_were_found(search: SearchState) -> None:
    page = html.unescape(render(search).decode())
    assert dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page)) == tiles(search)
    rows = [cell for answer in certainty.certainty(search, ()) for cell in answer]
    for sentence in (findings.headline(search), findings.confidence(search), findings.searched(search), *rows):
        assert sentence in page
    found = re.search(r"<caption><span>Completed trials, best first</span></caption>(.*?)</table>", page, re.S)
    assert found is not None
    rows = re.findall(r"<tr>(.*?)</tr>", found.group(1), re.S)
    cells = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in rows[1:]]
    board = tables.leaderboard(search)
    assert board is not None
    assert cells == plain_rows(board)
    bars = re.findall(r'style="--bar:([\d.]+)%"', found.group(1))
    assert bars == ["95.0", "90.0", "72.0", "60.0", "20.0", "0.0"]


def test_sections_of_the_page_have_names_for_people(search: SearchState) -> None:
    page = render(search).decode()
    anchors = dict(re.findall(r'<li><a href="#(\w+)">([^<]+)</a></li>', page))
    assert list(anchors.values()) == [
        "How sure", "Leaderboard", "History", "Hyperparameters", "Any trial", "Policy", "Model", "The optimum",
        "Train it longer", "Failures", "Settings",
    ]  # fmt: skip
    headings = dict(re.findall(r'<h2 id="(\w+)">([^<]+)</h2>', page))
    assert set(anchors) <= set(headings)
    assert headings["progress"] == "Optimisation history"
    assert not re.search(r"\b[A-Z][a-z]+[A-Z][a-z]+\b", " ".join([*headings.values(), *anchors.values()])), (
        "no class names"
    )


def many(directory: Path) -> SearchState:
    """Twelve trials: six at 1e-3 capture 0.81 to 0.86, six at 1e-4 capture 0.31 to 0.36; and one that failed."""
    trials = [
        trial(k, (0.80 if k < 7 else 0.24) + k / 100, settings={"lr_policy": 1e-3 if k < 7 else 1e-4})
        for k in range(1, 13)
    ]
    return search_of(directory, [*trials, trial(13, None, "diverged")])


def test_what_values_buy_is_the_difference_of_medians(tmp_path: Path) -> None:
    search = many(tmp_path)
    slow, fast = marginal_effects(search)
    assert [(one.name, one.value, one.trials) for one in (slow, fast)] == [
        ("lr_policy", 1e-4, 6),
        ("lr_policy", 1e-3, 6),
    ]
    assert (slow.median, fast.median) == (pytest.approx(0.335), pytest.approx(0.835))
    assert (slow.difference, fast.difference) == (pytest.approx(-0.5), pytest.approx(0.5))
    # No trial's value is further from its median, 0.335 or 0.835, than 0.025.
    assert 0.45 <= fast.low <= 0.5 <= fast.high <= 0.55
    assert -0.55 <= slow.low <= -0.5 <= slow.high <= -0.45
    assert fast.high - fast.low > 0.01


def test_importance_counts_failures_and_one_figure_a_configuration(tmp_path: Path) -> None:
    assert [one.captured for one in finished(over_seeds(tmp_path / "mean"))] == [0.65, pytest.approx(0.685), None]
    worst = finished(over_seeds(tmp_path / "worst", rank_by="worst"))
    assert [one.captured for one in worst] == [0.50, 0.10, None]
    stopped = search_of(tmp_path / "rungs", rung_trials(), rungs=(20,), keep=0.5)
    assert [one.captured for one in finished(stopped)] == [0.80, 0.70]


class TestSideBySide:
    def test_who_is_ahead_and_by_how_much(self, search: SearchState, tmp_path: Path) -> None:
        second = search_of(tmp_path / "b", [trial(1, 0.5), trial(2, 0.875)])
        assert _headline([second, search], ["b", "a"]) == (
            "The best configuration is that of a, with a captured value of 95.0%, 7.50 points ahead of b."
        )
        assert (
            _headline([search, search], ["a", "c"])
            == "The best configurations of a, c have the same captured value, 95.0%."
        )
        empty = search_of(tmp_path / "c", [trial(1, None, "diverged")])
        assert _headline([empty], ["c"]) == "None of the searches has a result yet."

    def test_what_makes_it_unfair(self, search: SearchState, tmp_path: Path) -> None:
        """670 iterations against 200; another optimum."""
        second = search_of(tmp_path / "b", [trial(1, 0.5), trial(2, 0.875)])
        assert "They spent different numbers of training iterations: 670, 200." in _cautions([search, second])
        assert len(_cautions([search, search])) == 1
        second.references[None] = dataclasses.replace(OPTIMUM, optimal_return=6.7)
        assert _cautions([search, second])[0].startswith("They have different models or horizons")

    def test_names(self, tmp_path: Path) -> None:
        states = [search_of(tmp_path / place, [trial(1, 0.5)]) for place in ("x/a", "y/a", "b")]
        assert _names(states) == ["a (1)", "a (2)", "b"]


def test_best_of_a_configuration_goes_by_how_far_it_went(tmp_path: Path) -> None:
    """A trial that was stopped with more is not the best of its configuration."""

    def numbers(trials: list[TrialRecord]) -> list[int]:
        return [one.trial_num for one in best_first(trials)]

    stopped = trial(1, 0.99, "stopped_at_rung", iterations=20)
    assert numbers([stopped, trial(2, 0.5), trial(3, 0.6), trial(4, None, "diverged")]) == [3, 2, 1]
    assert numbers([stopped, trial(2, 0.5, "paused", iterations=40)]) == [2, 1]
    assert numbers([trial(2, 0.5), trial(1, 0.5)]) == [1, 2]
