import pytest

from paglets.supervise.exits import report_exit


@pytest.mark.parametrize(
    ("status", "exit_code", "signal", "cause"),
    [
        (0, 0, None, "exit code 0"),
        (7 << 8, 7, None, "exit code 7"),
        (9, None, 9, "signal SIGKILL"),
        (11 | 128, None, 11, "signal SIGSEGV"),
        (50, None, 50, "signal 50"),
        (None, None, None, "unknown exit code, its forkserver had died"),
    ],
)
def test_a_wait_status_is_told_in_words(status, exit_code, signal, cause) -> None:
    report = report_exit(5, status, 1024, expected=False)
    assert (report.exit_code, report.signal, report.cause) == (exit_code, signal, cause)
    assert (report.pid, report.maxrss_bytes, report.expected) == (5, 1024, False)
