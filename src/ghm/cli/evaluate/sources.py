"""Where ``ghm evaluate`` gets a policy from: a checkpoint, a table file, or a function of the user's own."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ghm.errors import UserError


def load_function(words: str) -> Any:
    """The callable that ``module:function`` or ``path/to/file.py:function`` names; modules are looked for here first.

    Raises:
        UserError: when there is no such module or function, or importing it fails.
    """
    place, colon, name = words.rpartition(":")
    if not colon or not place or not name:
        raise UserError(
            f"--policy takes module:function or file.py:function; received {words!r}; try --policy my_policy:act"
        )
    module = _module(words, place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = ", ".join(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
            raise UserError(f"--policy {words}: {place} has no {name}; it has {known or 'no function'}")
        found = getattr(found, part)
    if isinstance(found, type):
        raise UserError(f"--policy {words}: {name} is a class; name an instance of it, made in the module")
    if not callable(found):
        raise UserError(
            f"--policy {words}: {name} is no function but {type(found).__name__}; name a callable of (cash, time_to_horizon)"
        )
    return found


def _module(words: str, place: str) -> ModuleType:
    try:
        if place.endswith(".py"):
            return _from_file(words, Path(place))
        # A module beside which the command is run; behind all others, whose names files there may have by chance.
        if "" not in sys.path:
            sys.path.append("")
        return importlib.import_module(place)
    except UserError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(f"{error.name}.")):
            raise UserError(
                f"--policy {words}: no module {place}; run the command where it lies, or give its file: {place}.py:…"
            ) from error
        raise UserError(
            f"--policy {words}: {place} needs the module {error.name}, which is not installed; install it"
        ) from error
    except Exception as error:
        raise UserError(
            f"--policy {words}: importing {place} failed: {type(error).__name__}: {error}; mend it there"
        ) from error


def _from_file(words: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"--policy {words}: no file {path}; give the path of a Python file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses and pickles look their module up by name
    # What it imports from beside itself is found, as if it were run as a script.
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module
