"""The command ``ghm report``."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ghm.command_line import parse
from ghm.errors import UserError, shown
from ghm.io.platforms import ExitStatus, fail
from ghm.io.spinner import working
from ghm.report.comparison import write_comparison
from ghm.report.export import export
from ghm.report.page import write_report

GENERATOR, HEAD_BYTES = b'<meta name="generator" content="ghm">', 4096
"""What a page of ours says of itself, and where: in its first lines."""


@dataclass(frozen=True)
class ReportConfig:
    """Write the report of a search: a page that works offline, or figures and tables for a paper."""

    results: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Results JSON or directory of a search; several searches are compared.
    Of a directory the newest search in it counts."""
    output: Annotated[
        Path | None, tyro.conf.arg(help_behavior_hint="report.html or comparison.html beside the results")
    ] = None
    """File of the page."""
    reload: Annotated[int, tyro.conf.arg(metavar="SECONDS")] = 0
    """Reload an open page every so many seconds; 0: never."""
    export: Path | None = None
    """Write figures (PDF, PNG) and tables (LaTeX, CSV) here instead of a page."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    config = parse(ReportConfig, arguments, "ghm report")
    try:
        return run(config)
    except UserError as error:
        return fail(error)
    except OSError as error:
        # The file's own name would be that of one in the making.
        place, flag = (config.export, "--export") if config.export is not None else (config.output, "--output")
        return fail(
            f"{place or 'the report'} cannot be written: {error.strerror or error}; mend that, or choose another place ({flag})",
            ExitStatus.INFRASTRUCTURE,
        )


def run(config: ReportConfig) -> int:
    """Write what the settings ask for, and say where it is.

    Raises:
        UserError: when the results are no search's.
        OSError: when a file cannot be written.
    """
    if config.export is not None and config.output is not None:
        raise UserError("--output names the page and --export writes no page; give one of them")
    if not config.results:
        raise UserError("ghm report takes a search's results directory or results JSON; received none")
    if config.output is not None:
        _require_place(config.output)
    if len(config.results) > 1:
        if config.export is not None:
            raise UserError(f"--export takes one search; received {len(config.results)}")
        with working("comparing"):
            file = write_comparison(config.results, config.output)
        sys.stdout.write(shown(f"Report: {file}\n"))
    elif config.export is None:
        with working("writing the page"):
            file = write_report(config.results[0], config.output, config.reload)
        sys.stdout.write(shown(f"Report: {file}\n"))
    else:
        with working("drawing figures and tables"):
            files = export(config.results[0], config.export)
        sys.stdout.write(f"{len(files)} files in {config.export}, described in README.md\n")
    return 0


def _require_place(output: Path) -> None:
    """Refuse a file for the page that cannot be one, or that holds something else: a page is never worth a record.

    Raises:
        UserError: then.
    """
    if not output.parent.is_dir():
        raise UserError(f"--output {output}: there is no directory {output.parent}; make it, or choose another")
    if output.is_dir():
        raise UserError(f"--output {output} is a directory; name a file in it, such as {output / 'report.html'}")
    if output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output {output}: a page's name ends in .html; try {output.with_suffix('.html')}")
    if output.exists() and not _is_page(output):
        raise UserError(
            f"--output {output} exists and is no page that this version wrote; choose another file, or remove it"
        )


def _is_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return GENERATOR in file.read(HEAD_BYTES)
