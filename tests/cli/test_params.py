"""Sizes and lists of names as options, and how figures and progress are shown."""

import signal

import click
import pytest

from paglets.cli.params import ending_on_sigterm, parse_names
from paglets.cli.perf import print_rows, progress_text
from paglets.examples.crew import Phase
from paglets.examples.performance.model import Figure, Machine, Row, Skipped


def test_names_have_commas_between_them_and_count_once():
    assert parse_names("alpha, beta,alpha,") == ("alpha", "beta")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["perf", "--only", "cpu,gpu"], "'gpu' is none of cpu, memory, disk"),
        (["perf", "--disk-size", "1"], "not at least 4096 bytes"),
        (["mesh-benchmark", "--payload", "1G"], "is not 0 to"),
        (["grep", "x"], "Missing option '--in'"),
        (["grep", "x", "--in", "relative/*"], "no absolute path"),
        (["perff"], "Did you mean 'perf'?"),
    ],
)
def test_wrong_options_are_wrong_usage(run, words, message):
    done = run("examples", *words)
    assert done.exit_code == 2
    assert message in done.stderr


def test_sigterm_ends_as_ctrl_c_does():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ending_on_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@click.command()
def shown() -> None:
    machine = Machine(cores=2.0, memory_bytes=2**31, disk_bytes=2**33, filesystem="ext4")
    print_rows([
        Row("slow", Phase.DONE, machine=machine, figures=[Figure("copy", 50.0, 49.0, 51.0)]),
        Row("fast", Phase.DONE, machine=machine, figures=[Figure("copy", 100.0, 99.0, 101.0)],
            skipped=[Skipped("scan", "no memory")]),
        Row("lost", Phase.FAILED, reason="the host went away"),
    ])  # fmt: skip


def test_hosts_are_rows_relative_to_the_best_and_what_was_skipped_is_said():
    from click.testing import CliRunner

    done = CliRunner().invoke(shown, [], catch_exceptions=False)
    assert done.stdout.splitlines() == [
        "HOST  OVERALL  CORES  MEMORY FREE  DISK FREE     WAITED  RESULT",
        "fast  100%     2      2.0 GiB      8.0 GiB ext4  0.0 s   done",
        "slow  50%      2      2.0 GiB      8.0 GiB ext4  0.0 s   done",
        "lost  -        -      -            -             -       the host went away",
        "",
        "HOST  COPY MIB/S",
        "fast  100 (100%)",
        "slow  50.0 (50%)",
    ]
    assert done.stderr == "skipped or reduced: scan on fast: no memory\n"


def test_progress_is_a_line_a_host():
    rows = [Row("a", Phase.WAITING, "waits for bb"), Row("bb", Phase.WORKING, "copy")]
    assert progress_text(rows).splitlines() == [
        "a   waiting    waits for bb",
        "bb  working    copy",
    ]
    assert progress_text([]) == "asking for the hosts"
