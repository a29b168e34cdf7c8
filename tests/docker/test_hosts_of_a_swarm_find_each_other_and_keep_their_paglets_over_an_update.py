"""docker/stack.yaml, deployed for real in a Swarm of this one machine."""

import uuid

import pytest

from paglets.testing import wait_until
from tests.docker.inside import agents_in, created_in, online_in, paglets_in, places_of
from tests.docker.shell import Shell, run_at_end

STACK_LABEL = "com.docker.stack.namespace"
"""Swarm labels what it makes for a stack."""
SERVICE_LABEL = "com.docker.swarm.service.name"
POOL = "172.29.0.0/16"
"""Where the networks of a Swarm made here come from: private, and none of the engine's own."""


_REMOVE = """
docker stack rm {name}
docker secret rm {name}
while docker ps -aq --filter label={stack}={name} | grep -q .; do sleep 0.2; done
docker volume ls -q --filter label={stack}={name} | xargs -r docker volume rm
"""


class Stack(Shell):
    """A stack that the test deploys and removes.

    Args:
        engine: The docker SDK's client.
        image: What the hosts run.
        files: The stack files, as options of `docker stack deploy`.
    """

    def __init__(self, engine, image: str, files: str) -> None:
        self.name = f"paglets-test-{uuid.uuid4().hex[:8]}"
        self.service = f"{self.name}_host"
        self.files = files
        self._engine = engine
        super().__init__({"PAGLETS_IMAGE": image, "PAGLETS_SECRET": self.name})

    def deploy(self) -> None:
        # What removes it is started first: it acts too when this run is killed.
        self._end = run_at_end(_REMOVE.format(name=self.name, stack=STACK_LABEL))
        self.run(f"openssl rand -hex 32 | docker secret create {self.name} -")
        self.run(f"docker stack deploy --resolve-image never {self.files} {self.name}")

    def remove(self) -> None:
        self._end.communicate(timeout=120)
        assert self._end.returncode == 0
        assert self.containers(everything=True) == []

    def containers(self, *, everything: bool = False) -> list:
        wanted = {"label": f"{SERVICE_LABEL}={self.service}"}
        if not everything:
            wanted["health"] = "healthy"
        return self._engine.containers.list(all=everything, filters=wanted, ignore_removed=True)

    def any(self):
        """Return one of the containers, to ask in."""
        return self.containers()[0]

    def wait_complete(self, names: list[str]) -> None:
        """Wait until every host is healthy and sees all."""

        def is_complete() -> bool:
            healthy = self.containers()
            return len(healthy) == len(names) and all(
                [host["name"] for host in online_in(each)] == names for each in healthy
            )

        wait_until(
            is_complete,
            timeout=90,
            what=f"{', '.join(names)} see each other",
            interval=0.5,
            story=lambda: self.outcome(f"docker service logs {self.service}").stdout,
        )


@pytest.fixture(scope="module")
def swarm(paglets_engine):
    """The engine as the only node of a Swarm, for as long as this file runs."""
    if paglets_engine.info()["Swarm"]["LocalNodeState"] != "inactive":
        yield paglets_engine
        return
    end = run_at_end("docker swarm leave --force")
    address = {"advertise_addr": "127.0.0.1", "listen_addr": "127.0.0.1:2377"}
    paglets_engine.swarm.init(**address, default_addr_pool=[POOL])
    yield paglets_engine
    end.communicate(timeout=60)
    assert paglets_engine.info()["Swarm"]["LocalNodeState"] == "inactive"


@pytest.fixture(scope="module")
def stacks(swarm, paglets_image):
    """Deploys stacks, which are removed at the end."""
    deployed: list[Stack] = []

    def deploy(files: str) -> Stack:
        stack = Stack(swarm, paglets_image, files)
        deployed.append(stack)
        stack.deploy()
        return stack

    yield deploy
    for stack in deployed:
        stack.remove()


@pytest.fixture(scope="module")
def stack(stacks):
    stack = stacks("-c docker/stack.yaml -c docker/stack-trial.yaml")
    stack.wait_complete(["host-1", "host-2", "host-3"])
    return stack


def test_they_find_each_other_by_the_name_of_their_tasks(stack):
    shown = online_in(stack.any())
    assert [host["name"] for host in shown] == ["host-1", "host-2", "host-3"]
    # Each advertises its address in the network of the stack; it has another one besides, which it
    # may have had to guess before the first name of a seed was known.
    wait_until(
        lambda: all(host["url"].startswith("http://172.29.") for host in online_in(stack.any())),
        timeout=30,
        what="every host advertises its address in the network of the stack",
        story=lambda: str(online_in(stack.any())),
    )


def test_a_paglet_is_dispatched_from_one_to_another(stack):
    tour = created_in(stack.any(), "host-1")
    paglets_in(stack.any(), f"agent dispatch {tour} host-3")
    agent = agents_in(stack.any())[tour]
    assert (agent["host_name"], agent["status"]) == ("host-3", "active")
    assert places_of(stack.any(), tour) == ["host-1"]
    paglets_in(stack.any(), f"agent dispose {tour}")


def test_their_key_is_a_secret_that_only_they_read_and_they_have_no_rights(stack):
    container = stack.any()
    code, told = container.exec_run(
        [
            "sh",
            "-c",
            "stat -c '%u %a' /run/secrets/paglets_key; touch /x 2>/dev/null || echo read-only",
        ]
    )
    assert code == 0
    assert told.decode().splitlines() == ["10001 400", "read-only"]
    _, status = container.exec_run(["cat", "/proc/1/status"])
    assert "CapEff:\t0000000000000000" in status.decode()
    assert "PAGLETS_KEY=" not in " ".join(container.attrs["Config"]["Env"])


def test_a_rolling_update_drains_one_host_after_the_other_and_loses_nothing(stack):
    homes = ("host-1", "host-2", "host-3")
    created = {created_in(stack.any(), name): name for name in homes}
    before = {container.id for container in stack.containers()}

    options = "--no-resolve-image --detach --env-add PAGLETS_TAG=updated"
    stack.run(f"docker service update {options} {stack.service}")

    def is_replaced() -> bool:
        now = {container.id for container in stack.containers()}
        return len(now) == len(before) and not now & before

    wait_until(
        is_replaced,
        timeout=120,
        what="every host is replaced",
        interval=0.5,
        story=lambda: stack.outcome(f"docker service ps --no-trunc {stack.service}").stdout,
    )
    stack.wait_complete(["host-1", "host-2", "host-3"])
    assert {tuple(host["tags"]) for host in online_in(stack.any())} == {("updated",)}
    agents = agents_in(stack.any())
    # Beside them each host has residents of its own.
    assert {agent_id: agents[agent_id]["status"] for agent_id in created} == dict.fromkeys(
        created, "active"
    )
    for agent_id, home in created.items():
        assert places_of(stack.any(), agent_id) == [home]
    told = stack.run(f"docker service logs {stack.service} 2>&1")
    assert "1 paglets moved on, 0 wait here for its next start" in told


def test_the_stack_alone_puts_a_host_on_each_machine_under_its_name(stacks, paglets_engine):
    stack = stacks("-c docker/stack.yaml")
    stack.wait_complete([paglets_engine.info()["Name"]])
