"""docker/kubernetes.yaml, its pods run as containers: what it says is enough, and none of it wrong.

No cluster is at hand. What a pod's spec means is little, though: variables, mounts, a user, a name
that stands for all pods, a probe, and a command before the stop.
"""

import uuid

import pytest
import yaml

from paglets.config.keys import new_key
from paglets.testing import wait_until
from paglets.testing.reaper import labels, sweep
from tests.docker.inside import agents_in, created_in, online_in, paglets_in, places_of
from tests.docker.shell import ROOT

NAMES = ["paglets-0", "paglets-1", "paglets-2"]
ASK = "import sys, urllib.request as r; sys.exit(r.urlopen(sys.argv[1], timeout=2).status != 200)"


class Cluster:
    """The pods of the StatefulSet.

    Args:
        engine: The docker SDK's client.
        image: What they run.
    """

    def __init__(self, engine, image: str) -> None:
        documents = yaml.safe_load_all((ROOT / "docker" / "kubernetes.yaml").read_text())
        self.kinds = {each["kind"]: each for each in documents}
        self.pod = self.kinds["StatefulSet"]["spec"]["template"]["spec"]
        (self.container,) = self.pod["containers"]
        self.name = f"paglets-test-{uuid.uuid4().hex[:8]}"
        self._label = "org.paglets.testing.cluster"
        self._labels = {**labels(), self._label: self.name}
        self._engine = engine
        self._image = image
        self._network = engine.networks.create(self.name, labels=self._labels)
        self._volume("key")
        self._make_secret()
        self.pods = {name: self._start(name) for name in NAMES}

    def _volume(self, name: str) -> str:
        return self._engine.volumes.create(f"{self.name}-{name}", labels=self._labels).name

    def _make_secret(self) -> None:
        """Write the key as the kubelet does: root's, readable by the pod's group."""
        (file,) = self.kinds["Secret"]["stringData"]
        (secret,) = (each["secret"] for each in self.pod["volumes"] if "secret" in each)
        group, mode = self.pod["securityContext"]["fsGroup"], f"{secret['defaultMode']:o}"
        self._engine.containers.run(
            self._image,
            ["-c", f"echo {new_key().text()} >/k/{file}; chown 0:{group} /k/*; chmod {mode} /k/*"],
            entrypoint="sh",
            user="0",
            volumes={f"{self.name}-key": {"bind": "/k", "mode": "rw"}},
            labels=self._labels,
            remove=True,
        )

    def _start(self, name: str):
        known = {"metadata.name": name}
        context, rights = self.pod["securityContext"], self.container["securityContext"]
        mounts = {each["name"]: each for each in self.container["volumeMounts"]}
        service = self.kinds["Service"]["metadata"]["name"]
        return self._engine.containers.run(
            self._image,
            environment={
                each["name"]: each.get("value") or known[each["valueFrom"]["fieldRef"]["fieldPath"]]
                for each in self.container["env"]
            },
            user=f"{context['runAsUser']}:{context['runAsGroup']}",
            group_add=[str(context["fsGroup"])],
            read_only=rights["readOnlyRootFilesystem"],
            cap_drop=rights["capabilities"]["drop"],
            security_opt=[] if rights["allowPrivilegeEscalation"] else ["no-new-privileges"],
            volumes={
                self._volume(name): {"bind": mounts["data"]["mountPath"], "mode": "rw"},
                f"{self.name}-key": {"bind": mounts["key"]["mountPath"], "mode": "ro"},
            },
            tmpfs={mounts["tmp"]["mountPath"]: ""},
            hostname=name,
            network=self.name,
            networking_config={
                self.name: self._engine.api.create_endpoint_config(aliases=[service])
            },
            healthcheck={"test": ["NONE"]},
            labels=self._labels,
            detach=True,
        )

    def passes(self, name: str, probe: str) -> bool:
        """Whether a probe succeeds, asked at the pod's address as a kubelet does."""
        pod = self.pods[name]
        pod.reload()
        address = pod.attrs["NetworkSettings"]["Networks"][self.name]["IPAddress"]
        get = self.container[probe]["httpGet"]
        ports = {each["name"]: each["containerPort"] for each in self.container["ports"]}
        url = f"http://{address}:{ports[get['port']]}{get['path']}"
        return pod.exec_run(["python", "-c", ASK, url]).exit_code == 0

    def delete(self, name: str) -> int:
        """Stop a pod as Kubernetes does; return the exit code of the command before the stop."""
        pod = self.pods[name]
        before = pod.exec_run(self.container["lifecycle"]["preStop"]["exec"]["command"])
        pod.stop(timeout=self.pod["terminationGracePeriodSeconds"])
        assert pod.wait()["StatusCode"] == 0
        return before.exit_code

    def remove(self) -> None:
        sweep(f"{self._label}={self.name}")


@pytest.fixture(scope="module")
def cluster(paglets_engine, paglets_image):
    cluster = Cluster(paglets_engine, paglets_image)
    yield cluster
    cluster.remove()


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_every_pod_passes_its_probes(cluster, probe):
    for name in NAMES:
        wait_until(
            lambda name=name: cluster.passes(name, probe),
            timeout=30,
            what=f"{name} passes its {probe}",
            interval=0.2,
            story=lambda name=name: cluster.pods[name].logs().decode(),
        )


def test_the_pods_find_each_other_by_the_headless_service(cluster):
    for pod in cluster.pods.values():
        wait_until(
            lambda pod=pod: [host["name"] for host in online_in(pod)] == NAMES,
            timeout=30,
            what="all pods see each other",
            interval=0.3,
            story=lambda pod=pod: pod.logs().decode(),
        )


def test_a_pod_that_goes_hands_its_paglets_on_first(cluster):
    witness = cluster.pods["paglets-0"]
    tour = created_in(witness, "paglets-1")
    assert agents_in(witness)[tour]["host_name"] == "paglets-1"
    assert cluster.delete("paglets-1") == 0
    agent = agents_in(witness)[tour]
    assert agent["status"] == "active"
    assert agent["host_name"] in {"paglets-0", "paglets-2"}
    assert places_of(witness, tour) == ["paglets-1"]
    paglets_in(witness, f"agent dispose {tour}")
