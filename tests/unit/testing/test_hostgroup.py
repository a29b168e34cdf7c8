"""What meshes of real hosts and of containers have in common, played without hosts."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from paglets.config.settings import HostSettings
from paglets.model.errors import DeadlineError, LaunchConfigError
from paglets.testing.hostgroup import HostGroup, folders_of, host_names, settled


@dataclass
class PlayedHost:
    name: str
    client: str = ""
    done: list[str] = field(default_factory=list)

    def kill(self):
        self.done.append("kill")

    def stop(self):
        self.done.append("stop")
        return 3

    def pause(self):
        self.done.append("pause")


class PlayedGroup(HostGroup[PlayedHost]):
    def __init__(self, *, fails_in=""):
        super().__init__()
        self.fails_in = fails_in
        self.closed = 0

    def _start_hosts(self):
        self._reach("start")
        self.hosts = [PlayedHost(name, client=f"to {name}") for name in host_names(2)]

    def wait_converged(self, timeout=30.0):
        self._reach("converge")

    def close(self):
        self.closed += 1

    def _reach(self, step):
        if step == self.fails_in:
            raise DeadlineError(step)


def test_its_hosts_are_there_within_the_block_and_ended_after_it():
    with PlayedGroup() as group:
        assert [host.name for host in group] == ["alpha", "beta"]
        assert group.closed == 0
    assert group.closed == 1


@pytest.mark.parametrize("step", ["start", "converge"])
def test_what_fails_to_start_is_ended_before_the_error_is_told(step):
    group = PlayedGroup(fails_in=step)
    with pytest.raises(DeadlineError, match=step), group:
        pytest.fail("the block is not entered")
    assert group.closed == 1


def test_what_fails_in_the_block_is_told_and_the_hosts_are_ended():
    group = PlayedGroup()
    with pytest.raises(ZeroDivisionError), group:
        _ = 1 / 0
    assert group.closed == 1


def test_a_host_is_found_by_its_name_and_an_unknown_name_lists_those_there_are():
    with PlayedGroup() as group:
        assert group["beta"] is group.hosts[1]
        with pytest.raises(KeyError, match="no host 'gamma'; there are alpha, beta"):
            group["gamma"]


def test_a_client_talks_to_the_first_host_unless_another_is_named():
    with PlayedGroup() as group:
        assert (group.client(), group.client("beta")) == ("to alpha", "to beta")


def test_what_is_done_to_a_host_is_done_to_that_one_alone():
    with PlayedGroup() as group:
        group.pause("beta")
        group.kill("beta")
        assert group.stop("beta") == 3
        assert [host.done for host in group] == [[], ["pause", "kill", "stop"]]


@pytest.mark.parametrize(
    ("count", "last"), [(0, []), (1, ["alpha"]), (8, ["theta"]), (9, ["host-9"]), (12, ["host-12"])]
)
def test_hosts_are_greek_letters_while_there_are_some_then_numbers(count, last):
    names = host_names(count)
    assert (len(set(names)), names[-1:]) == (count, last)


@pytest.mark.parametrize("given", ["a", Path("a"), ["a"], (Path("a"),)])
def test_one_folder_of_code_needs_no_list(given):
    assert folders_of(given) == (Path("a"),)


def test_several_folders_of_code_keep_their_order_and_none_is_none():
    assert folders_of(["b", Path("a")]) == (Path("b"), Path("a"))
    assert folders_of(()) == ()


COMMON = HostSettings(name="", data=Path("data"), seeds=("http://alpha:8765",))


def test_fields_win_over_launch_tomls_and_those_over_what_was_there():
    launch = '[mesh]\nseeds = ["http://beta:8765"]\n[host]\nport = 9001'
    made = settled(COMMON, [None, launch], {"port": 9002})
    assert (made.seeds, made.port) == (("http://beta:8765",), 9002)


def test_the_later_launch_toml_wins_where_both_speak():
    made = settled(COMMON, ["[host]\nport = 9001", "[host]\nport = 9002"], {})
    assert made.port == 9002


def test_a_launch_toml_that_says_what_cannot_be_is_refused():
    with pytest.raises(LaunchConfigError):
        settled(COMMON, ["[host]\nport = 'x'"], {})


def test_a_field_that_there_is_not_is_refused():
    with pytest.raises(TypeError, match="seedz"):
        settled(COMMON, [], {"seedz": ()})
