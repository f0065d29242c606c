"""The one exception that a command shows as a message instead of a traceback."""


class UserError(ValueError):
    """Something the caller can mend: it names the condition, the value received and the remedy.

    Commands print it on one line and exit with status 2.
    """
