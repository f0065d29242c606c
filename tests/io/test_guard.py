"""Living on after a fault: what is said, where the traceback is, and the switch that makes it raise."""

from pathlib import Path

import pytest

from ghm.io.guard import SWITCH, survive, told_fault


def fault() -> TypeError:
    try:
        raise TypeError("planted\nsecond line")
    except TypeError as error:
        return error


def test_the_tests_run_with_the_switch_on(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="planted"):
        survive("a part", fault(), tmp_path / "details.log")
    assert list(tmp_path.iterdir()) == []


def test_with_it_off_a_line_is_said_and_the_traceback_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(SWITCH)
    details = tmp_path / "details.log"
    for _ in range(2):
        assert survive("a part", fault(), details) == f"a part failed: TypeError: planted (details: {details})"
    assert details.read_text().count("in fault") == 2
    assert capsys.readouterr().err == ""
    for place in (None, tmp_path / "nowhere/details.log", tmp_path):
        assert survive("a part", fault(), place) == "a part failed: TypeError: planted"
        assert "in fault" in capsys.readouterr().err


def test_a_fault_told_by_another_process_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH)
    trace = "Traceback (most recent call last):\n  in there\nTypeError: planted\n"
    line = survive("a part", told_fault(trace), tmp_path / "d")
    assert line == f"a part failed: RuntimeError: TypeError: planted (details: {tmp_path / 'd'})"
    assert trace.strip() in (tmp_path / "d").read_text()
    assert "no reason was given" in survive("a part", told_fault(""), tmp_path / "d")
