"""A sample of small faults, planted one at a time: which share of them do the tests catch? Run by ``make mutants``.

Each mutant is one change of one expression of ``src/ghm``, drawn with a fixed seed, the same number from each package. It is
planted in a copy of the tree, and the tests of its package are run on it until one fails: those that name its module first, for
as long as ``--budget`` allows. What no test has found by then has survived, also what a longer run would have found.
"""

import argparse
import ast
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parents[1]
SOURCE = Path("src/ghm")

TESTS = {
    "io": ("io", "search/test_damage.py", "report/test_hostile_directory.py", "cli/test_printed_numbers.py"),
    "economics": ("solvers", "simulation", "policies", "test_envs.py"),
    "policies": ("policies", "solvers/answers", "training", "cli"),
    "solvers": ("solvers", "cli"),
    "simulation": ("simulation", "training"),
    "training": ("training", "cli"),
    "search": ("search", "report"),
    "report": ("report", "search/test_one_record.py"),
    "cli": ("cli", "test_front_door.py"),
}
"""Test files and folders of each package."""

EACH_TEST_S = 60
"""A test that takes longer hangs, and has found the mutant by that."""

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip


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
        case ast.Call(args=[first, second, *rest]) if not any(isinstance(one, ast.Starred) for one in node.args):
            yield node, ast.Call(node.func, [second, first, *rest], node.keywords), "arguments swapped"
        case ast.Call(func=ast.Name(id="min" | "max" as name)):
            other = ast.Name({"min": "max", "max": "min"}[name])
            yield node, ast.Call(other, node.args, node.keywords), "min, max"
        case ast.Tuple(elts=[first, second, *rest], ctx=ast.Load()) if ast.dump(first) != ast.dump(second):
            yield node, ast.Tuple([second, first, *rest], ast.Load()), "elements swapped"
        case ast.IfExp():
            yield node, ast.IfExp(node.test, node.orelse, node.body), "the other branch"
        case ast.If() | ast.While():
            yield node.test, ast.UnaryOp(ast.Not(), node.test), "condition negated"
        case ast.comprehension(ifs=[test, *_]):
            yield test, ast.UnaryOp(ast.Not(), test), "condition negated"


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(one, ast.JoinedStr | ast.List) or (isinstance(one, ast.Constant) and isinstance(one.value, str))
        for one in sides
    )


def expressions(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that decide what happens, and can be replaced.

    Not annotations, decorators, assertions, errors' messages, patterns, or what only type checkers read; nor what formatted
    strings hold, as Python 3.11 does not say where it stands.
    """
    skipped: tuple[object, ...] = ()
    match node:
        case ast.Assert() | ast.Raise() | ast.JoinedStr() | ast.pattern():
            return
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
        case ast.FunctionDef():
            skipped = ("returns", "decorator_list", "args")
        case ast.ClassDef():
            skipped = ("decorator_list", "bases")
        case ast.AnnAssign():
            skipped = ("annotation",)
    yield node
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in skipped:
                yield from expressions(child)


def mutants(file: Path) -> Iterator[Mutant]:
    """Every mutant of a file, in order."""
    source = (ROOT / file).read_bytes()
    starts = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]
    for node in expressions(ast.parse(source)):
        for old, new, what in changed(node):
            assert old.end_lineno is not None
            assert old.end_col_offset is not None
            begin = starts[old.lineno - 1] + old.col_offset
            end = starts[old.end_lineno - 1] + old.end_col_offset
            yield Mutant(file, old.lineno, begin, end, f"({ast.unparse(ast.fix_missing_locations(new))})", what)


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


def tests_of(mutant: Mutant) -> list[str]:
    """Test files of the mutant's package, those that name its module first, then those that name its package."""
    places = [ROOT / "tests" / place for place in TESTS[mutant.package]]
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("test_*.py")))]
    module = ".".join(mutant.file.relative_to("src").with_suffix("").parts)
    package, _, name = module.rpartition(".")

    def order(file: Path) -> tuple[bool, bool]:
        text = file.read_text()
        own = module in text or any(
            line.startswith(f"from {package} import ") and name in line for line in text.splitlines()
        )
        return not own, package not in text

    return [str(file.relative_to(ROOT)) for file in sorted(dict.fromkeys(files), key=order)]


def copy_tree(place: Path) -> Path:
    """A copy of what the tests need, with what is compiled."""
    tree = place / "tree"
    for name in ("src", "tests", "docs", "scripts", "examples", "benchmarks"):
        shutil.copytree(ROOT / name, tree / name)
    for file in ("pyproject.toml", "README.md", "Makefile", "CHANGELOG.md", "CONTRIBUTING.md", "constraints.txt"):
        shutil.copy2(ROOT / file, tree / file)
    return tree


def passes(tree: Path, files: list[str], budget: float) -> bool:
    """Whether no test fails within ``budget`` seconds."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"--timeout={EACH_TEST_S}", *files]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    process = subprocess.Popen(
        command, cwd=tree, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait(budget) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def survives(tree: Path, mutant: Mutant, budget: float) -> bool:
    """Whether the tests pass with the mutant planted in the tree, which is as before afterwards."""
    file = tree / mutant.file
    source = file.read_bytes()
    try:
        file.write_bytes(source[: mutant.begin] + mutant.new.encode() + source[mutant.end :])
        return passes(tree, tests_of(mutant), budget)
    finally:
        file.write_bytes(source)


def main() -> int:
    """Plant, and print a line for each mutant and the share caught of each package; 1 where the tests fail without any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="mutants in total")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packages", nargs="+", default=list(TESTS), choices=list(TESTS))
    parser.add_argument("--budget", type=float, default=90.0, help="seconds of tests for each mutant")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at the same time")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    asked = parser.parse_args()
    chosen = sample(asked.packages, asked.count, asked.seed)
    if asked.list:
        for one in chosen:
            _print(f"{one.file}:{one.line} {one.what}: {one.new}")
        return 0
    with tempfile.TemporaryDirectory() as place:
        trees: SimpleQueue[Path] = SimpleQueue()
        for job in range(asked.jobs):
            trees.put(copy_tree(Path(place) / str(job)))

        def plant(mutant: Mutant | None, package: str) -> bool:
            tree = trees.get()
            try:
                if mutant is not None:
                    return survives(tree, mutant, asked.budget)
                return passes(tree, [f"tests/{name}" for name in TESTS[package]], asked.budget)
            finally:
                trees.put(tree)

        def told(mutant: Mutant) -> bool:
            began = time.monotonic()
            alive = plant(mutant, mutant.package)
            verdict = "SURVIVED" if alive else "caught"
            _print(
                f"{verdict:8} {time.monotonic() - began:4.0f} s {mutant.file}:{mutant.line} {mutant.what}: {mutant.new}"
            )
            return alive

        with ThreadPoolExecutor(asked.jobs) as pool:
            sound = list(pool.map(lambda package: plant(None, package), asked.packages))
            if not all(sound):
                failing = [one for one, passed in zip(asked.packages, sound, strict=True) if not passed]
                _print(f"The tests of {', '.join(failing)} fail without any mutant.")
                return 1
            alive = list(pool.map(told, chosen))
    _report(chosen, alive)
    return 0


def _report(chosen: list[Mutant], alive: list[bool]) -> None:
    _print("\n| package | mutants | caught |\n|---|---|---|")
    for package in (*dict.fromkeys(one.package for one in chosen), "all"):
        ours = [lives for one, lives in zip(chosen, alive, strict=True) if package in (one.package, "all")]
        _print(f"| {package} | {len(ours)} | {ours.count(False)} ({ours.count(False) / len(ours):.0%}) |")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
