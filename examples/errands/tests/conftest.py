"""The hosts of these tests run this project's own image."""

from pathlib import Path

import pytest

from paglets.testing.engine import build_image

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def paglets_image(paglets_image: str) -> str:
    """Build on the image of the plain host."""
    return build_image(ROOT, "errands:test", build_args={"PAGLETS_IMAGE": paglets_image})
