"""docker/kubernetes.yaml is valid, and its parts fit each other and the host's own options."""

import copy
from pathlib import Path

import click
import kubernetes_validate
import pytest
import yaml

from paglets.cli.drain import drain
from paglets.cli.host import host
from paglets.cli.root import root
from paglets.config.keys import parse_key
from paglets.model.errors import InvalidRequestError
from paglets.wire.routes import ROUTES, Pool

ROOT = Path(__file__).parents[2]
DOCUMENTS = list(yaml.safe_load_all((ROOT / "docker" / "kubernetes.yaml").read_text()))
KINDS = {each["kind"]: each for each in DOCUMENTS}
POD = KINDS["StatefulSet"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
VALUES = {each["name"]: each.get("value") for each in CONTAINER["env"]}
OLDEST = "1.29"
"""The first version we promise; later ones are checked at their newest."""


def test_the_manifest_has_what_a_mesh_needs():
    assert set(KINDS) == {"Secret", "Service", "PodDisruptionBudget", "StatefulSet"}
    assert len(DOCUMENTS) == len(KINDS)


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_document_keeps_to_the_schema(kind, version):
    kubernetes_validate.validate(KINDS[kind], version, strict=True)


def test_a_misspelt_field_would_be_found():
    wrong = copy.deepcopy(KINDS["StatefulSet"])
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(wrong, OLDEST, strict=True)


def test_service_budget_and_set_select_the_same_pods():
    pods = KINDS["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert KINDS["Service"]["spec"]["selector"] == pods
    for kind in ("PodDisruptionBudget", "StatefulSet"):
        assert KINDS[kind]["spec"]["selector"]["matchLabels"] == pods


def test_the_only_seed_is_the_headless_service():
    service = KINDS["Service"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert KINDS["StatefulSet"]["spec"]["serviceName"] == service["metadata"]["name"]
    (port,) = (each["port"] for each in service["spec"]["ports"])
    assert VALUES["PAGLETS_SEED"] == f"{service['metadata']['name']}:{port}"


def test_every_variable_is_one_of_the_host():
    known = {option.envvar for option in host.params}
    assert set(VALUES) <= known
    # Else a service of this name would set PAGLETS_PORT.
    assert POD["enableServiceLinks"] is False


def test_the_key_is_where_the_host_looks_for_it():
    (file,) = KINDS["Secret"]["stringData"]
    (mount,) = (each for each in CONTAINER["volumeMounts"] if each["name"] == "key")
    assert VALUES["PAGLETS_KEY_FILE"] == f"{mount['mountPath']}/{file}"
    (volume,) = (each["secret"] for each in POD["volumes"] if each["name"] == "key")
    assert volume["secretName"] == KINDS["Secret"]["metadata"]["name"]


def test_its_own_key_is_none_so_that_nobody_runs_with_it():
    (text,) = KINDS["Secret"]["stringData"].values()
    with pytest.raises(InvalidRequestError, match="no key"):
        parse_key(text)


def test_probes_ask_for_what_needs_no_key():
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = CONTAINER[probe]["httpGet"]
        assert asked["path"] in {route.path for route in ROUTES if route.pool is Pool.OPEN}


def test_a_pod_has_time_to_drain_and_then_to_stop():
    command = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    assert command[:3] == ["paglets", "host", "drain"]
    # As part of the whole command line: click keeps what it first makes of a command's --help.
    whole = click.Context(root, **root.context_settings)
    deadline = drain.make_context("drain", command[3:], parent=whole).params["deadline"]
    assert POD["terminationGracePeriodSeconds"] >= deadline + 10
