"""docker/stack.yaml, deployed for real in a Swarm of this one machine."""

import json
import uuid

import pytest

from paglets.testing import wait_until
from tests.docker.shell import Shell, run_at_end

STACK_LABEL = "com.docker.stack.namespace"
"""Swarm labels what it makes for a stack."""
SERVICE_LABEL = "com.docker.swarm.service.name"
POOL = "172.29.0.0/16"
"""Where the networks of a Swarm made here come from: private, and none of the engine's own."""
TOUR = "paglets.examples.tour:Tour"


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

    def paglets(self, line: str, container=None) -> str:
        """Run a command of paglets in one of the containers."""
        container = container or self.containers()[0]
        code, told = container.exec_run(["paglets", *line.split()], demux=True)
        assert code == 0, f"{line}\n{told}"
        return (told[0] or b"").decode()

    def agents(self) -> list[dict]:
        """Return all paglets of the hosts."""
        found = json.loads(self.paglets("agent list --json"))
        return [agent for agent in found if agent["status"] != "moved"]

    def seen_by(self, agent_id: str) -> list[str]:
        """Return what a tour remembers."""
        told = json.loads(self.paglets(f"agent state {agent_id} --json"))
        return [sight["host"] for sight in told["sights"]]

    def online(self, container) -> list[dict]:
        found = json.loads(self.paglets("mesh hosts --online --json", container))
        return sorted(found, key=lambda host: host["name"])

    def wait_complete(self, names: list[str]) -> None:
        """Wait until every host is healthy and sees all."""

        def is_complete() -> bool:
            healthy = self.containers()
            return len(healthy) == len(names) and all(
                [host["name"] for host in self.online(each)] == names for each in healthy
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
    shown = stack.online(stack.containers()[0])
    assert [host["name"] for host in shown] == ["host-1", "host-2", "host-3"]
    # Each advertises its address in the network of the stack; it has another one besides.
    assert all(host["url"].startswith("http://172.29.") for host in shown)


def test_a_paglet_is_dispatched_from_one_to_another(stack):
    created = json.loads(stack.paglets(f"agent create {TOUR} --host host-1 --json"))
    stack.paglets(f"agent dispatch {created['agent_id']} host-3")
    (agent,) = stack.agents()
    assert (agent["host_name"], agent["status"]) == ("host-3", "active")
    assert stack.seen_by(created["agent_id"]) == ["host-1"]
    stack.paglets(f"agent dispose {created['agent_id']}")


def test_their_key_is_a_secret_that_only_they_read_and_they_have_no_rights(stack):
    container = stack.containers()[0]
    code, told = container.exec_run(
        ["sh", "-c", "stat -c '%u %a' /run/secrets/paglets_key; touch /x 2>/dev/null || echo read-only"]
    )
    assert code == 0
    assert told.decode().splitlines() == ["10001 400", "read-only"]
    _, status = container.exec_run(["cat", "/proc/1/status"])
    assert "CapEff:\t0000000000000000" in status.decode()
    assert "PAGLETS_KEY=" not in " ".join(container.attrs["Config"]["Env"])


def test_a_rolling_update_drains_one_host_after_the_other_and_loses_nothing(stack):
    created = {}
    for name in ("host-1", "host-2", "host-3"):
        told = stack.paglets(f"agent create {TOUR} --host {name} --json")
        created[json.loads(told)["agent_id"]] = name
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
    assert {tuple(host["tags"]) for host in stack.online(stack.containers()[0])} == {("updated",)}
    agents = {agent["agent_id"]: agent["status"] for agent in stack.agents()}
    assert agents == dict.fromkeys(created, "active")
    for agent_id, home in created.items():
        assert stack.seen_by(agent_id) == [home]
    told = stack.run(f"docker service logs {stack.service} 2>&1")
    assert "1 paglets moved on, 0 wait here for its next start" in told


def test_the_stack_alone_puts_a_host_on_each_machine_under_its_name(stacks, paglets_engine):
    stack = stacks("-c docker/stack.yaml")
    stack.wait_complete([paglets_engine.info()["Name"]])
