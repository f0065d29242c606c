"""A Dask cluster that a search starts by itself: who may start one, and who can talk to it."""

import contextlib
import http.client
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ghm.search import SearchConfig
from ghm.search.backends.engines.dask_cluster import dask_cluster

pytest.importorskip("distributed")  # the extra "dask"

UNGUARDED = """
from pathlib import Path
from ghm.search import HyperparameterSearch, SearchConfig
HyperparameterSearch(config=SearchConfig(executor="dask", n_trials=1, results_dir=Path("r"), progress="none")).run()
"""
DAEMONIC = f"""
import multiprocessing

def search():
{"".join(f"    {line}" for line in UNGUARDED.splitlines(keepends=True))}

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=search, daemon=True)
    process.start()
    process.join()
"""


def run(program: str, *how: str, directory: Path, standard_input: str | None = None) -> str:
    (directory / "program.py").write_text(program)
    ran = subprocess.run(
        [sys.executable, *how],
        cwd=directory,
        input=standard_input,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return ran.stderr


def listened_to() -> set[int]:
    """Ports of this process and of those that it has started."""
    here = psutil.Process(os.getpid())
    ours = {here.pid, *(process.pid for process in here.children(recursive=True))}
    found = psutil.net_connections("tcp")
    return {one.laddr.port for one in found if one.pid in ours and one.status == psutil.CONN_LISTEN}


def ask_for_a_page(port: int) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/health")
        connection.getresponse()


@pytest.mark.parametrize("case", ["unguarded", "standard input", "daemonic"])
def test_a_program_that_workers_cannot_import_gets_one_message_that_names_the_guard(case: str, tmp_path: Path) -> None:
    how, given = (["-"], UNGUARDED) if case == "standard input" else (["program.py"], None)
    said = run(DAEMONIC if case == "daemonic" else UNGUARDED, *how, directory=tmp_path, standard_input=given)
    assert said.count("Traceback") == 1, said
    assert 'under `if __name__ == "__main__":`' in said.splitlines()[-1]
    assert said.splitlines()[-1].startswith("ghm.errors.UserError: --executor dask starts worker processes, which")
    assert not list((tmp_path / "r").glob("trial_*"))


def test_no_port_of_it_answers_without_its_key(tmp_path: Path) -> None:
    config = SearchConfig(executor="dask", n_workers=1, results_dir=tmp_path)
    before = listened_to()
    with dask_cluster(config):
        ports = listened_to() - before
        assert len(ports) == 3, "of the scheduler, the worker, and what watches over it"
        for port in ports:
            with pytest.raises((http.client.HTTPException, OSError)):
                ask_for_a_page(port)
