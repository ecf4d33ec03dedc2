"""What is shown while an ingest runs."""

from __future__ import annotations

from trivet.cli.progress import Pace, watched
from trivet.cli.render import duration, plural, size
from trivet.reports import IngestReport


def report(added: int, elapsed_s: float) -> IngestReport:
    return IngestReport(added=added, elapsed_s=elapsed_s)


def test_rate_and_time_left_follow_the_last_half_minute():
    pace = Pace(10_000, lambda report: report.total)
    assert pace.take(report(1_000, 60.0)) == "1,000 documents"  # the model had to be loaded
    assert pace.take(report(2_000, 70.0)) == "2,000 documents · 100/s · 1 min 20 s left"
    assert pace.take(report(4_000, 80.0)) == "4,000 documents · 150/s · 40 s left"
    assert pace.take(report(4_400, 120.0)) == "4,400 documents · 10/s · 9 min 20 s left"
    assert pace.share == 0.44


def test_the_share_is_that_of_the_work_and_never_more_than_all():
    pace = Pace(0, lambda report: 5)
    pace.take(report(1, 1.0))
    assert pace.share == 1.0


def test_without_a_terminal_there_is_a_plain_line_now_and_then(capsys):
    with watched(100, lambda report: report.total) as watch:
        for second in range(1, 12):
            watch(report(second, float(second)))
    assert capsys.readouterr().err.splitlines() == [
        "  5%  5 documents · 1/s · 1 min 35 s left",
        " 10%  10 documents · 1/s · 1 min 30 s left",
    ]


def test_on_a_terminal_there_is_a_bar(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    with watched(100, lambda report: report.total) as watch:
        watch(report(20, 1.0))
        watch(report(40, 2.0))
    shown = capsys.readouterr().err
    assert "Loading the model" in shown
    assert "40 documents · 20/s · 3.0 s left" in shown


def test_numbers_read_as_people_write_them():
    assert [duration(s) for s in (0.04, 12.3, 59.9, 83.0, 3600.0)] == [
        "0.0 s",
        "12 s",
        "1 min 0 s",
        "1 min 23 s",
        "60 min 0 s",
    ]
    assert [size(n) for n in (0, 999, 1_500, 21_300_000, 4_200_000_000)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "21.3 MB",
        "4.2 GB",
    ]
    assert [plural(n, "file") for n in (0, 1, 2_000)] == ["0 files", "1 file", "2,000 files"]
