"""Docstrings as the site shows them: tables of plain text stay as they are typed, references become links.

Modules say what they hold in tables drawn with ``====``, and refer to each other as ``:func:`ghm.solve` ``, both of which
editors and ``help()`` show well and Markdown does not.
"""

import re
from typing import Any

import griffe

# A paragraph that starts with a rule.
_TABLE = re.compile(r"^[ \t]*=+(?: +=+)+[ \t]*\n(?:.*\S.*(?:\n|\Z))+", re.MULTILINE)
_ROLE = re.compile(r":(?:func|meth|class|data|mod|attr):`~?\.?([\w.]+)`")

# Where objects stand on the site that their module refers to by another name.
_SHOWN = {"ghm.solve", "ghm.evaluate", "ghm.load_results", "ghm.solvers.answers.load_table"}


class ReadableDocstrings(griffe.Extension):
    """Rewrites every docstring as it is loaded."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of ``obj``."""
        if obj.docstring is not None:
            obj.docstring.value = readable(obj.docstring.value)


def readable(text: str) -> str:
    """``text`` with its tables fenced and its references as code, or as links where the site has their target."""
    text = _TABLE.sub(lambda table: f"```text\n{table[0].rstrip()}\n```\n", text)
    return _ROLE.sub(lambda role: f"[`{role[1]}`][{role[1]}]" if role[1] in _SHOWN else f"`{role[1]}`", text)
