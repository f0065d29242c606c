"""Two searches beside each other on a page say what the page of each says."""

import pytest

from tests.journeys.catalogue import COMPARED
from tests.journeys.commands import run
from tests.journeys.conftest import Reach
from tests.journeys.surfaces.pages import Page
from tests.journeys.surfaces.table import shown
from tests.journeys.test_journeys import case


@pytest.fixture(scope="module")
def comparison(reach: Reach, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page that sets two searches beside each other; their directories have names of their own."""
    place = tmp_path_factory.mktemp("compared")
    for at, name in enumerate(COMPARED):
        (place / f"search-{at}").symlink_to(reach(name).results_dir)
    done = run("report", place / "search-0", place / "search-1", "--output", place / "comparison.html")
    assert (done.status, done.errors) == (0, "")
    return Page((place / "comparison.html").read_text())


def row(page: Page, name: str) -> dict[str, str]:
    table = page.table("Search", "Kind")
    assert table is not None
    return table.rows[COMPARED.index(name)]


@pytest.mark.parametrize("name", [*map(case, COMPARED)])
def test_a_comparison_captures_what_the_searchs_own_page_does(name: str, comparison: Page, reach: Reach) -> None:
    own = reach(name).tables["page"].captured_value
    assert own is not None
    assert shown(row(comparison, name)["Best captured"]).agrees(own)


@pytest.mark.parametrize("name", [*map(case, COMPARED)])
def test_a_comparison_counts_and_returns_what_the_searchs_own_page_does(
    name: str, comparison: Page, reach: Reach
) -> None:
    own, here = reach(name).tables["page"], row(comparison, name)
    assert (int(here["Completed"]), int(here["Failed"])) == (own.trials_completed, own.trials_failed)
    assert own.best_value is not None
    assert shown(here["Best firm value"]).agrees(own.best_value)


@pytest.mark.parametrize("name", [case("grid")])
def test_a_grid_has_as_many_trials_in_a_comparison_as_it_ran(name: str, comparison: Page, reach: Reach) -> None:
    differences = comparison.table("Setting")
    assert differences is not None
    shown_of = {one["Setting"]: one["search-0"] for one in differences.rows}
    assert shown_of.get("n_trials", "4") == "4"
