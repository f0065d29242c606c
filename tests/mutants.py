"""A sample of small faults, planted one at a time: which share of them do the tests catch? Run by ``make mutants``.

Each mutant is one change of one expression of ``src/ghm``, drawn with a fixed seed, the same number from each package. It is
planted in a copy of the tree, and the tests are run on it until one fails, those that name its module first, for as long as
``--budget`` allows. What no test has found by then has survived, also what a longer run would have found.
"""

import argparse
import ast
import contextlib
import hashlib
import importlib
import itertools
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import SLOWEST
from test_handlers import BROAD, names, nodes, passes_on

ROOT = Path(__file__).parents[1]
SOURCE = Path("src/ghm")

LIBRARIES = (
    "numba",
    "torch",
    "scipy.stats",
    "scipy.optimize",
    "pandas",
    "plotly.graph_objects",
    "rich.progress",
    "tyro",
    "hypothesis",
)
"""What most tests import, so that the processes that run them are forked with it."""

LAST = ("search", "cluster", "docs", "installation", "journeys")
"""Folders whose tests come last where none of them names the mutant's module: they start processes."""

EACH_TEST_S = 200
"""A test that takes longer hangs, and has found the mutant by that."""

WAITING = 16
"""How much longer than its processor's time a run may take: tests wait, and cores are shared."""

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip


SYMMETRIC = {
    "min",
    "max",
    "np.minimum",
    "np.maximum",
    "np.hypot",
    "np.add",
    "np.multiply",
    "np.logical_or",
    "np.logical_and",
}
"""Functions to which the order of their arguments is of no account."""


@dataclass(frozen=True)
class Mutant:
    """One expression replaced by another."""

    file: Path
    """Below the root of the tree."""
    line: int
    begin: int
    end: int
    """Bytes of the file that are replaced."""
    new: str
    what: str
    inside: tuple[str, ...]
    """The names of the classes and functions around it."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.what}: {self.new.strip()}"

    @property
    def package(self) -> str:
        """The package of `SOURCE` that it is in."""
        return self.file.relative_to(SOURCE).parts[0]


def changed(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr, str]]:
    """Expressions in ``node`` itself that can be replaced, what replaces each, and what that is called."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARED:
            yield node, ast.Compare(node.left, [COMPARED[type(operator)]()], node.comparators), "comparison"
        case ast.BinOp(op=operator) if type(operator) in COMPUTED and not _is_text(node):
            yield node, ast.BinOp(node.left, COMPUTED[type(operator)](), node.right), "arithmetic"
        case ast.BoolOp():
            yield node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values), "and, or"
        case ast.Constant(value=bool(value)):
            yield node, ast.Constant(not value), "constant"
        case ast.Constant(value=int(value) | float(value)):
            yield node, ast.Constant(value + 1 if isinstance(value, int) else 2 * value or 1.0), "constant"
        case ast.Call(args=[first, second, *rest]) if ast.unparse(node.func) not in SYMMETRIC and not any(
            isinstance(one, ast.Starred) for one in node.args
        ):
            yield node, ast.Call(node.func, [second, first, *rest], node.keywords), "arguments swapped"
        case ast.Call(func=ast.Name(id="min" | "max" as name)):
            other = ast.Name({"min": "max", "max": "min"}[name])
            yield node, ast.Call(other, node.args, node.keywords), "min, max"
        case ast.Tuple(elts=[first, second, *rest], ctx=ast.Load()) if not _alike(node.elts):
            yield node, ast.Tuple([second, first, *rest], ast.Load()), "elements swapped"
        case ast.IfExp():
            yield node, ast.IfExp(node.test, node.orelse, node.body), "the other branch"
        case ast.If() | ast.While():
            yield node.test, ast.UnaryOp(ast.Not(), node.test), "condition negated"
        case ast.comprehension(ifs=[test, *_]):
            yield test, ast.UnaryOp(ast.Not(), test), "condition negated"


def _alike(parts: Sequence[ast.expr]) -> bool:
    """Whether their order is of no account, or, with slices, cannot be changed by itself."""
    return ast.dump(parts[0]) == ast.dump(parts[1]) or any(isinstance(one, ast.Slice) for one in parts)


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(one, ast.JoinedStr | ast.List) or (isinstance(one, ast.Constant) and isinstance(one.value, str))
        for one in sides
    )


