"""What is short of the optimum never reads as the optimum."""

import pytest

from ghm.io.text import percent_text, share_text


@pytest.mark.parametrize(
    ("share", "number", "percent"),
    [
        (0.9881, "0.988", "98.8%"),
        (0.9998, "0.9998", "99.98%"),
        (0.99949, "0.999", "99.9%"),
        (0.99951, "0.9995", "99.95%"),
        (0.99997, "0.99997", "99.997%"),
        (0.9999999, "0.99999", "99.999%"),
        (1.0, "1.000", "100.0%"),
        (1.0002, "1.000", "100.0%"),
        (-0.25, "-0.250", "-25.0%"),
    ],
)
def test_a_share_below_one_does_not_read_as_one(share: float, number: str, percent: str) -> None:
    assert share_text(share) == number
    assert percent_text(share) == percent
