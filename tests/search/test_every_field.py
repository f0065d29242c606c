"""Every field of every record of a search, made something else and sealed anew as the code does it.

Whoever reads it then says what is wrong or shows what there is: no traceback, no wait, no file written, no room made for a
number that a record says.
"""

import hashlib
import json
import os
import random
import resource
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ghm.errors import UserError
from ghm.io.sealed import seal_text
from ghm.search import HyperparameterSearch, SearchSpace
from ghm.search import main as main_module
from ghm.search.display.summary import summary
from ghm.search.explain import explain
from ghm.search.records.reader import read_search
from ghm.search.resolved import resumed_config
from tests.search.instant import INSTANT, InstantTrial
from tests.search.stub_train import parse
from tests.search.support import run_search

SPACE = {name: values[:1] for name, values in vars(SearchSpace()).items()} | {"lr_policy": [1e-3, 3e-4, 1e-4]}
"""Three configurations: of more values in it, each of which is checked whenever the search is read, nothing more is seen."""

SEARCH = (
    "--n_trials",
    3,
    "--n_iterations",
    4,
    "--eval_freq",
    2,
    "--rungs",
    2,
    "--keep",
    0.67,
    "--confirm",
    1,
    "--confirm_seeds",
    2,
)

OTHER: list[Any] = [
    10**18, -(10**18), 1e300, -1e300, float("nan"), float("inf"), 0, -1, 2.5, True, None, "", "..", "../../x", "/etc/passwd",
    "x" * 100_000, "\x1b[31m<b>\u202e\n", "a\0b", "\ud800", [], {}, [[1, 2], [3]], {"..": 1}, ["x"] * 1000, [None], 5,
]  # fmt: skip

ROOM = 1 << 30
"""Bytes beyond those that the tests already have."""


class AtRungs(InstantTrial):
    """A trial that pauses where it is asked to, and writes a history."""

    def __init__(self, command: list[str], **options: Any) -> None:
        super().__init__(command, **options)
        settings = parse(command[1:])
        path = Path(settings["result_file"])
        if settings.get("pause_at"):
            content = json.loads(path.read_text()) | {"status": "paused", "iterations": settings["pause_at"]}
            path.write_bytes(sealed(content))
        path.with_name("history.jsonl").write_text('{"iteration": 2, "seconds": 1.0, "exact_return": 6.0}\n')


def sealed(content: dict[str, Any]) -> bytes:
    """As `ghm.io.sealed.seal`, but for numbers that it would refuse to write."""
    return seal_text(
        json.dumps({k: v for k, v in content.items() if k != "sha256"}, indent=2).removesuffix("\n}").encode()
    )


def sealed_line(content: dict[str, Any]) -> bytes:
    """As the journal's lines are."""
    body = json.dumps({k: v for k, v in content.items() if k != "sha256"}).removesuffix("}")
    return f'{body}, "sha256": "{hashlib.sha256(body.encode()).hexdigest()}"}}\n'.encode()


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search with rungs and a confirmation; its second trial was killed together with it."""
    place = tmp_path_factory.mktemp("place")
    directory = place / "r"
    (place / "space.json").write_text(json.dumps(SPACE))
    flags = (*SEARCH, "--space", place / "space.json", "--progress", "none", "--results_dir", directory)
    status = run_search(*flags, **INSTANT | {"popen": AtRungs})
    assert status == 0
    (directory / "trial_002/outcome.json").unlink()
    (directory / ".workers").mkdir()
    owner = {"host": "h", "machine": "m", "pid": 1, "started": 2}
    sign = {"search": "t", "owner": owner, "heartbeat": 2.0, "order": "over", "beat": 1}
    (directory / ".workers/search.json").write_bytes(sealed(sign))
    (directory / "trial_001/lease-1.json").write_bytes(
        sealed({"owner": owner, "term": 2.0, "beat": 1, "released": True})
    )
    return directory


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each field of a record is; of a list's members the first and the last stand for all."""
    if at:
        yield at
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        if isinstance(value, dict) or key in (0, len(value) - 1):
            yield from paths(inner, (*at, key))


def changed(content: Any, at: tuple[Any, ...], value: Any) -> Any:
    """The record with another value there; with ``...`` without it."""
    copy = json.loads(json.dumps(content))
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return copy