def expressions(node: ast.AST, inside: tuple[str, ...] = ()) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    """Nodes that decide what happens, and can be replaced, each with the names of what is around it.

    Not annotations, decorators, assertions, errors' messages, patterns, or what only type checkers read; nor the order of what
    is looked up by ``in`` or listed by ``Literal``, nor what formatted strings hold, as Python 3.11 does not say where it stands.
    """
    skipped: tuple[object, ...] = ()
    match node:
        case ast.Assert() | ast.Raise() | ast.JoinedStr() | ast.pattern():
            return
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Subscript(value=ast.Name(id="Literal")):
            return
        case ast.FunctionDef():
            skipped, inside = ("returns", "decorator_list", "args"), (*inside, node.name)
        case ast.ClassDef():
            skipped, inside = ("decorator_list", "bases"), (*inside, node.name)
        case ast.AnnAssign():
            skipped = ("annotation",)
    yield node, inside
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in skipped:
                unordered = isinstance(child, ast.Tuple) and _looks_up(node) and name == "comparators"
                for one in child.elts if unordered else [child]:
                    yield from expressions(one, inside)


def _looks_up(node: ast.AST) -> bool:
    return isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn)


def mutants(file: Path) -> Iterator[Mutant]:
    """Every mutant of a file, in order."""
    source = (ROOT / file).read_bytes()
    starts = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]
    for node, inside in expressions(ast.parse(source)):
        for old, new, what in changed(node):
            assert old.end_lineno is not None
            assert old.end_col_offset is not None
            begin = starts[old.lineno - 1] + old.col_offset
            end = starts[old.end_lineno - 1] + old.end_col_offset
            yield Mutant(file, old.lineno, begin, end, f"({ast.unparse(ast.fix_missing_locations(new))})", what, inside)


def sample(packages: list[str], count: int, seed: int) -> list[Mutant]:
    """``count`` mutants, as many from each package, or one more."""
    drawn = {}
    for package in packages:
        files = sorted(path.relative_to(ROOT) for path in (ROOT / SOURCE / package).rglob("*.py"))
        drawn[package] = [one for file in files for one in mutants(file)]
        random.Random(f"{seed} {package}").shuffle(drawn[package])
    rounds = zip(*(itertools.chain(drawn[package], itertools.repeat(None)) for package in packages), strict=False)
    found = (one for turn in itertools.islice(rounds, count) for one in turn if one is not None)
    return list(itertools.islice(found, count))


def planted_exceptions() -> Iterator[Mutant]:
    """Each place that can hide an exception, with one of its kind raised there."""
    for file in sorted(path.relative_to(ROOT) for path in (ROOT / SOURCE).rglob("*.py")):
        source = (ROOT / file).read_bytes()
        starts = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]
        for function, node in nodes(ast.parse(source), ""):
            for kinds in _hidden(node):
                assert isinstance(node, ast.Try | ast.With)
                first = node.body[0]
                begin = starts[first.lineno - 1] + first.col_offset
                kind = "TypeError" if "FAULTS" in kinds else min(kinds)
                raised = "type('Planted', (Exception,), {})" if kind in ("BaseException", "Exception") else kind
                new = f"raise {raised}('planted')\n{' ' * first.col_offset}"
                yield Mutant(file, first.lineno, begin, begin, new, "exception", (function,))


def _hidden(node: ast.AST) -> Iterator[set[str]]:
    """What is caught around the node's body."""
    if isinstance(node, ast.Try):
        yield from (names(one.type) & BROAD for one in node.handlers if names(one.type) & BROAD and not passes_on(one))
    if isinstance(node, ast.With):
        calls = [one.context_expr for one in node.items if isinstance(one.context_expr, ast.Call)]
        caught = [set().union(*map(names, one.args)) & BROAD for one in calls if names(one.func) == {"suppress"}]
        yield from filter(None, caught)


