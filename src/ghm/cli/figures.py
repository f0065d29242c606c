"""Files of Matplotlib's figures: figure objects are used directly, with no global state and no display."""

import io
from pathlib import Path

from matplotlib.figure import Figure

from ghm.errors import UserError
from ghm.io.atomic import write_atomically


def write_figure(path: Path, figure: Figure) -> None:
    """Write ``figure`` into ``path``, in the format that its ending names.

    Raises:
        UserError: when the ending names no format, or the file cannot be written.
    """
    formats = figure.canvas.get_supported_filetypes()
    ending = path.suffix.lstrip(".").lower()
    if ending not in formats:
        raise UserError(f"--plot {path}: the ending must be one of {', '.join(sorted(formats))}; try .png or .pdf")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending, dpi=150)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise UserError(f"--plot {path} cannot be written: {error.strerror or error}; choose another file") from error
