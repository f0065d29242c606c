"""Command lines of settings: tyro reads them, help is a table by group with a line per option, an error is one line.

An option's help is the first line of its field's docstring; what a reader of the API needs in addition stands below it.
"""

import contextlib
import dataclasses
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro

Settings = TypeVar("Settings")

Groups = Mapping[str, Sequence[str]]
"""Titles of an option's groups, each with the names of its settings; what is in none comes under "options"."""

MODEL = "model."

_METAVARS = {int: "N", float: "X", str: "TEXT", Path: "PATH"}

_PLAINER = (
    (r"^Error parsing (?!--)\w+: ", ""),  # the settings' own check, which names the option itself
    (r"^Error parsing (--\S+): invalid literal for int\(\) with base 10: ", r"\1 takes a whole number; received "),
    (r"^Error parsing (--\S+): could not convert string to float: ", r"\1 takes a number; received "),
    (r"^invalid choice ('.*') for argument '(.*)'\. Expected one of \((.*)\)\.$", r"\2 takes one of \3; received \1"),
    (r"^Missing value for argument '(.*)'\. Expected 1 values.*", r"\1 takes a value; received none"),
    (r"^Missing value for argument '(.*)'\. Expected (\d+) values.*", r"\1 takes \2 values; received fewer"),
)
"""What tyro says, and what is said instead."""

_UNKNOWN = "Unrecognized options: "
"""How tyro begins to list the words that no option takes."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def parse(
    settings: type[Settings],
    arguments: Sequence[str] | None,
    prog: str | None = None,
    default: Settings | None = None,
    description: str = "",
    groups: Groups | None = None,
) -> Settings:
    """The settings that ``arguments`` give.

    Args:
        settings: a dataclass; its fields are the options, those of a dataclass within it have its name in front.
        arguments: words of the command line; None: those of the process.
        prog: what the user called, for messages; None: the name of the process.
        default: what holds where no option is given; None: the fields' own defaults.
        description: what the command does; empty: the first paragraph of the class's docstring.
        groups: how the help groups the options.

    Raises:
        SystemExit: with status 2 and a message when the words are wrong; with 0 after ``--help``.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = prog or Path(sys.argv[0]).name
    if "-h" in words or "--help" in words:
        sys.stdout.write(_help(settings, name, default, description or (settings.__doc__ or ""), groups or {}))
        raise SystemExit(0)
    given: dict[str, Any] = {} if default is None else {"default": default}
    said = io.TextIOWrapper(
        io.BytesIO(), encoding="utf-8"
    )  # no terminal: a message without colours, in a box of one kind
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            found: Settings = tyro.cli(
                settings,
                prog=name,
                args=words,
                use_underscores=True,
                config=(tyro.conf.FlagCreatePairsOff,),
                **given,
            )
        return found
    except SystemExit:
        said.seek(0)
        sys.stderr.write(_one_line(said.read(), name, [option.name for option in _options(settings, default)]))
        raise


def _one_line(box: str, prog: str, names: Sequence[str]) -> str:
    """The message in tyro's box, of which the first part is what is wrong and the second what was perhaps meant.

    A setting that a dataclass of ours refuses is called by its option, one of ``names``.
    """
    rows = [row.strip("│").removeprefix(" ").rstrip() for row in _COLOUR.sub("", box).splitlines()[1:-1]]
    parts = [list(part) for rule, part in groupby(rows, key=lambda row: set(row) <= {"─"}) if not rule]
    options = [[row.split()[0] for row in part if re.match(r" {4}\S", row)] for part in parts]
    what = " ".join(row.strip() for row in parts[0])
    if what.startswith("Missing from"):
        what = f"{prog} needs {', '.join(options[0])}"
    if what.startswith(_UNKNOWN):
        what = _unknown(what.removeprefix(_UNKNOWN).split(", "))
    for pattern, plainer in _PLAINER:
        what = re.sub(pattern, plainer, what)
    option = {name.rpartition(".")[2]: name for name in names}.get(what.partition(" must ")[0])
    what = what if option is None else f"--{option}{what[what.index(' must ') :]}"
    similar = options[1] if len(parts) > 1 and parts[1][0].startswith("Perhaps you meant") else []
    meant = f"; did you mean {' or '.join(similar)}?" if similar else ""
    return f"error: {what}{meant}; see {prog} --help\n"


