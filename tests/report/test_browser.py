"""The page in a real browser: drawn, silent, offline, sortable, in both schemes and on a phone. `make test-browser`."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from factory import Made, make_search
from playwright.sync_api import Browser, Locator, Page, Playwright, sync_playwright

from ghm.report.page import write_report

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome")

DRAWN = "html[data-figures=drawn]"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    found = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        # Not a skip: whoever asks for the browser's tests wants them run.
        pytest.fail(f"no browser: install the system's package chromium (looked for {', '.join(NAMES)} and $CHROMIUM)")
    # Root in a container has no user namespaces for the sandbox; the page is our own.
    opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def report(studied: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(studied.path, tmp_path_factory.mktemp("page") / "report.html")


class Visit:
    """A page opened in a fresh context, with what went wrong while it loaded."""

    def __init__(self, browser: Browser, file: Path, width: int = 1400, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.problems.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector(DRAWN, state="attached", timeout=30_000)

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_every_figure_is_drawn_without_an_error_or_a_request(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    with Visit(browser, report, width, scheme) as visit:
        assert visit.problems == []
        assert [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))] == []
        assert len([url for url in visit.requests if url.startswith("file:")]) == 1
        plots = visit.page.locator(".plot")
        assert plots.count() == 24
        for index in range(plots.count()):
            plot = plots.nth(index)
            name = plot.get_attribute("id")
            marks = plot.locator(".main-svg path, .main-svg image").count()
            assert marks > 3, f"{name} is empty"
            box = plot.bounding_box()
            assert box is not None
            assert box["width"] > 200, name
            assert box["height"] > 100, name
        overflow = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, "the page itself never scrolls sideways"


def test_colours_follow_the_scheme_also_when_it_changes(browser: Browser, report: Path) -> None:
    line = "() => document.querySelector('#policy-value .scatterlayer path.js-line').style.stroke"
    with Visit(browser, report, scheme="light") as visit:
        light = visit.page.evaluate(line), visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        visit.page.evaluate("delete document.documentElement.dataset.figures")
        visit.page.emulate_media(color_scheme="dark")
        visit.page.wait_for_selector(DRAWN, state="attached")
        dark = visit.page.evaluate(line), visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert light[0] != dark[0]
        assert light[1] != dark[1]
        assert visit.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast(browser: Browser, report: Path, scheme: str) -> None:
    """WCAG 2.1 AA: 4.5 for texts, and 3 for the colours of figures, against their background."""
    script = """() => Object.fromEntries(
        ['background', 'surface', 'text', 'muted', 'accent', 'second', 'third', 'fourth', 'fifth', 'bad'].map(
            (name) => [name, getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()]))"""
    with Visit(browser, report, scheme=scheme) as visit:
        colours = visit.page.evaluate(script)
    for ground in ("background", "surface"):
        for name in ("text", "muted", "accent"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
        for name in ("second", "third", "fourth", "fifth", "bad"):
            assert contrast(colours[name], colours[ground]) >= 3.0, (name, ground)
    assert contrast("#777777", "#888888") < 1.5, "negative control"


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, #rrggbb (WCAG 2.1)."""

    def luminance(colour: str) -> float:
        channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_leaderboard_sorts_by_mouse_and_by_keyboard(browser: Browser, report: Path) -> None:
    with Visit(browser, report) as visit:
        table = visit.page.locator("table.sortable").first
        head = table.locator("thead th", has_text="Training time")
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        seconds = keys(table, "Training time")
        assert seconds == sorted(seconds, reverse=True)
        assert seconds[0] > seconds[-1]
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        assert keys(table, "Training time") == sorted(seconds)
        rank = table.locator("thead th", has_text="Rank")
        rank.locator("button").press("Space")
        rank.locator("button").press("Space")
        assert keys(table, "Rank") == sorted(keys(table, "Rank"))
        assert table.locator("thead th[aria-sort]").count() == 1
        verdict = table.locator("thead th", has_text="Verdict")
        verdict.locator("button").click()
        texts = cells(table, "Verdict").all_inner_texts()
        assert texts == sorted(texts)


def cells(table: Locator, title: str) -> Locator:
    """The cells of the column with this heading."""
    titles = [text.strip() for text in table.locator("thead th").all_inner_texts()]
    (column,) = (number for number, text in enumerate(titles, 1) if text.startswith(title))
    return table.locator(f"tbody tr > :nth-child({column})")


def keys(table: Locator, title: str) -> list[float]:
    """What the column with this heading is sorted by, from the top."""
    found = cells(table, title)
    return [float(found.nth(row).get_attribute("data-key") or "nan") for row in range(found.count())]


@pytest.mark.parametrize(
    ("n_trials", "arguments", "figures"),
    [
        (2, {"unfinished": [1, 2]}, 0),
        (2, {"failures": {1: ("diverged", "NaN"), 2: ("crashed", "x")}}, 0),
        (1, {}, 7),
        (12, {"unfinished": [3]}, 17),
    ],
    ids=["none finished", "all failed", "one trial", "interrupted"],
)
def test_other_states_of_a_search_open_without_an_error(
    browser: Browser, tmp_path: Path, n_trials: int, arguments: dict[str, object], figures: int
) -> None:
    made = make_search(tmp_path, n_trials, **arguments)  # type: ignore[arg-type]
    with Visit(browser, write_report(made.path), width=400) as visit:
        assert visit.problems == []
        assert visit.page.locator(".plot .main-svg:first-child").count() == figures


def test_five_hundred_trials_open(browser: Browser, tmp_path: Path) -> None:
    """How fast: benchmarks/report_page.py."""
    made = make_search(tmp_path, 500, failures={7: ("diverged", "NaN at 9")}, unfinished=[8])
    with Visit(browser, write_report(made.path)) as visit:
        assert visit.problems == []
        assert visit.page.locator("tbody tr").count() > 498


def test_an_open_page_of_a_running_search_loads_its_new_state(browser: Browser, tmp_path: Path) -> None:
    """From a file, where a page may ask for nothing else: it loads itself again, and stays where it was scrolled to."""
    made = make_search(tmp_path, 12, unfinished=[3])
    best = max(made.content["results"], key=lambda entry: entry["metrics"]["best_return"])
    other = next(entry for entry in made.content["results"] if entry is not best)
    with Visit(browser, write_report(made.path, reload=1)) as visit:
        lead = visit.page.locator(".lead")
        assert f"Trial {best['trial_num']} is the best" in lead.inner_text()
        assert "this page loads its new state every 1 seconds" in visit.page.locator("header").inner_text()
        visit.page.evaluate("scrollTo(0, 800)")
        other["metrics"] |= {"best_return": 6.6547, "captured_value": 0.9999}
        made.path.write_text(json.dumps(made.content))
        write_report(made.path, reload=1)
        lead.filter(has_text=f"Trial {other['trial_num']} is the best").wait_for(timeout=60_000)
        visit.page.wait_for_selector(DRAWN, state="attached", timeout=30_000)
        assert visit.page.evaluate("scrollY") == pytest.approx(800, abs=5)
        # The search is over, and so is loading.
        write_report(made.path)
        visit.page.wait_for_selector("html:not([data-reload])", state="attached", timeout=60_000)
        assert visit.problems == []
