"""Compiled functions: the same bits from the first run on, whatever is in the cache and whatever was called before."""

import ast
import ctypes
import importlib
import os
import pickle
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from numba.core.registry import CPUDispatcher

import ghm
from ghm.io import compiled as compiled_module

PACKAGE = Path(ghm.__file__).parent
GHM = Path(sys.executable).with_name("ghm")

ROUNDS_FREELY = re.compile(r"= f\w+ (fast|reassoc|contract|nnan|ninf|nsz|arcp|afn) ")
"""An operation on floating-point numbers in the compiler's language that it may change."""

SEARCH = (
    "--n_trials",
    "2",
    "--n_iterations",
    "20",
    "--eval_freq",
    "10",
    "--dt",
    "0.1",
    "--T",
    "2",
    "--progress",
    "none",
)


def target() -> dict[str, str]:
    """A processor to compile for: one for which copies of a function were seen to differ, where this one can stand in for it."""
    wide = {"avx512f", "avx512bw", "avx512vl", "avx512_vbmi2"}
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    return {"NUMBA_CPU_NAME": "znver4", "NUMBA_CPU_FEATURES": ""} if wide <= {*flags} else {}


def ran(*words: object, cache: Path) -> str:
    """What a command with a cache of its own for compiled code prints; it succeeds."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), **target()}
    done = subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def dispatchers() -> Iterator[CPUDispatcher]:
    for module in pkgutil.walk_packages(ghm.__path__, "ghm."):
        source = importlib.util.find_spec(module.name).origin
        if "ghm.io.compiled" not in Path(source).read_text():
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, CPUDispatcher) and value.py_func.__module__ == module.name:
                yield value


def is_inlined(function: CPUDispatcher) -> bool:
    return bool(function.targetoptions.get("forceinline"))


def calls(function: CPUDispatcher) -> Iterator[CPUDispatcher]:
    names = function.py_func.__code__.co_names
    return (value for name in names if isinstance(value := function.py_func.__globals__.get(name), CPUDispatcher))


def test_only_one_module_uses_numba() -> None:
    using = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        if any(name.split(".")[0] == "numba" for name in names):
            using.append(path.relative_to(PACKAGE).name)
    assert using == ["compiled.py"]


def test_compiled_functions_call_none_that_is_kept_by_itself() -> None:
    found = list(dispatchers())
    assert sum(map(is_inlined, found)) > 15
    assert len(found) - sum(map(is_inlined, found)) > 10
    assert not [(one.__name__, callee.__name__) for one in found for callee in calls(one) if not is_inlined(callee)]
    assert not [one.__name__ for one in found if is_inlined(one) and one._cache.cache_path is not None]


@pytest.mark.journey
def test_the_first_search_of_an_empty_cache_has_the_bits_of_all_later_runs(tmp_path: Path) -> None:
    """Two workers that both compile, and replays that find all compiled."""
    cache, results = tmp_path / "cache", tmp_path / "first"
    ran(GHM, "search", *SEARCH, "--n_workers", 2, "--results_dir", results, cache=cache)
    kept = sorted(cache.rglob("*.nbc"))
    assert kept
    for trial in (1, 2):
        assert "reproduced bit for bit" in ran(GHM, "replay", results, "--trial", trial, cache=cache)
    assert sorted(cache.rglob("*.nbc")) == kept
    assert {path.name.split("-")[0]: copies(path) for path in kept if copies(path)} == {}


def copies(path: Path) -> list[str]:
    """Functions that a kept function has with it, and that might be taken in place of another copy, though they round freely."""
    own = path.name.split("-")[0].rpartition(".")[2]
    _, _, (_, code) = pickle.loads(path.read_bytes())[0]
    functions = [one for one in llvm.parse_bitcode(code).functions if not one.is_declaration]
    others = [one for one in functions if f"{len(own)}{own}B" not in one.name]
    return [one.name for one in others if "3ghm" in one.name or ROUNDS_FREELY.search(str(one))]


SLOPES = (
    "import numpy as np; from ghm.economics.cubic import Cubic; print(Cubic.through(np.arange(4.0), np.ones(4)).slopes)"
)

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def bound_by_permissions() -> None:
    """Before a command starts: root gives up its right to write where permissions forbid it."""
    if os.geteuid() == 0:
        failed = ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
        if failed:
            raise OSError(
                ctypes.get_errno(), "root cannot give up CAP_DAC_OVERRIDE here; run this test as another user"
            )


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A directory that others can read, with a copy of the package that nobody can write into."""
    directory = Path(tempfile.mkdtemp())
    shutil.copytree(PACKAGE, directory / "installed/ghm", ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "home").mkdir()
    (directory / "temporary").mkdir()
    directory.chmod(0o755)
    for path in [directory / "home", directory / "installed", *(directory / "installed").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    (directory / "temporary").chmod(0o1777)
    yield directory
    for path in [directory / "home", *(one for one in (directory / "installed").rglob("*") if one.is_dir())]:
        path.chmod(0o755)
    (directory / "installed").chmod(0o755)
    shutil.rmtree(directory)


def as_reader(*words: object, place: Path) -> "subprocess.CompletedProcess[str]":
    """A command of the copy, run by somebody whom permissions bind."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_", "XDG_"))}
    environment |= {"HOME": str(place / "home"), "PYTHONPATH": str(place / "installed")}
    environment |= {"TMPDIR": str(place / "temporary"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", *map(str, words)]
    return subprocess.run(
        command, env=environment, cwd=place, capture_output=True, text=True, preexec_fn=bound_by_permissions
    )


def test_a_read_only_installation_compiles_anew_and_says_so(read_only: Path) -> None:
    done = as_reader("-m", "ghm", "--help", place=read_only)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("solve", "evaluate", "train"):
        done = as_reader("-m", "ghm", command, "--help", place=read_only)
        assert (done.returncode, done.stderr.count("\n") <= 1) == (0, True), done.stderr
    first = as_reader("-c", SLOPES, place=read_only)
    assert first.returncode == 0, first.stderr
    assert first.stderr.count("\n") == 1
    assert "each process compiles anew" in first.stderr
    assert not list((read_only / "temporary").iterdir())


def test_code_is_kept_in_a_directory_that_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_module.config, "CACHE_DIR", str(tmp_path / "not" / "there"))
    places = [compiled_module.cache_directory.__wrapped__() for _ in range(2)]
    assert places[0] == places[1]
    assert places[0].parent == tmp_path / "not" / "there"
    assert places[0].is_dir()


def test_the_users_cache_is_where_the_desktop_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert compiled_module._user_cache() == Path("/home/somebody/.cache/ghm")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert compiled_module._user_cache() == Path("/caches/ghm")
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    assert compiled_module._user_cache() is None
