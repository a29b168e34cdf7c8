"""What a host's forkserver imports once."""

import importlib
from pathlib import Path

from paglets.config.settings import HostSettings
from paglets.host.preloading import preloaded
from paglets.model.enums import ResidentLifecycle
from paglets.model.launch import LaunchPlan, ResidentService

SLOTS = "paglets.system.compute_slots.agent:ComputeSlotsAgent"


def settings(*residents: ResidentService, preload: tuple[str, ...] = ()) -> HostSettings:
    plan = LaunchPlan(residents=residents)
    return HostSettings(name="alpha", data=Path(), preload=preload, launch=plan)


def resident(class_name: str, lifecycle=ResidentLifecycle.EAGER) -> ResidentService:
    return ResidentService(class_name=class_name, lifecycle=lifecycle)


def test_a_host_without_residents_preloads_what_its_owner_says():
    assert preloaded(settings(preload=("tour", "tour"))) == ("tour",)


def test_slots_for_jobs_bring_the_modules_of_jobs():
    found = preloaded(settings(resident(SLOTS), preload=("tour",)))
    assert found[0] == "tour"
    assert set(found[1:]) == {SLOTS.partition(":")[0], "paglets.system.compute_slots.job"}
    for module in found[1:]:
        importlib.import_module(module)


def test_what_runs_only_when_it_is_called_is_not_preloaded():
    lazy = resident("paglets.system.server_info.agent:ServerInfoAgent", ResidentLifecycle.LAZY)
    assert preloaded(settings(lazy)) == ()


def test_the_owners_own_residents_are_not_preloaded_since_they_may_start_threads():
    assert preloaded(settings(resident("mine:Service"))) == ()
