"""A notebook, executed, as a page.

Each cell of code is shown with what it printed, returned and drew. A cell that raises, or writes to its error stream, fails
the build.
"""

import base64
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

CELL_SECONDS = 300
"""The notebook's search takes half a minute, and two where nothing is compiled yet and the machine has other work."""


def executed_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """The page's Markdown, and its pictures by file name.

    Raises:
        nbclient.exceptions.CellExecutionError: when a cell raises.
        ValueError: when one writes to its error stream.
    """
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as directory:
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            startup_timeout=CELL_SECONDS,
            extra_arguments=["--log-level=40"],  # errors alone: it warns that it listens to this machine
            resources={"metadata": {"path": directory}},  # an empty directory: what the notebook needs it makes
        )
        client.execute()
    return rendered(notebook, path.stem, path.name)


def rendered(notebook: Any, stem: str, download: str) -> tuple[str, dict[str, bytes]]:
    """An executed notebook as Markdown, and its pictures by file name."""
    parts, pictures = [], dict[str, bytes]()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            parts.append(_output(output, stem, pictures))
    heading, *rest = parts
    link = f"[This page as a notebook]({download}): it is executed whenever the site is built, and shows what was found then."
    return "\n\n".join([heading, link, *rest]) + "\n", pictures


def _output(output: Any, stem: str, pictures: dict[str, bytes]) -> str:
    if output.output_type == "stream":
        if output.name == "stderr":
            raise ValueError(f"a cell of the notebook writes to its error stream: {output.text}")
        return f"```text\n{output.text.rstrip()}\n```"
    data = output.data
    if "image/png" in data:
        name = f"{stem}_{len(pictures) + 1}.png"
        pictures[name] = base64.b64decode(data["image/png"])
        return f"![{output.metadata.get('alt', 'What the cell draws')}]({name})"
    if "text/html" in data:
        return f'<div class="wide">\n{data["text/html"]}\n</div>'
    return f"```text\n{data['text/plain']}\n```"
