"""The report: one HTML file that needs nothing but itself.

What comes from the records reaches the page in three ways, and is made harmless in each: in text and attributes by the
template's escaping; in the figures' JSON by writing ``<``, ``>`` and ``&`` as escapes, so that no text can end the
script element; in the figures' own texts, which Plotly reads as a little HTML, by escaping again
(`ghm.report.drawing.charts.text`). The page's content security policy allows its own two scripts by their digests, and no
request to anywhere.
"""

import base64
import dataclasses
import hashlib
import importlib.metadata
import importlib.util
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ghm.economics.problem import Problem
from ghm.errors import UserError, printable
from ghm.io.atomic import write_atomically
from ghm.io.guard import survive
from ghm.io.text import loss_text
from ghm.report.analysis.certainty import certainty
from ghm.report.analysis.findings import (
    check,
    confidence,
    headline,
    loss,
    meaning,
    percent,
    policy_name,
    searched,
    verdict,
    verification,
)
from ghm.report.analysis.importance import importances, marginal_effects
from ghm.report.analysis.policy import PolicyStudy, best_or_reason
from ghm.report.analysis.sample import sample, sentence
from ghm.report.drawing import tables
from ghm.report.drawing.charts import Chart, search_charts
from ghm.report.drawing.economics import card_table, economics_charts, moments_table, parameters_table
from ghm.report.drawing.instances import (
    calibrations_table,
    configurations_table,
    confirmation_table,
    instance_charts,
)
from ghm.report.drawing.palette import BOUNDARIES, css
from ghm.report.drawing.policy_charts import policy_charts
from ghm.report.drawing.tuning import gap_charts, marginal_effects_table, trial_details, trial_texts
from ghm.search.records.reader import read_search
from ghm.search.records.state import SearchState
from ghm.search.trials.trial import card_name
from ghm.training.logging.progress import duration, number

_PLACE = "<script>Plotly's library</script>"
"""Where the library goes once the rest is encoded: as text it has two bytes a character, and the template copies it. Nothing
that comes from the records can look like this, as their angle brackets are escaped."""

FIRST = ("bands", "gap", "policy-levels", "order", "iterations")
"""Charts of the first screen by preference; the first `SHOWN_FIRST` that there are."""

SHOWN_FIRST = 3

COURSE = ("order", "iterations", "gap", "time")
"""Charts of the section on the search's course; panels and policy charts have sections of their own."""

MOST_STEPS = 5000
"""Time steps to the horizon up to which the optimum is checked for the page: more take minutes, and it names the command."""


def write_report(results: Path, output: Path | None = None, reload: int = 0) -> Path:
    """Write the report of a search.

    Args:
        results: Results JSON of the search, or its directory.
        output: File to write; default: ``report.html`` beside the results.
        reload: Seconds after which the page loads its new state, while the search runs; 0: never.

    Returns:
        The file written, whole or not at all.

    Raises:
        UserError: when ``results`` is no search's.
        OSError: when the file cannot be written.
    """
    search = read_search(results)
    file = output or search.path.parent / "report.html"
    write_atomically(file, render(search, reload))
    return file


def render(search: SearchState, reload: int = 0) -> bytes:
    """The page's HTML, in UTF-8."""
    drawn = sample(search)
    weights = importances(drawn)
    note = sentence(drawn, search)
    study, policy_note = _study(search)
    policy = [] if study is None else [*policy_charts(study), *economics_charts(study)]
    charts = [*search_charts(drawn, weights), *gap_charts(drawn), *instance_charts(search), *policy]
    first = sorted((one for one in charts if one.name in FIRST), key=lambda one: FIRST.index(one.name))[:SHOWN_FIRST]
    rest = [one for one in charts if one not in first]
    details = trial_details(drawn) if charts else []
    cards, unchecked = _cards(search) if search.best_trial is not None else ([], "")
    content = {
        **_words(search),
        "reload": reload,
        "first": first,
        "notes": [*([note] if note else []), meaning(search), searched(search)],
        "certainty": tables.certainty_table(certainty(search, weights)),
        "configurations": [
            one for table in (confirmation_table, configurations_table, calibrations_table) if (one := table(search))
        ],
        "instances": [one for one in rest if one.name in ("bands", "configuration-curves", "rungs")],
        "best": tables.best_configuration(search),
        "policy_table": tables.best_policy(search),
        "verdict": verdict(search),
        "command": verification(search),
        "leaderboard": tables.leaderboard(drawn),
        "progress": [one for one in rest if one.name in COURSE],
        "effects": [one for one in rest if one.name in ("importance", "parallel")],
        "panels": [one for one in rest if one.name.startswith("panel-")],
        "policy_charts": [one for one in policy if one not in first],
        "policy_note": policy_note,
        "policy_of": None if study is None else policy_name(search),
        "marginal_effects": marginal_effects_table(marginal_effects(search), weights),
        "economics": [parameters_table(search), *([] if study is None else [moments_table(study, search)])],
        "cards": cards,
        "unchecked": unchecked,
        "check": check(search),
        "details": details,
        "failures": tables.failures(drawn),
        "damaged": tables.damaged(search),
        "learners": tables.learners(search),
        "settings": tables.settings(search),
        "figures": {
            "trials": trial_texts(drawn),
            "charts": [_figure(chart) for chart in charts],
            "details": details,
            "boundaries": BOUNDARIES,
        },
    }
    return _filled(content)


