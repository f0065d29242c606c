"""The page without a browser: every state of a search has one, nothing in it is injected, it is written whole."""

import html
import itertools
import json
import re
import shlex
from collections import Counter
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import tyro
from factory import Made, make_search

from ghm.cli.solve.config import SolveConfig
from ghm.economics.model import GHMModel
from ghm.economics.problem import Problem
from ghm.errors import UserError
from ghm.report.analysis.importance import finished
from ghm.report.analysis.sample import sample, sentence
from ghm.report.drawing.charts import text
from ghm.report.drawing.tables import learners
from ghm.report.page import plotly_script, render, write_report
from ghm.search import SearchConfig, SearchSpace
from ghm.search.records.reader import read_search
from ghm.search.records.search_record import new_record
from ghm.search.records.state import SearchState
from ghm.search.trials.outcome import TrialRecord, TrialState
from ghm.solvers.validation import Card, validate
from ghm.training.settings import Hyperparameters

HOSTILE = """</script><script>alert(1)</script><img src=x onerror=alert(2)>"'&{{7*7}}@accent"""


class Outline(HTMLParser):
    """The page's elements: enough to check what a screen reader is told, and that nothing was injected."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(made: Made) -> str:
    return render(read_search(made.path)).decode()


def without_library(page: str) -> str:
    return page.replace(plotly_script().decode(), "")


@pytest.mark.parametrize(
    ("n_trials", "arguments", "says"),
    [
        (2, {"unfinished": [1, 2]}, "No trial has finished yet."),
        (3, {"failures": dict.fromkeys((1, 2, 3), ("diverged", "NaN at 9"))}, "all 3 failed (3 diverged)"),
        (1, {}, "Only one trial completed"),
        (12, {"unfinished": [5]}, "running, or interrupted"),
        (12, {"space": {n: v[:1] for n, v in vars(SearchSpace()).items() if n != "lr_policy"}}, "of 1 hyperparameter,"),
        (12, {"space": {n: v[:1] for n, v in vars(SearchSpace()).items()}}, "All trials had the same hyperparameters"),
        (12, {"space": {"lr_policy": [1e-5 * 1.5**k for k in range(12)]}}, "lr_policy"),
    ],
    ids=["none finished", "all failed", "one trial", "interrupted", "one hyperparameter", "none varied", "continuous"],
)
def test_every_state_of_a_search_has_a_page_that_says_so(
    tmp_path: Path, n_trials: int, arguments: dict[str, Any], says: str
) -> None:
    page = without_library(page_of(make_search(tmp_path, n_trials, **arguments)))
    assert says in html.unescape(page)
    assert "Settings and environment" in page
    assert "NaN" not in page.replace("NaN at 9", "")


@pytest.mark.parametrize("name", ["best_return", "captured_value", "seconds", "verdict_text", "monte_carlo_return"])
@pytest.mark.parametrize("value", ["null", '"text"', "[]"])
def test_missing_and_impossible_figures_do_not_break_the_page(tmp_path: Path, name: str, value: str) -> None:
    made = make_search(tmp_path, 3)
    text = json.dumps(made.content)
    made.path.write_text(re.sub(rf'"{name}": ("[^"]*"|[^,]*),', f'"{name}": {value},', text))
    assert "<main" in page_of(made)


def test_a_damaged_history_does_not_break_the_page(tmp_path: Path) -> None:
    made = make_search(tmp_path, 3)
    (tmp_path / "trial_001" / "history.jsonl").write_bytes(b'\xff\x00{"iteration": NaN}\n{"iteration": 1}\n[')
    (tmp_path / "trial_002" / "history.jsonl").unlink()
    assert "<main" in page_of(made)


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    made = make_search(tmp_path, 12, failures={2: ("crashed", HOSTILE)})
    clean = Outline(page_of(made))
    content = made.content
    for entry in content["results"]:
        entry["metrics"] |= {"verdict": HOSTILE, "verdict_text": HOSTILE, "error": HOSTILE}
    content["results"][3]["metrics"] |= {"status": "diverged", "success": False}
    content["results"][5]["hyperparameters"][HOSTILE] = HOSTILE
    content["results"][6]["metrics"]["status"] = HOSTILE
    content["environment"][HOSTILE] = {HOSTILE: HOSTILE}
    content["search_config"] |= {"results_dir": HOSTILE, "space": HOSTILE}
    made.path.write_text(json.dumps(content))
    page = page_of(made)
    hostile = Outline(page)
    assert len(hostile.all("script")) == len(clean.all("script")) == 3
    assert not hostile.all("img")
    assert not [a for _, attributes in hostile.elements for a in attributes if a.startswith("on")]
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert "<" not in data[1], "no text can end the element"
    figures = json.loads(data[1])
    assert "<img" not in json.dumps(figures["charts"]), "Plotly's own texts are escaped again"
    assert "&lt;/script&gt;" in text(HOSTILE)
    assert "<" not in text(HOSTILE)
    # What is said of a trial is set as text, never as markup.
    script = (resources.files("ghm.report") / "assets" / "page.js").read_text(encoding="utf-8")
    assert "textContent" in script
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script)
    assert "49" not in re.findall(r"\{\{7\*7\}\}|@accent49", page), "no template runs in a text"
    assert html.unescape(page).count("alert(1)") > 10, "it is shown, as text"


def test_the_security_policy_allows_its_own_scripts_and_nothing_else(tmp_path: Path) -> None:
    page = page_of(make_search(tmp_path, 3))
    policy = next(m["content"] for m in Outline(page).all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    directives = dict(directive.split(" ", 1) for directive in policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert re.fullmatch(r"('sha256-[\w+/]{43}=' ?){2}", directives["script-src"])
    assert "http" not in policy


def test_every_figure_and_table_is_described(studied: Made) -> None:
    page = page_of(studied)
    outline = Outline(page)
    figures = [a for a in outline.all("div") if a.get("role") == "img"]
    assert len(figures) == 4 + 1 + 8 + 1 + 3 + 7, "course, parallel, panels, importance, a trial, policy"
    for figure in figures:
        assert len(figure.get("aria-label") or "") > 40
    assert len(outline.all("table")) == len(outline.all("caption"))
    assert all(cell.get("scope") in ("col", "row") for cell in outline.all("th"))
    assert len(outline.all("h1")) == len(outline.all("main")) == len(outline.all("nav")) == 1
    anchors = [a["href"] for a in outline.all("a")]
    identifiers = [a["id"] for _, a in outline.elements if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    assert {str(anchor)[1:] for anchor in anchors} <= set(identifiers)
    assert outline.all("html")[0]["lang"] == "en"


def test_nothing_is_loaded_from_elsewhere(studied: Made) -> None:
    outline = Outline(page_of(studied))
    for tag, attributes in outline.elements:
        for name in ("src", "href", "data", "action"):
            target = attributes.get(name)
            assert target is None or target.startswith(("#", "data:")), (tag, name, target)
    assert "@import" not in page_of(studied)
    assert "url(" not in without_library(page_of(studied))


def test_five_hundred_trials_are_all_on_a_page_of_modest_size(tmp_path: Path) -> None:
    """How fast: benchmarks/report_page.py."""
    made = make_search(tmp_path, 500, failures={7: ("diverged", "NaN at 9")}, unfinished=[8])
    file = write_report(made.path)
    assert file.stat().st_size < 10_000_000
    assert file.read_text(encoding="utf-8").count('<th scope="row"') > 498


def test_the_page_goes_beside_the_results_or_where_it_is_told(tmp_path: Path) -> None:
    made = make_search(tmp_path / "search", 2)
    assert write_report(made.path.parent) == made.path.with_name("report.html")
    elsewhere = write_report(made.path, tmp_path / "page.html")
    assert elsewhere.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    made = make_search(tmp_path, 2)
    with pytest.raises(OSError, match=r"nowhere"):
        write_report(made.path, tmp_path / "nowhere" / "page.html")
    with pytest.raises(UserError):
        write_report(tmp_path / "trial_001")
    assert not list(tmp_path.glob("*.html"))


def test_the_optimum_is_proved_and_the_searchs_own_can_be(tmp_path: Path) -> None:

    def shown(figure: float) -> str:
        return f"{figure:.1e}" if figure else "0"

    usual, other = make_search(tmp_path / "a"), make_search(tmp_path / "b", model=GHMModel(sigma_x=0.2), dt=0.05)
    text = html.unescape(page_of(usual))
    assert 'id="card"' in text
    card = Card.default()
    for line in card.lines:
        assert f"{line.claim}</th>" in text
        assert f"{shown(line.figure)}</td>" in text
    # The other firm's own card, worked out once and kept beside its solution.
    own = validate(Problem(GHMModel(sigma_x=0.2), 0.05))
    theirs = html.unescape(page_of(other))
    assert all(f"{shown(line.figure)}</td>" in theirs for line in own.lines)
    assert any(f"{shown(line.figure)}</td>" not in theirs for line in card.lines)
    kept = other.path.with_name("reference_checks.json")
    assert Card.from_dict(json.loads(kept.read_text())) == own
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ghm.solvers.validation.stored.validate", lambda _problem: pytest.fail("worked out again"))
        page_of(other)
        kept.write_text(kept.read_text().replace('"sigma_x": 0.2', '"sigma_x": 0.3'))
        with pytest.raises(pytest.fail.Exception, match="worked out again"):
            page_of(other)
    usual_words, words = (
        shlex.split(found.replace("\\\n", " "))
        for made in (usual, other)
        for found in re.findall(r"<code>(ghm solve .*?)</code>", html.unescape(page_of(made)), re.DOTALL)
    )
    assert usual_words == ["ghm", "solve", "--check"]
    assert ("--model.sigma_x", "0.2") in itertools.pairwise(words)
    assert ("--dt", "0.05") in itertools.pairwise(words)
    config = tyro.cli(SolveConfig, args=words[2:])
    assert (config.check, config.model, config.dt) == (True, GHMModel(sigma_x=0.2), 0.05)


def test_a_missing_checkpoint_is_said_where_the_policy_would_be(tmp_path: Path) -> None:
    assert "The best policy cannot be shown: no checkpoint" in page_of(make_search(tmp_path, 2))


def test_a_page_of_very_many_trials_draws_a_sample_and_says_so(tmp_path: Path) -> None:
    search = read_search(make_search(tmp_path, 60, n_iterations=500).path)
    drawn = sample(search, most=25)
    assert sample(search) is search
    assert len(drawn.trials) == 25
    assert drawn.best_trial == search.best_trial, "of all trials"
    assert [trial.trial_num for trial in drawn.trials] == sorted({trial.trial_num for trial in drawn.trials})
    assert sample(search, most=25).trials == drawn.trials
    assert sentence(search, search) is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ghm.report.page.sample", lambda whole: sample(whole, most=25))
        page = render(search).decode()
    assert "25 of the 60 trials, the best one and others drawn at random" in page
    assert page.count("<tr") < render(search).count(b"<tr")
    assert b"drawn at random" not in render(search)


def test_samples_are_drawn_evenly(tmp_path: Path) -> None:
    """How often each of 39 trials is among the 19 beside the best in 400 samples: within 4.5 standard errors of its
    share (α = 39 · 7e-6 = 0.0003 over all); a sample that takes the first ones is not."""
    search = read_search(make_search(tmp_path, 40, n_iterations=100).path)
    assert search.best_trial is not None
    others = [trial.trial_num for trial in search.trials if trial is not search.best_trial]
    share = 19 / 39
    error = (400 * share * (1 - share)) ** 0.5

    def even(counts: Counter[int]) -> bool:
        return all(abs(counts[number] - 400 * share) < 4.5 * error for number in others)

    assert even(Counter(trial.trial_num for seed in range(400) for trial in sample(search, 20, seed).trials))
    assert not even(Counter(dict.fromkeys(others[:19], 400)))


def test_a_sample_has_whole_configurations_and_its_best(tmp_path: Path) -> None:
    """Half of a configuration could not be compared: importance would fall silent, and another one would lead."""
    config = SearchConfig(n_trials=30, n_seeds=4, n_iterations=10, eval_freq=10)
    whole = SearchState(tmp_path / "r.json", new_record(config, SearchSpace().choices()))
    for number in range(1, 121):
        configuration = (number + 3) // 4
        hyperparameters = Hyperparameters(lr_policy=10.0 ** -(configuration % 3))
        metrics = {"best_return": configuration + number / 1000, "captured_value": configuration / 40}
        known = {"configuration": configuration, "metrics": metrics, "iterations": 10}
        whole.add(TrialRecord(number, hyperparameters, 124, TrialState.COMPLETED, **known))
    drawn = sample(whole, most=50)
    counts = Counter(trial.configuration for trial in drawn.trials)
    assert set(counts.values()) == {4}
    assert len(counts) == 12
    assert drawn.best_trial is whole.best_trial is whole.by_number[120]
    assert len(finished(drawn)) == 12
    assert len(finished(whole)) == 30


MODEL_FREE = {"learner": "model_free", "estimator": "after_state", "baseline": "returns"}


@pytest.mark.parametrize(
    ("settings", "space", "named"),
    [
        ({}, None, ["model_based"]),
        (MODEL_FREE, None, ["model_free"]),
        (MODEL_FREE | {"estimator": "gae"}, None, ["model_free --estimator gae"]),
        (MODEL_FREE, ["gae", "after_state"], ["model_free", "model_free --estimator gae"]),
    ],
)
def test_it_says_what_the_learners_that_were_searched_must_know(
    tmp_path: Path, settings: dict[str, Any], space: list[str] | None, named: list[str]
) -> None:
    made = make_search(tmp_path, 8)
    content = made.content
    content["search_config"] |= settings
    for number, entry in enumerate(content["results"]):
        entry["hyperparameters"] |= {} if space is None else {"estimator": space[number % 2]}
    if space is not None:
        content["search_space"]["estimator"] = space
    made.path.write_text(json.dumps(content))
    table = learners(read_search(made.path))
    must_know = {
        "model_based": "transition law on a grid, transaction costs, simulator",
        "model_free": "transaction costs, simulator that can be rerun with the same shocks from other cash",
        "model_free --estimator gae": "simulator",
    }
    assert [[cell.text for cell in row][::2][:2] for row in table.rows] == [[one, must_know[one]] for one in named]
    page = html.unescape(page_of(made))
    assert all(f">{cell.text}<" in page for row in table.rows for cell in row)
