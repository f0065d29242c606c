"""How the site is made: borrowed pages, links, docstrings, the notebook; and that nothing comes from elsewhere."""

import json
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace

import docstrings
import executed
import hooks
import pytest
from foreign_hosts import hosts
from mkdocs.exceptions import PluginError
from nbformat import v4
from pages import BORROWED, DOCS, LATER, NOTEBOOK, NOTEBOOK_PAGE, ROOT


def on_site(uri: str, markdown: str) -> str:
    return hooks.on_page_markdown(markdown, SimpleNamespace(file=SimpleNamespace(src_uri=uri)))


def test_links_of_borrowed_pages_lead_to_pages() -> None:
    assert on_site("project/contributing.md", "[how](docs/design/search.md#why)") == "[how](../design/search.md#why)"
    assert on_site("project/benchmarks.md", "[a](../docs/design/model.md)") == "[a](../design/model.md)"
    assert on_site("index.md", "[a](../benchmarks/README.md)") == "[a](project/benchmarks.md)"
    assert on_site("index.md", "[script](../examples/read_results.py)") == "script (`examples/read_results.py`)"
    assert on_site("index.md", "[a](commands.md)") == "[a](commands.md)"
    assert on_site("index.md", f"[a]({NOTEBOOK})") == f"[a]({NOTEBOOK_PAGE})"


def test_a_link_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(PluginError, match=r"'docs/gone.md#x' leads nowhere|leads nowhere"):
        on_site("project/contributing.md", "[how](examples/gone.py)")


def test_navigation_waits_for_pages_that_come_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nav = [{"Home": ["index.md", {"Clusters": LATER[0]}]}]
    monkeypatch.setattr(hooks, "DOCS", tmp_path)
    assert hooks.on_config(SimpleNamespace(nav=nav)).nav == [{"Home": ["index.md"]}]
    (tmp_path / LATER[0]).touch()
    assert hooks.on_config(SimpleNamespace(nav=nav)).nav == nav


def test_tables_and_references_of_docstrings_are_readable() -> None:
    text = docstrings.readable("Doors:\n\n====  ====\n`a`   b\n====  ====\n\nAs :func:`ghm.solve`, not :meth:`run`.")
    assert "```text\n====  ====\n`a`   b\n====  ====\n```" in text
    assert "As [`ghm.solve`][ghm.solve], not `run`." in text


def notebook(*outputs: object) -> object:
    cells = [v4.new_markdown_cell("# Title"), v4.new_code_cell("1", outputs=list(outputs))]
    return v4.new_notebook(cells=cells)


def test_what_a_cell_leaves_is_shown() -> None:
    pixel = "iVBORw0KGgo="
    drawn = v4.new_output("display_data", data={"image/png": pixel, "text/plain": "<Figure>"})
    table = v4.new_output("execute_result", data={"text/html": "<table></table>", "text/plain": "x"})
    text, pictures = executed.rendered(
        notebook(drawn, table, v4.new_output("stream", text="said\n")), "page", "page.ipynb"
    )
    assert text.startswith("# Title\n\n[This page as a notebook](page.ipynb)")
    assert "(page_1.png)" in text
    assert "<table></table>" in text
    assert "```text\nsaid\n```" in text
    assert list(pictures) == ["page_1.png"]


def test_a_cell_that_warns_fails_the_build() -> None:
    with pytest.raises(ValueError, match="error stream: careful"):
        executed.rendered(notebook(v4.new_output("stream", name="stderr", text="careful")), "page", "page.ipynb")


def test_the_notebook_is_kept_without_outputs() -> None:
    kept = json.loads((DOCS / NOTEBOOK).read_text(encoding="utf-8"))
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in kept["cells"])


def test_borrowed_pages_are_there() -> None:
    for source in BORROWED.values():
        assert (ROOT / source).exists()


def test_the_first_search_is_the_one_that_make_runs() -> None:
    dry = subprocess.run(["make", "-n", "search"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in dry.splitlines() if "hyperparameter_search.py" in line]
    page = (DOCS / "first_steps.md").read_text(encoding="utf-8")
    assert f"$ python {shlex.join(shlex.split(line)[1:])}\n" in page


def test_what_is_fetched_elsewhere_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<link rel=stylesheet href="https://fonts.example/x"><a href="https://fine.example">x</a>'
    )
    (tmp_path / "a.css").write_text('@import "//sheets.example/y"; b { background: url(https://pictures.example/z) }')
    assert hosts(tmp_path) == {"fonts.example", "sheets.example", "pictures.example"}
