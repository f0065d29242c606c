"""What can hide an exception is listed in docs/design/reliability.md, each place with its reason; nothing else may."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/ghm"
HEADING = "## What lives on after an exception"

BROAD = {
    *(
        "BaseException",
        "Exception",
        "TypeError",
        "ValueError",
        "AttributeError",
        "NameError",
        "AssertionError",
        "RuntimeError",
    ),
    *("LookupError", "KeyError", "IndexError", "ArithmeticError", "NotImplementedError", "FAULTS"),
}
"""What a fault of ours may raise as well as what is expected."""

SILENT = {("on_error", "return"), ("return_exceptions", True)}
"""Arguments that turn exceptions into values."""

IN_THE_BACKGROUND = {"Thread", "add_done_callback", "start_new_thread"}
"""What runs functions whose exceptions nobody sees."""


def places(source: str, name: str) -> Iterator[tuple[str, str]]:
    """``file:function`` and what is caught there, of each place that can hide an exception."""
    for function, node in nodes(ast.parse(source), ""):
        where = f"{name}:{function}"
        if isinstance(node, ast.ExceptHandler) and not passes_on(node):
            if caught := names(node.type) & BROAD or ({"everything"} if node.type is None else set()):
                yield where, " ".join(sorted(caught))
        elif isinstance(node, ast.Call):
            called = _last_name(node.func)
            caught = set().union(*map(names, node.args)) & BROAD if called == "suppress" else set()
            if caught:
                yield where, " ".join(sorted(caught))
            for keyword in node.keywords:
                if isinstance(keyword.value, ast.Constant) and (keyword.arg, keyword.value.value) in SILENT:
                    yield where, f"{keyword.arg}={keyword.value.value}"
            if called in IN_THE_BACKGROUND or called == "survive":
                yield where, called


def nodes(tree: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """All nodes, each with the innermost function that it is in."""
    for node in ast.iter_child_nodes(tree):
        inside = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield inside, node
        yield from nodes(node, inside)


def passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether the exception itself goes on in any case."""
    last = handler.body[-1]
    leaves = any(isinstance(node, ast.Return | ast.Continue | ast.Break) for node in ast.walk(handler))
    return isinstance(last, ast.Raise) and last.exc is None and not leaves


def names(kinds: ast.AST | None) -> set[str]:
    parts = kinds.elts if isinstance(kinds, ast.Tuple) else [] if kinds is None else [kinds]
    return {_last_name(part) for part in parts}


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def found() -> list[tuple[str, str]]:
    files = sorted(PACKAGE.rglob("*.py"))
    return sorted(place for file in files for place in places(file.read_text(), file.relative_to(PACKAGE).as_posix()))


def rows() -> list[list[str]]:
    """The table's rows: place, caught, what happens, reason."""
    section = (ROOT / "docs/design/reliability.md").read_text().partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|\n ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line] for line in lines]


def test_what_can_hide_an_exception_is_listed() -> None:
    listed = sorted((row[0].strip("`"), row[1].replace("`", "").replace(",", "")) for row in rows())
    assert found() == listed


def test_each_has_a_reason() -> None:
    for row in rows():
        assert len(row) == 4, row
        assert all(re.search(r"\w", cell) for cell in row), row


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("try:\n  f()\nexcept Exception:\n  pass", ["Exception"]),
        ("try:\n  f()\nexcept:\n  pass", ["everything"]),
        ("try:\n  f()\nexcept (OSError, KeyError) as e:\n  x = None", ["KeyError"]),
        ("try:\n  f()\nexcept builtins.Exception as e:\n  raise ValueError from e", ["Exception"]),
        ("try:\n  f()\nexcept Exception:\n  if x:\n    return\n  raise", ["Exception"]),
        ("with contextlib.suppress(OSError, Exception):\n  f()", ["Exception"]),
        ("with suppress(TypeError):\n  f()", ["TypeError"]),
        ("gather(a, return_exceptions=True)", ["return_exceptions=True"]),
        ("client.run(f, on_error='return')", ["on_error=return"]),
        ("threading.Thread(target=f).start()", ["Thread"]),
        ("future.add_done_callback(f)", ["add_done_callback"]),
        ("try:\n  f()\nexcept BaseException:\n  undo()\n  raise", []),
        ("try:\n  f()\nexcept (OSError, UserError):\n  pass", []),
        ("with contextlib.suppress(OSError):\n  f()", []),
        ("with contextlib.ExitStack():\n  f(1)", []),
    ],
)
def test_the_walk_sees_what_hides_and_nothing_else(source: str, caught: list[str]) -> None:
    """Control: planted in a function of a class."""
    body = "\n".join(f"    {line}" for line in source.splitlines())
    assert list(places(f"class A:\n  def g():\n{body}", "a.py")) == [("a.py:g", kind) for kind in caught]
