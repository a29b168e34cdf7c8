"""What a paglet publishes to the mesh, and what it reads of others."""

from dataclasses import dataclass

import pytest

from paglets import Paglet, PublishedRecord, handles
from paglets.testing.harness import PagletHarness


@dataclass(frozen=True)
class Queue:
    length: int
    names: tuple[str, ...] = ()


class Publisher(Paglet[None]):
    @handles("publish")
    def publish(self, value: object) -> None:
        self.context.mesh.publish("queue", value)

    @handles("typed")
    def publish_typed(self, length: int) -> None:
        self.context.mesh.publish("queue", Queue(length, ("a",)))

    @handles("withdraw")
    def withdraw(self) -> None:
        self.context.mesh.withdraw("queue")

    @handles("read")
    def read(self) -> list[object]:
        return [
            [each.host_name, each.agent_id, each.value.length, each.age]
            for each in self.context.mesh.records("queue", Queue)
        ]

    @handles("plain")
    def read_plain(self) -> list[object]:
        return [each.value for each in self.context.mesh.records("queue")]


@pytest.fixture
def publisher():
    with PagletHarness(Publisher) as harness:
        yield harness


def test_what_is_published_is_known_under_its_kind_until_it_is_withdrawn(publisher):
    publisher.send("typed", length=3)
    assert publisher.mesh.published("queue") == {"length": 3, "names": ["a"]}
    publisher.send("withdraw")
    assert publisher.mesh.published("queue") is None
    publisher.send("withdraw")


def test_records_of_others_are_read_as_their_type_with_their_age(publisher):
    publisher.mesh.publish("queue", {"length": 7}, host="beta", agent_id="q", age=12.5)
    publisher.mesh.publish("other", {"length": 8}, host="beta", agent_id="q")
    publisher.send("typed", length=1)
    assert sorted(publisher.send("read")) == [
        ["alpha", publisher.agent_id, 1, 0.0], ["beta", "q", 7, 12.5],
    ]  # fmt: skip


def test_values_of_another_shape_are_left_out(publisher):
    publisher.mesh.publish("queue", {"size": 1}, host="beta", agent_id="q")
    publisher.mesh.publish("queue", [1], host="gamma", agent_id="q")
    assert publisher.send("read") == []
    assert publisher.send("plain") == [{"size": 1}, [1]]


def test_a_record_says_whose_it_is():
    record = PublishedRecord("beta", "id", "http://b:1", "q", 5, 1.0)
    assert record.value == 5
