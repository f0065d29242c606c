"""Print the lower end of each range in pyproject.toml as a constraint, for `make test-lowest`.

python tests/installation/lowest.py > constraints.txt
"""

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
EXTRAS = ("benchmarks", "dask", "optuna", "parquet")
"""Extras whose ranges are users' business; those of development are pinned."""


def lowest(text):
    """Lines such as ``numpy==1.26`` from the text of a pyproject.toml; a requirement without a lower end is a fault."""
    project = tomllib.loads(text)["project"]
    requirements = [*project["dependencies"]]
    for extra in EXTRAS:
        requirements += project["optional-dependencies"][extra]
    lines = []
    for requirement in requirements:
        found = re.fullmatch(r"([A-Za-z0-9._-]+)>=([0-9.]+)", requirement)
        if not found:
            raise ValueError(f"{requirement!r} has no lower end of the form name>=version")
        lines.append(f"{found[1]}=={found[2]}")
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(lowest(PYPROJECT.read_text())) + "\n")