def _unknown(words: Sequence[str]) -> str:
    """What is said of words that no option takes: which options there are none of, without the values behind them."""
    options = [word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)]
    kind, named = ("unknown option", options) if options else ("unexpected argument", list(words))
    return f"{kind}{'s' if len(named) > 1 else ''} {', '.join(named)}"


@dataclasses.dataclass(frozen=True)
class _Option:
    """An option as help shows it."""

    name: str
    invocation: str
    help: str
    positional: bool
    required: bool


def _help(settings: type, prog: str, default: Any, description: str, groups: Groups) -> str:
    from rich.console import Console
    from rich.table import Table

    options = list(_options(settings, default))
    console = Console(highlight=False, markup=False, emoji=False)
    given = [one.invocation if one.required else f"[{one.invocation}]" for one in options if one.positional]
    usage = " ".join([prog, *given, "[OPTIONS]"])
    paragraphs = [" ".join(paragraph.split()) for paragraph in description.split("\n\n")]
    with console.capture() as printed:  # rich would end the program where nobody reads any more
        console.print("\n\n".join([f"usage: {usage}", *paragraphs, "Defaults are in brackets."]))
        for title, members in _grouped(options, groups):
            table = Table.grid(padding=(0, 2, 0, 0))
            for option in members:
                table.add_row(f"  {option.invocation}", option.help)
            console.print()
            console.print(f"{title}:", style="bold")
            console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def _grouped(options: Sequence[_Option], groups: Groups) -> Iterator[tuple[str, list[_Option]]]:
    """Titles and options: arguments first, the model's parameters last."""
    named = {option.name: option for option in options}
    yield from _filled("arguments", [option for option in options if option.positional])
    for title, names in groups.items():
        yield title, [named[name] for name in names]
    rest = [option for option in options if not option.positional and option.name not in chain(*groups.values())]
    yield from _filled("options", [option for option in rest if not option.name.startswith(MODEL)])
    yield from _filled("model", [option for option in rest if option.name.startswith(MODEL)])


def _filled(title: str, options: list[_Option]) -> Iterator[tuple[str, list[_Option]]]:
    if options:
        yield title, options


def _options(settings: type, default: Any, prefix: str = "") -> Iterator[_Option]:
    helps, hints = _helps(settings), get_type_hints(settings, include_extras=True)
    for field in dataclasses.fields(settings):
        value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        value = value if default is None else getattr(default, field.name)
        if dataclasses.is_dataclass(value):
            yield from _options(type(value), value, f"{field.name}.")
            continue
        kind, *extras = (
            get_args(hints[field.name]) if hasattr(hints[field.name], "__metadata__") else [hints[field.name]]
        )
        said = [field.metadata, *(vars(extra) for extra in extras if hasattr(extra, "metavar"))]
        metavar = next(filter(None, (one.get("metavar") for one in said)), _metavar(kind))
        hint = next(filter(None, (one.get("hint", one.get("help_behavior_hint")) for one in said)), _shown(value))
        positional = tyro.conf.Positional in extras
        flag = metavar if positional else f"--{prefix}{field.name} {metavar}".strip()
        choices = f": {', '.join(_choices(kind))}" if _choices(kind) else ""
        text = f"{helps[field.name].removesuffix('.')}{choices}{f'  [{hint}]' if hint else ''}"
        yield _Option(f"{prefix}{field.name}", flag, text, positional, required=value is dataclasses.MISSING)


def _helps(settings: type) -> dict[str, str]:
    """The first line of each field's docstring."""
    from docstring_parser import parse_from_object

    classes = [base for base in reversed(settings.__mro__) if dataclasses.is_dataclass(base)]
    found = [parameter for base in classes for parameter in parse_from_object(base).params]
    return {parameter.arg_name: (parameter.description or "").split("\n")[0] for parameter in found}


def _choices(kind: Any) -> tuple[str, ...]:
    """The words that a setting may be; of one that may be left open those it may then get."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(choice for part in get_args(kind) if get_origin(part) is Literal for choice in get_args(part))


def _metavar(kind: Any) -> str:
    """What stands for the value: nothing for a flag, a letter for a number."""
    if kind is bool:
        return ""
    if _choices(kind):
        return "NAME"
    parts = [part for part in get_args(kind) if part not in (NoneType, Ellipsis)]
    if get_origin(kind) is tuple:
        return f"{_metavar(parts[0])} ..."
    return _metavar(parts[0]) if get_origin(kind) in (Union, UnionType) else _METAVARS[kind]


def _shown(value: Any) -> str:
    """A default as one would write it; empty where there is none."""
    if value is dataclasses.MISSING:
        return "required"
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
