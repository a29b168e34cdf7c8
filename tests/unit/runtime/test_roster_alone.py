"""Classes of which a host has one paglet at most."""

from dataclasses import replace

import pytest

from paglets.model.enums import PagletStatus
from paglets.model.errors import ConflictError
from paglets.model.launch import ResidentService
from paglets.model.manifest import AutoStartManifest
from paglets.runtime.roster import Roster
from tests.unit.runtime.samples import ALPHA, MANIFEST, make_row

SINGLE = replace(MANIFEST, auto_start=AutoStartManifest(alias="tour"))
MANY = replace(MANIFEST, auto_start=AutoStartManifest(alias="tour", singleton=False))


@pytest.fixture
def roster():
    return Roster(ALPHA)


def test_of_an_ordinary_class_there_may_be_many(roster):
    for manifest in (MANIFEST, MANY):
        roster.put(make_row(manifest=manifest))
        roster.require_alone(manifest, "second")


@pytest.mark.parametrize("status", set(PagletStatus) - {PagletStatus.MOVED, PagletStatus.CLONING})
def test_of_a_singleton_there_is_one_whatever_it_does(roster, status):
    roster.put(make_row(status, manifest=SINGLE))
    with pytest.raises(ConflictError, match=r"alpha has a tour:Tour already \(tour\)"):
        roster.require_alone(SINGLE, "second")
    roster.require_alone(SINGLE, "tour")


def test_one_that_has_moved_away_leaves_its_place(roster):
    roster.put(make_row(PagletStatus.MOVED, manifest=SINGLE))
    roster.require_alone(SINGLE, "second")


def test_while_one_is_made_its_place_is_taken(roster):
    with roster.alone(SINGLE, "first"), pytest.raises(ConflictError, match="first"):
        roster.require_alone(SINGLE, "second")
    roster.require_alone(SINGLE, "second")
    with pytest.raises(ZeroDivisionError), roster.alone(SINGLE, "first"):
        raise ZeroDivisionError
    with roster.alone(SINGLE, "second"):
        roster.put(make_row(agent_id="second", manifest=SINGLE))


def test_beside_a_resident_there_is_no_other_of_its_class(roster):
    roster.put(make_row()).resident = ResidentService(class_name="tour:Tour")
    roster.resident_classes = {"tour:Tour": "tour"}
    with pytest.raises(ConflictError):
        roster.require_alone(MANIFEST, "second")


@pytest.mark.parametrize("manifest", [MANIFEST, SINGLE])
def test_a_residents_place_is_its_own_before_it_has_a_row(roster, manifest):
    roster.resident_classes = {"tour:Tour": "tour"}
    with pytest.raises(ConflictError, match=r"already \(tour\)"), roster.alone(manifest, "second"):
        pass
    with roster.alone(manifest, "tour"):
        roster.put(make_row(manifest=manifest))
    roster.require_alone(manifest, "tour")


def test_one_paglet_may_hold_its_place_by_several_offers(roster):
    with roster.alone(SINGLE, "first"):
        with roster.alone(SINGLE, "first"):
            pass
        with pytest.raises(ConflictError):
            roster.require_alone(SINGLE, "second")
    roster.require_alone(SINGLE, "second")


def test_a_clone_that_is_promised_to_another_host_takes_no_place(roster):
    roster.put(make_row(PagletStatus.MOVED, manifest=SINGLE))
    roster.put(make_row(PagletStatus.CLONING, agent_id="clone", manifest=SINGLE))
    roster.require_alone(SINGLE, "tour")
