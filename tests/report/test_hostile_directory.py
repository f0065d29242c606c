"""The report of a directory that is damaged, or a stranger's: a page or a refusal, in finite time and memory."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from factory import Made, add_policy, make_search

from ghm.errors import UserError
from ghm.io.sealed import seal_archive, write_sealed
from ghm.report.drawing.tables import Cell, Column, Table
from ghm.report.export import as_csv, as_text, export
from ghm.report.page import render
from ghm.search.records.reader import read_search
from ghm.solvers import store


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make_search(tmp_path, 12, failures={3: ("crashed", "=HYPERLINK(A1)")}, unfinished=[5])


def test_results_whose_seal_is_stale_are_refused_by_name(made: Made, tmp_path: Path) -> None:
    write_sealed(made.path, made.content)
    assert read_search(made.path).best_trial is not None
    best = repr(made.content["best_return"])
    made.path.write_text(made.path.read_text().replace(best, repr(made.content["best_return"] + 1)))
    path = shutil.copytree(made.path.parent, tmp_path / "my copy") / made.path.name
    again = re.escape(f"--resume '{path.parent}' makes it again")
    with pytest.raises(UserError, match=rf"{path.name}: the content does not match its seal.*{again}"):
        read_search(path)


@pytest.mark.parametrize("value", ["1" + "0" * 400, "1e999", "-" + "9" * 25, '"\\ud800 and more"', "NaN"])
def test_values_of_no_size_or_text_are_refused(value: str, made: Made) -> None:
    text = json.dumps(made.content).replace('"iterations": 5000', f'"iterations": {value}', 3)
    text = text.replace('"verdict": "near_optimal"', f'"verdict": {value}').replace('"seed": 127', f'"seed": {value}')
    made.path.write_text(text.replace('"trial_num": 2,', f'"trial_num": {value},'))
    assert value in made.path.read_text()
    with pytest.raises(UserError, match=rf"{made.path.name} is not JSON"):
        read_search(made.path)


def test_brackets_without_end_are_refused(made: Made) -> None:
    for nested in ("[" * 100_000, "[" * 500 + "]" * 500):
        made.path.write_text(json.dumps(made.content).replace('"results"', f'"x": {nested}, "results"'))
        with pytest.raises(UserError, match=rf"{made.path.name} is not JSON of ours \(nested deeper"):
            read_search(made.path)


def test_pipes_and_links_in_the_place_of_files_are_not_read(made: Made) -> None:
    """A process of its own, ended when it waits."""
    directory = made.path.parent
    for number, odd in ((1, os.mkfifo), (2, lambda path: path.symlink_to("/dev/zero"))):
        history = directory / f"trial_{number:03d}/history.jsonl"
        history.unlink()
        odd(history)
        assert read_search(made.path).trials[number - 1].trial_num == number
    (directory / "trial_005/hyperparameters.json").unlink()
    os.mkfifo(directory / "trial_005/hyperparameters.json")
    code = "import sys; from pathlib import Path; from ghm.report.page import write_report; write_report(Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(directory)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (directory / "report.html").exists()


def test_an_archive_that_grows_costs_bounded_memory(made: Made) -> None:
    """A few hundred kilobytes that unpack to a quarter of a gigabyte, with a good seal."""
    add_policy(made)
    reference = made.path.parent / "reference.npz"
    buffer = io.BytesIO()
    np.savez_compressed(buffer, header=np.array("{}"), cash=np.zeros(260_000_000 // 8))
    reference.write_bytes(seal_archive(buffer.getvalue()))
    del buffer
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"damaged solution of the model at .*reference\.npz"):
            store.load(reference)
        assert tracemalloc.get_traced_memory()[1] < 2.5 * store.MAX_BYTES  # pieces, and what they are joined to
    finally:
        tracemalloc.stop()
    assert b"a damaged solution of the model at" in render(read_search(made.path))


def test_cells_of_a_csv_are_no_formulas(made: Made, tmp_path: Path) -> None:
    assert [as_text(cell) for cell in ("=1+1", "@x", "+a", "-b", "-0.5", "+1e3", "x=1", "")] == [
        "'=1+1", "'@x", "'+a", "'-b", "-0.5", "+1e3", "x=1", "",
    ]  # fmt: skip
    table = Table("t", (Column("=a"), Column("n", True)), ((Cell("=cmd|x"), Cell("-1.5")),))
    assert list(csv.reader(io.StringIO(as_csv(table)))) == [["'=a", "n"], ["'=cmd|x", "-1.5"]]
    export(made.path, tmp_path / "paper")
    cells = [cell for file in (tmp_path / "paper").glob("*.csv") for row in csv.reader(file.open()) for cell in row]
    assert "'=HYPERLINK(A1)" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "@"))]
