from dataclasses import dataclass, field

import pytest

from paglets import (
    DeactivationPolicy,
    Message,
    MobilityEvent,
    Paglet,
    PagletInactiveError,
    PagletProxyRef,
    StateError,
    TransferError,
    handles,
)
from paglets.testing.harness import PagletHarness, Sent


@dataclass
class TourState:
    visits: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)


class Tour(Paglet[TourState]):
    def on_creation(self, event: object) -> None:
        self.state.hooks.append("creation")
        self.transient = 1

    def on_dispatching(self, event: MobilityEvent) -> None:
        self.state.hooks.append("dispatching")

    def on_arrival(self, event: MobilityEvent) -> None:
        self.state.hooks.append("arrival")
        self.state.visits.append(event.target_host_name)

    def on_deactivating(self, event: object) -> None:
        self.state.hooks.append("deactivating")

    def on_activation(self, event: object) -> None:
        self.state.hooks.append("activation")

    @handles("go")
    def go(self, to: str) -> None:
        self.dispatch(to)

    @handles("visits")
    def visits(self) -> list[str]:
        return list(self.state.visits)

    @handles("break")
    def break_state(self) -> None:
        self.state.visits.append(3)  # type: ignore[arg-type]

    @handles("ask")
    def ask(self) -> object:
        return self.send(PagletProxyRef("http://beta:8765", "other"), Message("n", {"x": 1}))

    @handles("sleep")
    def nap(self) -> None:
        self.deactivate(DeactivationPolicy.after(60))

    @handles("copy")
    def copy(self) -> str:
        return self.clone("gamma").agent_id


def test_a_paglet_is_created_with_its_state_and_answers() -> None:
    with PagletHarness(Tour, TourState(visits=["home"])) as tour:
        assert tour.send("visits") == ["home"]
        assert tour.paglet.state.hooks == ["creation"]


def test_a_move_takes_the_state_through_the_codec_and_leaves_transient_attributes() -> None:
    with PagletHarness(Tour) as tour:
        first = tour.paglet
        tour.arrive("beta")
        assert tour.paglet is not first
        assert not hasattr(tour.paglet, "transient")
        assert tour.paglet.state == TourState(["beta"], ["creation", "dispatching", "arrival"])
        assert tour.paglet.state is not first.state


def test_its_own_dispatch_is_carried_out_and_recorded() -> None:
    with PagletHarness(Tour) as tour:
        tour.send("go", to="gamma")
        assert (tour.moves, tour.host_name, tour.send("visits")) == (["gamma"], "gamma", ["gamma"])


def test_a_dispatch_to_an_unknown_host_is_refused_in_place() -> None:
    with PagletHarness(Tour) as tour:
        with pytest.raises(TransferError, match="nowhere"):
            tour.send("go", to="nowhere")
        assert tour.send("visits") == []


def test_asleep_it_takes_no_messages_and_wakes_with_its_state() -> None:
    with PagletHarness(Tour) as tour:
        tour.send("sleep")
        with pytest.raises(PagletInactiveError):
            tour.send("visits")
        tour.activate()
        assert tour.paglet.state.hooks == ["creation", "deactivating", "activation"]


def test_what_it_sends_is_recorded_and_answered_by_the_test() -> None:
    with PagletHarness(Tour, replies=lambda sent: {"got": sent.args["x"]}) as tour:
        assert tour.send("ask") == {"got": 1}
        assert [(sent.to.agent_id, sent.kind) for sent in tour.sent] == [("other", "n")]
        assert isinstance(tour.sent[0], Sent)


def test_a_state_that_cannot_travel_fails_the_move_and_the_paglet_goes_on() -> None:
    with PagletHarness(Tour) as tour:
        tour.send("break")
        with pytest.raises(StateError, match="visits"):
            tour.arrive("beta")
        assert tour.host_name == "alpha"
        assert tour.send("visits") == [3]


def test_a_clone_is_recorded_and_the_original_goes_on() -> None:
    with PagletHarness(Tour) as tour:
        assert isinstance(tour.send("copy"), str)
        assert tour.clones == ["gamma"]


def test_disposed_it_is_gone() -> None:
    with PagletHarness(Tour) as tour:
        tour.dispose()
        assert tour.is_disposed
        assert not tour.is_active
