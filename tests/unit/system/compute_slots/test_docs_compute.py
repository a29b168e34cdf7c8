"""docs/compute.md says what is so."""

import re
from dataclasses import fields
from pathlib import Path

import click

from paglets.cli.jobs import jobs
from paglets.system.compute_slots import book, computing, slots
from paglets.system.compute_slots.job import ComputeJob
from paglets.system.compute_slots.measuring import PROPERTIES
from paglets.system.compute_slots.needs import Needs
from paglets.system.compute_slots.reporting import REPORT_SECONDS

PAGE = " ".join((Path(__file__).parents[4] / "docs" / "compute.md").read_text().split())
TIMES = slots.SlotTimes()


def test_every_need_is_in_the_table():
    for each in fields(Needs):
        assert f"| `{each.name}` (" in PAGE


def test_every_property_of_a_host_is_named():
    for name in PROPERTIES:
        assert f"{name}=" in PAGE


def test_the_figures_are_those_of_the_code():
    assert f"passed for {TIMES.patience:.0f} s" in PAGE
    assert f"Waiting for {TIMES.aging / 60:.0f} minutes" in PAGE
    assert f"**lease** of {TIMES.lease:.0f} s" in PAGE
    assert f"`max_attempts` ({ComputeJob.max_attempts})" in PAGE
    assert f"`keep_seconds` ({ComputeJob.keep_seconds / 86400:.0f} days)" in PAGE
    assert f"at most {computing.RESULT_LIMIT_BYTES // 1024} KiB" in PAGE
    assert f"by {computing.HEADROOM_BYTES // 2**20} MiB" in PAGE
    assert REPORT_SECONDS == 120
    assert "two minutes" in PAGE
    assert f"{slots.QUEUE_LIMIT} jobs in its queue, and {book.OPEN_LIMIT} open" in PAGE


def test_every_command_and_every_option_on_the_page_exists():
    context = click.Context(jobs)
    named = set(re.findall(r"paglets jobs (\w+)", PAGE)) - {"submit"}
    assert named <= set(jobs.list_commands(context))
    assert set(jobs.list_commands(context)) <= named | {"submit"}
    options = {
        option
        for name in jobs.list_commands(context)
        for parameter in jobs.get_command(context, name).params
        for option in parameter.opts
    }
    assert set(re.findall(r"(?<![\w|-])--[a-z][a-z-]*", PAGE)) <= options | {"--property"}
