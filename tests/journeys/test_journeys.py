"""Real searches through real commands: every surface says the same of them, and nothing goes wrong in silence."""

import dataclasses
import re

import pytest
from _pytest.mark.structures import ParameterSet

from tests.journeys.catalogue import COMPARED, CORE, JOURNEYS
from tests.journeys.commands import LIMIT_S, run
from tests.journeys.conftest import Reach
from tests.journeys.surfaces.spoken import counts_on_the_way, done, progress_on_the_way
from tests.journeys.surfaces.stage import Stage
from tests.journeys.surfaces.table import FIELDS, Figure, Table, disagreements

STAGES = tuple(name for names in JOURNEYS.values() for name in names)

WRONG = re.compile(r"Traceback|dropped|Error\(|could not be written|cannot be shown|Exception ignored")
"""What no line may say."""

FROZEN = re.compile(r"search +\d+%")
"""What a live view says, and none that is closed when the summary comes."""


def case(name: str, *test: str) -> ParameterSet:
    """A stage, marked where it is slow; tests that read a journey's stages run in one process, which makes it once."""
    names = next(names for names in JOURNEYS.values() if name in names)
    group = "compared" if set(names) & set(COMPARED) else names[0]
    # The first test that reads a stage makes it: a search and all commands that are asked about it.
    marks = [pytest.mark.timeout(3 * LIMIT_S), *([] if name in CORE else [pytest.mark.journey])]
    return pytest.param(name, *test, marks=marks, id=f"{'-'.join((name, *test))}@@{group}")


def cases(*tests: str) -> list[ParameterSet]:
    """Every stage with each of ``tests``."""
    return [case(name, test) for names in JOURNEYS.values() for name in names for test in tests]


def text_of(stage: Stage) -> str:
    return "\n".join([stage.page, *(one.output for one in stage.all_runs)])


@pytest.mark.parametrize(("name", "field"), cases(*FIELDS))
def test_all_surfaces_say_the_same(name: str, field: str, reach: Reach) -> None:
    assert disagreements(field, reach(name).tables) == []


@pytest.mark.parametrize(("name", "test"), cases("nothing wrong"))
def test_no_line_tells_of_something_wrong(name: str, test: str, reach: Reach) -> None:
    stage = reach(name)
    found = [line for line in text_of(stage).splitlines() if WRONG.search(line)]
    after = "" if stage.ran is None else stage.ran.output.partition("Search summary:")[2]
    assert found + [line for line in after.splitlines() if FROZEN.match(line)] == []


@pytest.mark.parametrize(("name", "test"), cases("standard error"))
def test_standard_error_is_empty(name: str, test: str, reach: Reach) -> None:
    assert [one.errors for one in reach(name).all_runs if one.errors] == []


@pytest.mark.parametrize(("name", "test"), cases("statuses of commands"))
def test_every_command_ends_well(name: str, test: str, reach: Reach) -> None:
    stage = reach(name)
    stopped = stage.ran is not None and "Interrupted. Continue with:" in stage.ran.output
    assert [one.status for one in stage.others] == [0] * len(stage.others)
    assert stage.ran is None or stage.ran.status == (4 if stopped else 0)


@pytest.mark.parametrize(("name", "test"), cases("records"))
def test_the_json_has_every_trial_that_left_a_record_and_no_other(name: str, test: str, reach: Reach) -> None:
    tables = reach(name).tables
    assert tables["JSON"].statuses == tables["outcome.json"].statuses


PLAIN = {
    "random, two workers": None,
    "a rung": None,
    "two rungs, confirmed": "two rungs, larger --keep",
    "Ctrl-C": None,
    "a trial crashes": None,
}
"""Stages whose output went into a pipe, and the stages before them."""

LIVE = {
    "random, one worker": (0, [60] * 3),
    "grid": (0, [60] * 4),
    "firms, confirmed": (8, [40] * 8),
}
"""Stages in a terminal: how many trials were over before, and the iterations of those that are run, in order."""


@pytest.mark.parametrize("name", [*map(case, PLAIN)])
def test_counts_on_the_way_are_those_of_the_messages(name: str, reach: Reach) -> None:
    before = PLAIN[name]
    known = {} if before is None else reach(before).tables["JSON"].statuses or {}
    stage = reach(name)
    assert stage.ran is not None
    found = counts_on_the_way(stage.ran.output, known)
    assert found
    assert [(line, expected) for line, said, expected in found if said != expected] == []


@pytest.mark.parametrize("name", [*map(case, LIVE)])
def test_progress_on_the_way_is_between_what_is_over_and_what_was_begun(name: str, reach: Reach) -> None:
    stage = reach(name)
    assert stage.ran is not None
    found = progress_on_the_way(stage.ran.screens, *LIVE[name])
    assert found
    rounding = 0.0051
    assert [one for one in found if not one[2] - rounding <= one[1] <= one[3] + rounding] == []


@pytest.mark.parametrize("name", [*map(case, ["Ctrl-C, resumed", "two rungs, confirmed"])])
def test_a_dry_run_leaves_out_what_the_run_does(name: str, reach: Reach) -> None:
    place = reach(name).results_dir
    planned, ran = (
        run("search", "--resume", place, "--dry_run"),
        run("search", "--resume", place, "--progress", "plain"),
    )
    assert (planned.status, planned.errors, ran.status, ran.errors) == (0, "", 0, "")
    assert done(planned.output) == done(ran.output)


SAID_OF_A_PLAIN_SEARCH = set(FIELDS) - {"progress", "configurations_asked"}
"""Of a search of one seed and one model, into a pipe."""


@pytest.mark.parametrize("name", [case(CORE[0])])
def test_the_net_sees_every_field(name: str, reach: Reach) -> None:
    """A surface that can no longer be read would agree with all others."""
    tables = reach(name).tables
    said = {field: [one for one in tables if getattr(tables[one], field) is not None] for field in FIELDS}
    assert {field for field, names in said.items() if len(names) < 2} <= set(FIELDS) - SAID_OF_A_PLAIN_SEARCH
    surfaces = {"plain", "summary", "JSON", "page", "trials.csv", "configurations.csv", "API", "why", "replay"}
    assert surfaces <= {name for name, table in tables.items() if table != Table()}


@pytest.mark.parametrize("name", [case("a rung, larger --keep")])
def test_the_net_sees_every_field_of_a_live_view(name: str, reach: Reach) -> None:
    table = reach(name).tables["live at 120"]
    assert table.trials_asked == 3


@pytest.mark.parametrize("name", [case(CORE[0])])
@pytest.mark.parametrize("field", ["best_value", "statuses", "trials_completed", "rank_order", "verdict", "time_left"])
def test_a_surface_that_says_otherwise_is_noticed(name: str, field: str, reach: Reach) -> None:
    """Negative control: one surface with another word than the rest."""
    tables = dict(reach(name).tables)
    other = {
        "best_value": Figure(tables["summary"].best_value.value + 2e-4, 5e-5),  # type: ignore[union-attr]
        "statuses": {1: "crashed"},
        "trials_completed": 2,
        "rank_order": tuple(reversed(tables["summary"].rank_order or ())),
        "verdict": "Near-optimal.",
        "time_left": "0:07",
    }
    assert disagreements(field, tables) == []
    tables["wrong"] = dataclasses.replace(Table(), **{field: other[field]})
    assert disagreements(field, tables) != []