def tests_of(mutant: Mutant, tree: Path) -> list[str]:
    """All test files: those that name the mutant's module and what it is in, those of its package, all others."""
    module = ".".join(mutant.file.relative_to("src").with_suffix("").parts)
    package, _, name = module.rpartition(".")

    def order(file: Path) -> tuple[bool, ...]:
        text, folder = file.read_text(), file.relative_to(tree / "tests").parts[0]
        lines = [line for line in text.splitlines() if line.startswith(f"from {package} import ")]
        own = module in text or any(name in line for line in lines)
        near, slow = any(one in text for one in mutant.inside), file.name in SLOWEST
        return (
            not (own and near),
            not own,
            folder != mutant.package,
            slow,
            folder in LAST,
            not near,
            package not in text,
        )

    files = sorted((tree / "tests").rglob("test_*.py"), key=lambda file: (*order(file), file.stat().st_size))
    return [str(file.relative_to(tree)) for file in files]


def copy_tree(place: Path) -> Path:
    """A copy of what the tests need, with what is compiled: Numba finds that by the place of its source."""
    tree = place / "tree"
    for name in ("src", "tests", "docs", "scripts", "examples", "benchmarks"):
        shutil.copytree(ROOT / name, tree / name)
    for file in (
        "pyproject.toml",
        "README.md",
        "Makefile",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "constraints.txt",
        "mkdocs.yml",
    ):
        shutil.copy2(ROOT / file, tree / file)
    for package in (path.parent for path in (tree / SOURCE).rglob("__init__.py")):
        kept = f"{package.name}_{_digest(ROOT / package.relative_to(tree))}"
        for folder in (tree / SOURCE / "__pycache__").glob(f"compiled-*/{kept}"):
            folder.rename(folder.with_name(f"{package.name}_{_digest(package)}"))
    return tree


def _digest(path: Path) -> str:
    return hashlib.sha1(str(path).encode()).hexdigest()


