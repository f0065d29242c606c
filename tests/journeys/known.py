"""Disagreements that are known, with what was seen. Whoever mends one removes its lines: the tests hold each to fail."""

DROPPED = (
    "the display is dropped when a trial goes on from its checkpoint: AttributeError(\"'Running' object has no attribute "
    "'first'\")"
)
COMPLETED = "stopped trials count as completed on the page: its tile says 3, the JSON has "
STOPPED = (
    "a stopped trial is stopped_at_rung in the JSON, paused in outcome.json and to ghm replay, and in the page's table of "
    "completed trials"
)

KNOWN: dict[tuple[str, str], str] = {
    ("a rung", "trials_completed"): COMPLETED + "1; the last line before the display was dropped says 0",
    ("a rung", "trials_paused"): f"the last line that is shown says 3 are waiting: {DROPPED}",
    ("a rung", "trials_stopped"): f"the last line that is shown says 0, the JSON 2: {DROPPED}",
    ("a rung", "statuses"): STOPPED,
    ("a rung", "best_value"): f"the last line that is shown has the best at the rung, not at the end: {DROPPED}",
    ("a rung", "time_left"): f"the last line that is shown says half a minute: {DROPPED}",
    ("a rung", "standard error"): DROPPED,
    ("a rung, larger --keep", "trials_completed"): COMPLETED + "2",
    ("a rung, larger --keep", "statuses"): STOPPED,
    ("a rung, larger --keep", "nothing wrong"): DROPPED,
}
"""By stage, and by the field of the table, or the test, that fails."""
