"""What the benchmark takes for the machine's."""

from pathlib import Path

import pytest

from paglets.examples.performance.usable import look, processes_for


@pytest.mark.parametrize(("cores", "processes"), [(4.0, 4), (1.5, 2), (2.0, 2), (0.2, 1)])
def test_a_fraction_of_a_core_takes_one_process_more(cores, processes):
    assert processes_for(cores) == processes


def test_this_machine_has_something(tmp_path: Path):
    machine = look(tmp_path)
    assert machine.cores > 0
    assert machine.memory_bytes > 0
    assert machine.disk_bytes > 0
