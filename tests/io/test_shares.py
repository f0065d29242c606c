"""What is short of the optimum never reads as the optimum."""

import math

import pytest

from ghm.io.text import percent_text, years_text


@pytest.mark.parametrize(
    ("share", "percent", "finer"),
    [
        (0.9881, "98.8%", "98.81%"),
        (0.9998, "99.98%", "99.98%"),
        (0.99949, "99.9%", "99.95%"),
        (0.99951, "99.95%", "99.95%"),
        (0.99997, "99.997%", "99.997%"),
        (0.9999999, "99.999%", "99.999%"),
        (1.0, "100.0%", "100.00%"),
        (1.0002, "100.0%", "100.02%"),
        (-0.25, "-25.0%", "-25.00%"),
        (math.nan, "–", "–"),
        (math.inf, "–", "–"),
        (-math.inf, "–", "–"),
        (None, "–", "–"),
    ],
)
def test_a_share_below_one_does_not_read_as_one(share: float | None, percent: str, finer: str) -> None:
    assert percent_text(share) == percent
    assert percent_text(share, 2) == finer


@pytest.mark.parametrize(
    ("years", "text"), [(1.0, "1 year"), (10, "10 years"), (0.5, "0.5 years"), (1.25, "1.25 years")]
)
def test_a_length_of_time(years: float, text: str) -> None:
    assert years_text(years) == text