class Run:
    """Tests that run in a process of their own, on a tree in which a mutant may be planted."""

    def __init__(self, tree: Path, tests: Sequence[str], budget: int, mutant: Mutant | None = None) -> None:
        """Begin it: until a test fails, or ``budget`` seconds of the processor's time are over."""
        self.tree, self.mutant, self.began, self.longest = tree, mutant, time.monotonic(), WAITING * budget
        if mutant is not None:
            self.source = (tree / mutant.file).read_bytes()
            planted = self.source[: mutant.begin] + mutant.new.encode() + self.source[mutant.end :]
            (tree / mutant.file).write_bytes(planted)
        self.process = os.fork()
        if not self.process:
            self._test(tests, budget)

    def _test(self, tests: Sequence[str], budget: int) -> None:
        """Run the tests: of the first few files, then of more and more, since those that run late are mostly not needed."""
        status = 3
        try:
            os.setsid()
            said = os.open(self.tree.parent / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(said, 1)
            os.dup2(said, 2)
            os.chdir(self.tree)
            os.environ["PYTHONPATH"] = str(self.tree / "src")
            sys.path[:1] = [str(self.tree), str(self.tree / "src")]  # the first was this file's
            files, size, status = list(tests), 2 if self.mutant else len(tests), 0
            while (
                files and not status and (left := budget - _seconds(resource.getrusage(resource.RUSAGE_CHILDREN))) >= 1
            ):
                status = self._test_some(files[:size], int(left))
                files, size = files[size:], 3 * size
        finally:
            os._exit(status)

    def _test_some(self, files: Sequence[str], budget: int) -> int:
        """The exit status of pytest in a process of its own; 0 if that was all the time there was."""
        process = os.fork()
        if not process:
            signal.setitimer(signal.ITIMER_PROF, budget)  # ends it; what it starts has a limit of its own: none
            place = self.tree.parent / "files"
            words = ["-p", "no:cacheprovider", f"--timeout={EACH_TEST_S}", f"--basetemp={place}", *files]
            words += [] if self.mutant is None else ["-x"]
            try:
                status = int(pytest.main(words))
            finally:
                sys.stdout.flush()
                os._exit(status)
        _, status = os.waitpid(process, 0)
        # Of a signal its number, negative: with a mutant in compiled code the process itself may end by one.
        code = os.waitstatus_to_exitcode(status)
        return 0 if code in (0, -signal.SIGPROF, pytest.ExitCode.NO_TESTS_COLLECTED) else abs(code)

    def over(self) -> bool:
        """Whether it has ended, if need be by force; the tree is then as it was."""
        self.late = time.monotonic() - self.began > self.longest
        ended, self.status, self.used = os.wait4(self.process, os.WNOHANG)
        if not ended and not self.late:
            return False
        with contextlib.suppress(ProcessLookupError):  # what it has started as well
            os.killpg(self.process, signal.SIGKILL)
        if not ended:
            _, self.status, self.used = os.wait4(self.process, 0)
        if self.mutant is not None:
            (self.tree / self.mutant.file).write_bytes(self.source)
        return True

    @property
    def failed(self) -> list[str]:
        """The tests that failed, or what else went wrong; nothing if they passed as far as they came."""
        if os.WIFSIGNALED(self.status) or not os.WEXITSTATUS(self.status):
            return []
        lines = (self.tree.parent / "said").read_text(errors="replace").splitlines()
        found = [line.split(" - ")[0].split(" ", 1)[1] for line in lines if line.startswith(("FAILED ", "ERROR "))]
        return found or [f"status {os.WEXITSTATUS(self.status)}"]

    @property
    def seconds(self) -> float:
        """Of the processor."""
        return _seconds(self.used)


def _seconds(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


def plant(trees: list[Path], chosen: Sequence[Mutant], budget: int, until: float) -> dict[Mutant, list[str]]:
    """The tests that each mutant fails, one mutant in each of the trees at a time; no further ones after ``until``."""
    waiting, running, found = list(reversed(chosen)), list[Run](), dict[Mutant, list[str]]()
    while running or (waiting and time.monotonic() < until):
        for run in [one for one in running if one.over()]:
            running.remove(run)
            trees.append(run.tree)
            assert run.mutant is not None
            found[run.mutant] = run.failed
            verdict = "caught  " if run.failed else "TOO SLOW" if run.late else "SURVIVED"
            _print(f"{verdict} {run.seconds:4.0f} s {run.mutant}  {' '.join(run.failed)}")
        while trees and waiting and time.monotonic() < until:
            mutant = waiting.pop()
            tree = trees.pop()
            running.append(Run(tree, tests_of(mutant, tree), budget, mutant))
        time.sleep(0.1)
    return found


def fail_anyway(tree: Path, tests: set[str]) -> set[str]:
    """Which of these tests fail without any mutant: what they caught, they did not catch."""
    names = sorted({one.partition("[")[0] for one in tests if "::" in one})
    run = Run(tree, names, 3600)
    while not run.over():
        time.sleep(0.1)
    return tests & set(run.failed)


def main() -> int:
    """Plant, and print a line for each mutant and the share caught of each package."""
    packages = sorted(path.parent.name for path in (ROOT / SOURCE).glob("*/__init__.py"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="mutants in total")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packages", nargs="+", default=packages, choices=packages)
    parser.add_argument(
        "--budget", type=int, default=60, help="seconds of the processor's time for each mutant's tests"
    )
    parser.add_argument("--jobs", type=int, default=2, help="mutants at the same time")
    parser.add_argument("--minutes", type=float, default=600.0, help="after which no further mutant is planted")
    parser.add_argument("--only", nargs="+", metavar="FILE:LINE", help="those of the sample that are planted")
    parser.add_argument("--exceptions", action="store_true", help="an exception in each place that hides one, instead")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    asked = parser.parse_args()
    chosen = list(planted_exceptions()) if asked.exceptions else sample(asked.packages, asked.count, asked.seed)
    if asked.only:
        chosen = [one for one in chosen if f"{one.file}:{one.line}" in asked.only]
    if asked.list:
        _print("\n".join(map(str, chosen)))
        return 0
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in LIBRARIES:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as place:
        trees = [copy_tree(Path(place) / str(job)) for job in range(asked.jobs)]
        found = plant(list(trees), chosen, asked.budget, time.monotonic() + 60 * asked.minutes)
        wrong = fail_anyway(trees[0], {test for tests in found.values() for test in tests})
    for one, tests in found.items():
        if wrong & set(tests):
            _print(f"not caught, since the test fails without it: {one}  {' '.join(tests)}")
    _report({one: bool(set(tests) - wrong) for one, tests in found.items()})
    return 0


def _report(caught: dict[Mutant, bool]) -> None:
    _print("\n| package | mutants | caught |\n|---|---|---|")
    for package in (*sorted({one.package for one in caught}), "all"):
        ours = [sees for one, sees in caught.items() if package in (one.package, "all")]
        _print(f"| {package} | {len(ours)} | {sum(ours)} ({sum(ours) / len(ours):.0%}) |")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