def contents(place: Path) -> dict[str, tuple[int, int]]:
    """Every file below, with its size and when it was written."""
    found = [(path, path.lstat()) for path in place.rglob("*")]
    return {str(path): (status.st_size, status.st_mtime_ns) for path, status in found if not path.is_dir()}


@contextmanager
def bounded_memory() -> Iterator[None]:
    """What asks for more than `ROOM` gets a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def read_dry(directory: Path, capsys: pytest.CaptureFixture[str], explained: int = 1) -> bool:
    """Read the search in every way that writes nothing, one trial ``explained``; whether there is one still."""
    said, refused = [], 0
    for read in (
        lambda: summary(read_search(directory), interrupted=True),
        lambda: main_module._dry_run(HyperparameterSearch(None, resumed_config(directory))),
        lambda: explain(directory, explained),
    ):
        try:
            said.append(read() or "")
        except UserError as error:
            said.append(str(error))
            refused += 1
    printed = "".join([*said, *capsys.readouterr()])
    assert len(printed) < 200_000
    assert not [one for one in printed if not (one.isprintable() or one == "\n")]
    return refused == 0


RECORDS: list[tuple[str, Callable[[dict[str, Any]], bytes]]] = [
    ("search.json", sealed),
    ("search_results_*.json", sealed),
    ("trial_001/outcome.json", sealed),
    ("trial_003/outcome.json", sealed),
    ("trial_002/result.json", sealed),
    ("trial_002/hyperparameters.json", lambda content: json.dumps(content).encode()),
    ("trial_001/lease-1.json", sealed),
    (".workers/search.json", sealed),
]


COPIES = {"search_config", "search_space", "environment", "config"}
"""Of what `search.json` says: a third of the fields in them is changed, and all of them there."""

EXPLAINED = (1, 4)
"""A trial that explored and one that confirms, in turn."""


def mutants(content: Any, seed: int, each: int, copies: Collection[str] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """``each`` other values for every field, all of them in turn over the fields, and each third field left out."""
    order = random.Random(seed).sample(OTHER, len(OTHER))
    for number, at in enumerate(paths(content)):
        if at[0] in copies and number % 3 > 0:
            continue
        for value in (*((order * 2)[number * each % len(order) :][:each]), *([...] if number % 3 == 0 else [])):
            yield at, value


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "seal"), RECORDS, ids=[name for name, _ in RECORDS])
def test_whatever_a_field_says(
    name: str, seal: Callable[[dict[str, Any]], bytes], search: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = search.glob(name)
    good = path.read_bytes()
    before = contents(search.parent)
    content = json.loads(good)
    tried = kept = 0
    try:
        with bounded_memory():
            for at, value in mutants(content, 1, 1, () if name == "search.json" else COPIES):
                path.write_bytes(seal(changed(content, at, value)))
                try:
                    kept += read_dry(search, capsys, EXPLAINED[tried % 2])
                except BaseException as error:
                    error.add_note(f"{name}: {at} = {value!r:.80}")
                    raise
                tried += 1
    finally:
        path.write_bytes(good)
    now = contents(search.parent)
    assert {one for one in now if now[one] != before.get(one)} - {str(path)} == set()
    assert now.keys() == before.keys()
    assert tried > 10
    assert read_dry(search, capsys), "the record as it was is read"


@pytest.mark.timeout(600)
def test_whatever_a_line_of_the_journal_says(search: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = search / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    kinds = {json.loads(line)["decision"]: number for number, line in enumerate(lines)}
    assert set(kinds) == {"proposal", "cut", "confirmation"}
    before, tried = contents(search.parent), 0
    try:
        with bounded_memory():
            for number in kinds.values():
                content = json.loads(lines[number])
                for at, value in mutants(content, number, 2):
                    path.write_bytes(
                        b"".join([*lines[:number], sealed_line(changed(content, at, value)), *lines[number + 1 :]])
                    )
                    read_dry(search, capsys, EXPLAINED[tried % 2])
                    tried += 1
    finally:
        path.write_bytes(b"".join(lines))
    assert contents(search.parent).keys() == before.keys()
    assert read_dry(search, capsys)
