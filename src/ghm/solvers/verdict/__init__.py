"""A verdict on a policy: what it loses, and which single fault loses most of it."""

from ghm.solvers.verdict.judge import Verdict, judge

__all__ = ["Verdict", "judge"]
