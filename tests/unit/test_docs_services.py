"""docs/services.md tells limits and names as they are; its examples are run on real hosts."""

import re
from pathlib import Path

import paglets
from paglets.agent.contracts import OPERATIONS_LIMIT
from paglets.agent.services import Services
from paglets.connect.asyncservices import AsyncServices
from paglets.runtime.publishing import PAUSE, SHARED_LIMIT, SHARED_LIMIT_BYTES
from paglets.wire.servicerecords import PAYLOAD_LIMIT_BYTES

PAGE = (Path(__file__).parents[2] / "docs" / "services.md").read_text()


def test_the_page_tells_the_limits_that_hold():
    costs = " ".join(PAGE.partition("## What it costs")[2].split())
    assert f"at most {SHARED_LIMIT} providers, of {SHARED_LIMIT_BYTES // 1024} KiB" in costs
    assert f"at most {PAYLOAD_LIMIT_BYTES // 1024} KiB" in costs
    assert f"at most {OPERATIONS_LIMIT} operations" in costs
    assert f"every {PAUSE:g} s" in costs


def test_every_error_the_page_names_is_exported():
    named = set(re.findall(r"`(\w+Error)`", PAGE)) - {"TypeError"}
    assert len(named) > 5
    assert named <= {*paglets.__all__, "ForbiddenError", "NotFoundError"}


def test_services_are_asked_for_alike_inside_outside_and_in_async_code():
    asked = {"require", "lookup", "lookup_all", "lease"}
    assert asked <= {name for name in vars(Services) if not name.startswith("_")}
    assert asked == {name for name in vars(AsyncServices) if not name.startswith("_")}
