"""What the words of a search say: lines on a terminal, closing summary, ``ghm explain`` and ``ghm replay``.

The patterns are the only place that knows how something is worded. Lines may be broken anywhere, since terminals break
them, so everything is read as one line.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.journeys.surfaces.table import Figure, Table, kind, shown

NUMBER = r"-?[\d,]*\.?\d+%?"

PLAN = r"\w+ search: ([\d,]+) trials?"
CONFIGURATIONS = r"\(([\d,]+) configurations x"
DONE = r"\((\d+) done, (\d+) to run\)"
COUNTS = r"(\d+) of (\d+) trials completed, (\d+) failed((?:, \d+ paused and \d+ stopped at rung \d+)*), (\d+) running"
AT_RUNG = r"(\d+) paused and (\d+) stopped at rung"
LEFT_PLAIN = r"running; about ([\d:]+) left"
PROGRESS = r"search (\d+%)"
LEFT_LIVE = r"elapsed [\d:]+ left ([\d:]+|–)"
STARTED = r"\[Trial (\d+)\] (?:Starting|Continues) training"
WAITS = r"\[Trial (\d+)\] (?:Waits|Paused) at"
ENDED = (
    r"\[Trial (\d+)\] Completed in [\d:.]+(?: s)?(?: \(configuration [^)]*\))?: "
    rf"firm value ({NUMBER})(?:, captured value ({NUMBER}))?"
)
FAILED = r"\[Trial (\d+)\] (crashed|diverged|timeout|out_of_memory|infrastructure|interrupted) after"
CUT = r"\[Rung (\d+)\] \d+ of \d+ configurations promoted: ([\d, ]+|none)"
BEST = (
    rf"best so far: (trial|configuration) (\d+)(?:, firm value ({NUMBER}))?"
    r"(?:, (?:(?:mean|interquartile mean|worst) )?captured value (-?[\d.]+%)(?![\d.%]))?"
)

SUMMARY = (
    r"Search summary: ([\d,]+) of ([\d,]+) trials completed((?:, \d+ [a-z][a-z ]*?(?=,| Best| Every| Not| Results))*)"
)
BEST_TRIAL = rf"Best configuration: trial (\d+)(?: on \S+)?, firm value ({NUMBER})(?:, captured value ({NUMBER}))?"
BEST_OF = rf"Best configuration: (\d+)(?: \([^)]*\))?, .*?captured value ({NUMBER})"
BEST_OF_RETURN = rf"\(its best trial(?: on them)?: trial (\d+)(?: on \S+)?, firm value ({NUMBER})"
REFERENCE = rf"\((?:on \S+, )?captured value 0%: immediate liquidation, ({NUMBER}); 100%: the optimum, ({NUMBER})\)"
RANKED = r"^ *rank +1.*\n +(?:trial|configuration) +([\d ]+)$"
NOT_COMPLETED = r"trial (\d+): (crashed|diverged|timeout|out_of_memory|infrastructure|interrupted): "
OF_TRIAL = r"(?:Its (?:best|worst) trial, \d+(?: on \S+)?: )?"
VERDICT = (
    rf"(?:the optimum, [\d.]+\)|captured value [^)]*?\)) {OF_TRIAL}"
    r"(?P<verdict>[A-Z][a-z].*?\.) (?:(?:(?:greedy|randomised) policy )?learned|lr_policy)"
)


def one_line(text: str) -> str:
    return " ".join(text.split())


def read_terminal(text: str, live: bool) -> Table:
    """What lines and live table say, the newest word of each thing."""
    line = one_line(text.partition("Search summary:")[0])
    said: dict[str, Any] = {}
    if plan := re.search(PLAN, line):
        said["trials_asked"] = int(plan[1].replace(",", ""))
    if plan := re.search(CONFIGURATIONS, line):
        said["configurations_asked"] = int(plan[1].replace(",", ""))
    if counts := _last(COUNTS, line):
        said |= {"trials_completed": int(counts[1]), "trials_asked": int(counts[2]), "trials_failed": int(counts[3])}
        at_rungs = re.findall(AT_RUNG, counts[4])
        said |= {
            "trials_paused": sum(int(one) for one, _ in at_rungs),
            "trials_stopped": sum(int(one) for _, one in at_rungs),
        }
    said["returns"] = {int(one): shown(value) for one, value, _ in re.findall(ENDED, line)}
    said["captured"] = {int(one): shown(value) for one, _, value in re.findall(ENDED, line) if value}
    said["statuses"] = dict.fromkeys(said["returns"], "completed") | {
        int(number): status for number, status in re.findall(FAILED, line)
    }
    if left := _last(LEFT_LIVE if live else LEFT_PLAIN, line):
        said["time_left"] = left[1]
    if live and (progress := _last(PROGRESS, line)):
        said["progress"] = shown(progress[1])
    return Table(**said | _leads(line))


def _leads(line: str) -> dict[str, Any]:
    best = _last(BEST, line)
    if best is None:
        return {}
    said: dict[str, Any] = {"best_configuration": int(best[2])}
    said |= {"captured_value": shown(best[4])} if best[4] else {}
    if best[1] == "configuration":
        return said
    return said | {"best_trial": int(best[2])} | ({"best_value": shown(best[3])} if best[3] else {})


def _last(pattern: str, line: str) -> re.Match[str] | None:
    return max(re.finditer(pattern, line), key=lambda found: found.start(), default=None)


def read_summary(text: str) -> Table:
    """What the closing summary says."""
    begin = text.find("Search summary:")
    if begin < 0:
        return Table()
    text = text[begin:]
    line = one_line(text)
    said: dict[str, Any] = {}
    if head := re.search(SUMMARY, line):
        counts = {words: int(count) for count, words in re.findall(r"(\d+) ([a-z ]+)", head[3])}
        stopped = next((count for words, count in counts.items() if "stopped" in words), 0)
        said |= {"trials_completed": int(head[1]), "trials_asked": int(head[2]), "trials_stopped": stopped}
        said |= {"trials_failed": counts.get("failed", 0), "trials_unfinished": counts.get("not finished", 0)}
    said["statuses"] = {int(number): status for number, status in re.findall(NOT_COMPLETED, line)}
    if best := re.search(BEST_TRIAL, line):
        said |= {"best_trial": int(best[1]), "best_configuration": int(best[1]), "best_value": shown(best[2])}
        said |= {"captured_value": shown(best[3])} if best[3] else {}
    elif best := re.search(BEST_OF, line):
        said |= {"best_configuration": int(best[1]), "captured_value": shown(best[2])}
        if trial := re.search(BEST_OF_RETURN, line):
            said |= {"best_trial": int(trial[1]), "best_value": shown(trial[2])}
    if reference := re.search(REFERENCE, line):
        said |= {"wind_up": shown(reference[1]), "optimum": shown(reference[2])}
    if ranked := re.search(RANKED, text, re.MULTILINE):
        said["rank_order"] = tuple(int(one) for one in ranked[1].split())
    if verdict := re.search(VERDICT, line):
        said["verdict"] = verdict["verdict"]
    return Table(**said)


def read_why(texts: Mapping[int, str]) -> Table:
    """What ``ghm explain`` says of each of these trials."""
    said: dict[str, dict[int, Any]] = {
        name: {} for name in ("statuses", "iterations", "returns", "seeds", "calibrations")
    }
    for number, text in texts.items():
        line = one_line(text)
        where = re.search(r"with (?:the fresh )?seed (\d+)(?: on calibration (\S+?))?(?:, to confirm it)?\.", line)
        assert where is not None, line
        said["seeds"][number], said["calibrations"][number] = int(where[1]), where[2] or ""
        if end := re.search(
            rf"It completed (\d+) iterations with a firm value of ({NUMBER})(?: and a captured value of -?[\d.]+%)?\.",
            line,
        ):
            said["statuses"][number], said["returns"][number] = "completed", shown(end[2])
        elif end := re.search(r"It (was stopped|is paused) at rung (\d+)", line):
            said["statuses"][number] = "stopped_at_rung" if "stopped" in end[1] else "paused"
        else:
            ended = re.search(r"It ended as (\w+) after (\d+) iterations", line)
            assert ended is not None, line
            said["statuses"][number], said["iterations"][number] = ended[1], int(ended[2])
            continue
        said["iterations"][number] = int(next(group for group in end.groups() if group.isdecimal()))
    return Table(**said)


def read_replay(text: str, errors: str) -> Table:
    """What ``ghm replay`` says of a trial: the return it confirmed, or what the trial ended as."""
    line = one_line(text + errors)
    if found := re.search(rf"Trial (\d+): reproduced bit for bit, firm value ({NUMBER})", line):
        return Table(statuses={int(found[1]): "completed"}, returns={int(found[1]): Figure(float(found[2]))})
    if stopped := re.search(r"trial (\d+) (was stopped|is paused) at rung", line):
        return Table(statuses={int(stopped[1]): "stopped_at_rung" if "stopped" in stopped[2] else "paused"})
    ended = re.search(r"trial (\d+) ended as (\w+)", line)
    assert ended is not None, line
    return Table(statuses={int(ended[1]): ended[2]})


def done(text: str) -> int:
    """Trials that a resumed search, or its dry run, says are done."""
    found = re.search(DONE, one_line(text))
    return int(found[1]) if found else 0


@dataclass
class Course:
    """How the trials of a search stand, as its messages tell; each configuration has one trial."""

    statuses: dict[int, str]

    def hear(self, line: str) -> None:
        for pattern, status in ((STARTED, "running"), (WAITS, "paused"), (ENDED, "completed"), (FAILED, "")):
            if found := re.match(pattern, line):
                self.statuses[int(found[1])] = status or kind(found[2])
        if found := re.match(CUT, line):
            going = {int(one) for one in re.findall(r"\d+", found[2])}
            stopped = [one for one, status in self.statuses.items() if status == "paused" and one not in going]
            self.statuses |= dict.fromkeys(stopped, "stopped")

    @property
    def counts(self) -> dict[str, int]:
        return {state: list(self.statuses.values()).count(state) for state in COUNTED}


COUNTED = ("completed", "failed", "paused", "stopped", "running")


def counts_on_the_way(text: str, before: Mapping[int, str]) -> list[tuple[str, dict[str, int], dict[str, int]]]:
    """Each line that counts trials: the line, what it says, and what the messages before it tell."""
    course, found = Course({number: kind(status) for number, status in before.items()}), []
    for line in text.partition("Search summary:")[0].splitlines():
        course.hear(line)
        if counts := re.match(COUNTS, line):
            at_rungs = re.findall(AT_RUNG, counts[4])
            paused, stopped = (sum(int(one[place]) for one in at_rungs) for place in (0, 1))
            said = dict(zip(COUNTED, (int(counts[1]), int(counts[3]), paused, stopped, int(counts[5])), strict=True))
            found.append((line, said, course.counts))
    return found


def progress_on_the_way(
    screens: Sequence[str], done: int, lengths: Sequence[int]
) -> list[tuple[str, float, float, float]]:
    """Each screen's counts: the words, the share that it says is done, and its bounds.

    ``done``: trials that were over before the call; ``lengths``: iterations of those that it runs, in order.
    """
    found = {}
    for screen in screens:
        line = one_line(screen.partition("Search summary:")[0])
        counts, progress = _last(COUNTS, line), _last(PROGRESS, line)
        if counts is not None and progress is not None:
            over, running = int(counts[1]) + int(counts[3]) - done, int(counts[5])
            least, most = (sum(lengths[:count]) / sum(lengths) for count in (over, over + running))
            found[f"{progress[0]}, {counts[0]}"] = (shown(progress[1]).value, least, most)
    return [(words, *figures) for words, figures in found.items()]
