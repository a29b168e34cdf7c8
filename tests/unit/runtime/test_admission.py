"""Who may live on a host. The allow-list decides by the name alone, before anything is imported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paglets.config.settings import Limits
from paglets.model.errors import (
    ClassLoadError,
    ClassNotAllowedError,
    CodeVersionError,
    InvalidNameError,
    PagletsError,
    TooLargeError,
    TransferError,
    UnavailableError,
)
from paglets.model.transfer import TransferTicket
from paglets.runtime.admission import Admission
from tests.unit.runtime.fakes import FakeStarter
from tests.unit.runtime.samples import ALPHA, make_host


def make_admission(*allowed, starter=None, **me):
    return Admission(
        starter or FakeStarter(),
        me=lambda: make_host(ALPHA, **me),
        allowed=allowed,
        explain_version=lambda other: f"{other} is other code",
        limits=Limits(state_bytes=100),
    )


async def require(admission, **changes):
    ticket = changes.pop("ticket", TransferTicket(destination="alpha"))
    asked = {"class_name": "tour:Tour", "code_version": "v1", "state_bytes": 1, "protocol": 1}
    await admission.require(ticket=ticket, **(asked | changes))


@pytest.mark.parametrize(
    "class_name",
    [
        "tour:Tour",
        "tour:Outer.Inner",
        "tour.parts:Tour",
        "tour.parts.deep:Tour",
        "paglets.examples.tour:Tour",
        "paglets.system.mesh_info:MeshInfoAgent",
    ],
)
def test_what_is_under_an_allowed_prefix_is_allowed(class_name):
    make_admission("tour").require_allowed(class_name)


@pytest.mark.parametrize(
    "class_name",
    [
        "os:system",
        "subprocess:Popen",
        "builtins:eval",
        "tour2:Tour",
        "tou:Tour",
        "my.tour:Tour",
        "paglets:Paglet",
        "paglets.store:Store",
        "paglets.examples2:Tour",
        "paglets.examplesx.tour:Tour",
        "importlib:import_module",
    ],
)
def test_everything_else_is_refused_and_the_message_says_how_to_allow_it(class_name):
    with pytest.raises(ClassNotAllowedError) as caught:
        make_admission("tour").require_allowed(class_name)
    module = class_name.partition(":")[0]
    assert f"--allow {module.partition('.')[0]}" in str(caught.value)


@pytest.mark.parametrize(
    "class_name",
    [
        "os.system",
        "tour",
        "tour:",
        ":Tour",
        "tour:Tour:x",
        "tour..x:Tour",
        "tour:__class__.x y",
        "../tour:Tour",
        "tour/x:Tour",
        "",
        "tour:Tour\n",
    ],
)
def test_what_is_no_class_name_is_refused(class_name):
    with pytest.raises((InvalidNameError, ClassNotAllowedError)):
        make_admission("tour").require_allowed(class_name)


def test_the_package_itself_is_never_allowed_by_dots():
    with pytest.raises((InvalidNameError, ClassNotAllowedError)):
        make_admission("tour").require_allowed("paglets.__class__:x")


def test_without_own_prefixes_only_the_built_in_ones_are_allowed():
    with pytest.raises(ClassNotAllowedError, match="only the built-in ones"):
        make_admission().require_allowed("tour:Tour")


@given(st.text(alphabet="tour.:_x2 /\\", max_size=24))
def test_no_name_gets_past_the_prefix(name):
    admission = make_admission("tour")
    try:
        admission.require_allowed(name)
    except PagletsError:
        return
    module = name.partition(":")[0]
    assert module == "tour" or module.startswith("tour.")


async def test_a_paglet_of_this_hosts_code_and_size_is_taken():
    await require(make_admission("tour"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"class_name": "os:system"}, ClassNotAllowedError),
        ({"code_version": "v2"}, CodeVersionError),
        ({"protocol": 3}, CodeVersionError),
        ({"state_bytes": 101}, TooLargeError),
        (
            {"ticket": TransferTicket(destination="a", required_capabilities=("gpu",))},
            TransferError,
        ),
        (
            {"ticket": TransferTicket(destination="a", expected_code_version="v9")},
            CodeVersionError,
        ),
    ],
)
async def test_a_paglet_is_refused_for_good_with_the_reason(changes, error):
    with pytest.raises(error) as caught:
        await require(make_admission("tour"), **changes)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "changes",
    [
        {"state_bytes": 100},
        {"protocol": 2},
        {"ticket": TransferTicket(destination="a", expected_code_version="v1")},
        {
            "code_version": "v2",
            "ticket": TransferTicket(destination="a", expected_code_version="v1"),
        },
    ],
)
async def test_at_the_limit_it_is_taken(changes):
    await require(make_admission("tour"), **changes)


async def test_a_capability_that_is_there_is_enough():
    ticket = TransferTicket(destination="a", required_capabilities=("gpu",))
    await require(make_admission("tour", capabilities=("gpu", "ssd")), ticket=ticket)


async def test_a_draining_host_refuses_moves_durably_and_creations_for_now():
    admission = make_admission("tour")
    admission.refuses = "draining"
    with pytest.raises(TransferError) as moved:
        await require(admission)
    assert not moved.value.retryable
    with pytest.raises(UnavailableError) as created:
        admission.require_open()
    assert created.value.retryable


async def test_a_class_is_tried_once_in_a_child_and_the_answer_is_remembered():
    starter = FakeStarter()
    admission = make_admission("tour", starter=starter)
    await admission.require_loadable("tour:Tour")
    await admission.require_loadable("tour:Tour")
    assert [birth.check_only for birth in starter.births] == [True]
    assert starter.links[0].is_over


async def test_a_class_that_does_not_load_is_remembered_too():
    starter = FakeStarter()
    starter.error = ClassLoadError("no module tour")
    admission = make_admission("tour", starter=starter)
    for _ in range(2):
        with pytest.raises(ClassLoadError):
            await admission.require_loadable("tour:Tour")
    assert len(starter.births) == 1


async def test_a_passing_failure_to_try_is_not_remembered():
    starter = FakeStarter()
    starter.error = UnavailableError("full", retry_after=1.0)
    admission = make_admission("tour", starter=starter)
    with pytest.raises(UnavailableError):
        await admission.require_loadable("tour:Tour")
    starter.error = None
    await admission.require_loadable("tour:Tour")


def test_a_yes_names_host_and_code():
    answer = make_admission("tour", capabilities=("gpu",)).answer(1)
    assert (answer.host_id, answer.code_version) == ("id-alpha", "v1")
    assert answer.capabilities == ("gpu",)