def page(words: dict[str, Any], instances: list[Chart]) -> bytes:
    """A page of another content in the same dress: headline, notes, tables, and charts under them."""
    absent = "certainty best policy_table verdict command leaderboard policy_note failures damaged marginal_effects confidence "
    absent += "learners policy_of unchecked check reload"
    lists = "tiles counts first progress effects panels policy_charts settings economics details cards"
    empty: dict[str, Any] = {**dict.fromkeys(absent.split()), **dict.fromkeys(lists.split(), ())}
    figures = {"trials": {}, "charts": [_figure(chart) for chart in instances], "details": []}
    version = importlib.metadata.version("ghm")
    return _filled({**empty, "instances": instances, "figures": figures, "version": version, **words})


def _filled(content: dict[str, Any]) -> bytes:
    """The template with its content, script and style."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    plotly = plotly_script() if content["figures"]["charts"] else b""
    script = _asset("page.js")
    dress = {
        "plotly": _PLACE if plotly else "",
        "script": script,
        "style": css() + _asset("page.css"),
        "policy": _security_policy([plotly, script.encode()]),
        "sections": _sections(content),
    }
    page = environment.from_string(_asset("page.html.j2")).render({**content, **dress}).encode()
    return page.replace(_PLACE.encode(), b"<script>" + plotly + b"</script>", 1) if plotly else page


def _cards(search: SearchState) -> tuple[list[tables.Table], str]:
    """Checks of the optimum of each calibration, kept beside its solution; and why there are none of some."""
    config, found, why = search.config, [], ""
    for name, model in {one.name: one.model for one in search.record.calibrations}.items() or [(None, config.model)]:
        problem = Problem(model, config.dt, config.T, config.terminal)
        if problem.n_steps > MOST_STEPS:
            return [], f"With {problem.n_steps:,} time steps to the horizon, the checks take minutes."
        from ghm.solvers.validation import load_or_validate  # late: a page without a result needs none of it

        try:
            found.append(card_table(name, load_or_validate(search.path.parent / card_name(name), problem)))
        except UserError as error:
            why = f"The optimum cannot be checked: {error}."
        except Exception as error:  # a fault of ours: the rest of the page is worth reading without it
            why = f"The optimum cannot be checked: {survive('checking the optimum', error)}."
    return found, why


def _study(search: SearchState) -> tuple[PolicyStudy | None, str | None]:
    """The best policy worked out, or why it is not."""
    if search.best_trial is None:
        return None, None
    study, reason = best_or_reason(search)
    return study, None if study is not None else f"The best policy cannot be shown: {reason}"


def _words(search: SearchState) -> dict[str, Any]:
    best, counts = search.best_configuration, search.counts()
    reference = None if best is None else search.reference_of(best.trial)
    reference = reference or search.reference
    several = best is not None and len(search.record.calibrations) > 1
    of = f" ({best.trial.calibration})" if best is not None and several else ""
    return {
        "title": f"Search {printable(search.path.stem.removeprefix('search_results_'))}",
        "headline": headline(search),
        "confidence": confidence(search),
        "tiles": [
            ("Captured value", percent(None if best is None else best.captured_value)),
            (f"Loss of firm value{of}", "–" if best is None else loss_text(loss(search, best.trial))),
            (f"Best firm value{of}", number(search.best_value)),
            (f"Optimum{of}", number(None if reference is None else reference.optimal_return)),
            (f"Immediate liquidation{of}", number(None if reference is None else reference.wind_up_return)),
        ],
        "counts": [
            ("Completed", str(counts.completed)),
            *([("Stopped at a rung", str(counts.stopped))] if search.config.rungs else []),
            ("Failed", str(counts.failed)),
            ("Unfinished", str(counts.unfinished)),
            ("Training time, all trials", duration(sum(trial.seconds for trial in search.trials))),
        ],
        "source": printable(str(search.path)),
        "version": importlib.metadata.version("ghm"),
    }


def _sections(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Anchors and names of the sections that the page has, after the first screen."""
    present = (
        ("certainty", "sure", "How sure"),
        ("configurations", "configurations", "Configurations"),
        ("leaderboard", "leaderboard", "Leaderboard"),
        ("counts", "progress", "History"),
        ("effects", "effects", "Hyperparameters"),
        ("details", "trials", "Any trial"),
        ("best", "policy", "Policy"),
        ("economics", "economics", "Model"),
        ("best", "card", "The optimum"),
        ("command", "longer", "Train it longer"),
    )
    closing = [("failures", "Failures"), ("settings", "Settings")] if content["settings"] else []
    return [(anchor, name) for key, anchor, name in present if content[key]] + closing


def _figure(chart: Chart) -> dict[str, Any]:
    """What the page's script needs to draw a chart."""
    content = dataclasses.asdict(chart)
    return {key: content[key] for key in ("name", "data", "layout", "parallel")}


def _security_policy(scripts: list[bytes]) -> str:
    digests = [base64.b64encode(hashlib.sha256(text).digest()).decode() for text in scripts if text]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"


@cache
def _asset(name: str) -> str:
    return resources.files("ghm.report").joinpath("assets", name).read_text(encoding="utf-8")


def plotly_script() -> bytes:
    """Plotly's library, from the installed package; the package itself, slow to import, is not imported."""
    found = importlib.util.find_spec("plotly")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "package_data" / "plotly.min.js").read_bytes()
