"""compose.yaml as a project of its own, beside whatever else runs on the engine."""

import uuid
from pathlib import Path

from docker.models.containers import Container

from paglets.testing.engine import engine
from paglets.testing.localhost import free_ports
from paglets.testing.reaper import PROJECT_LABEL, sweep, watch
from tests.docker.inside import online_in
from tests.docker.shell import ROOT, Shell


class Project(Shell):
    """The compose file, up until `remove`, which comes too when the run is killed.

    Args:
        image: What the hosts run.
        home: Where commands on this machine keep their keys.
        folder: Where compose.yaml lies.
    """

    def __init__(self, image: str, home: Path, folder: Path = ROOT) -> None:
        self.name = f"paglets-test-{uuid.uuid4().hex[:8]}"
        self.port = free_ports(1)[0]
        super().__init__(
            {
                "COMPOSE_PROJECT_NAME": self.name,
                "PAGLETS_IMAGE": image,
                "PAGLETS_PORT": str(self.port),
                "PAGLETS_HOME": str(home),
            },
            folder,
        )
        watch(f"{PROJECT_LABEL}={self.name}")

    def log(self, service: str) -> list[str]:
        told = self.run(f"docker compose logs --no-log-prefix {service}")
        return told.replace("\x1b[2K", "").splitlines()  # compose 2.26 erases lines, pipe or not

    def container(self, service: str) -> Container:
        """Return the container of a service."""
        wanted = [f"{PROJECT_LABEL}={self.name}", f"com.docker.compose.service={service}"]
        (found,) = engine().containers.list(filters={"label": wanted})
        return found

    def online(self, service: str) -> list[str]:
        """Return the names of the hosts that one sees online."""
        return [host["name"] for host in online_in(self.container(service))]

    def remove(self) -> None:
        self.run("docker compose --profile '*' down --volumes --timeout 3")
        sweep(f"{PROJECT_LABEL}={self.name}")
