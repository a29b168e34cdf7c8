"""Measure what an idle host costs in a mesh of real hosts: processor time and traffic.

    python benchmarks/mesh_idle.py [--hosts 16] [--seconds 30] [--preset lan] [--builtins] [--json]

All hosts run on this machine, in a network namespace of their own where the kernel allows one, so
that the counters of its loopback hold their traffic and nothing else: every byte with its headers,
acknowledgements too. Two moments 30 s apart are compared, after the mesh has come to rest; nothing
is asked of a host in between. With `--builtins` each host runs what the bundled launch.toml
declares: what residents tell of their hosts rides on the same messages.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from paglets.testing.localmesh import LocalMesh

CPU_TARGET = 1.0
"""Percent of a core."""
LOAD_TARGET = 4.0
"""kbit/s that one host sends."""
FRAME_BYTES = 20 + 32
"""Of IP and TCP with time stamps, in each packet; loopback counts no more."""
REST = 12.0
"""Seconds after the start until news of it is told often enough."""
BUILTINS_REST = 60.0
"""The same where residents start, whose lazy ones fall asleep after 30 s."""
REST_LOAD = 0.2
"""Load for each CPU below which the machine is at rest: what is above it is told of, as its changes
are on busy hosts. The start of the hosts alone takes minutes to fade from it."""
REST_MOST = 180.0
"""Most seconds to wait for that."""
INSIDE = "PAGLETS_MESH_IDLE_INSIDE"


@dataclass(frozen=True, slots=True)
class Moment:
    """Counters of all hosts at one time."""

    time: float
    cpu: tuple[float, ...]
    """Seconds of processor time by host, with its forkserver."""
    switches: tuple[int, ...]
    """Times each host's own process was woken."""
    sent_bytes: int
    packets: int


def moment(mesh: LocalMesh) -> Moment:
    """Read the counters."""
    hosts = [psutil.Process(host.pid) for host in mesh]
    families = [[host, *host.children(recursive=True)] for host in hosts]
    counters = psutil.net_io_counters(pernic=True)["lo"]
    return Moment(
        time.monotonic(),
        tuple(sum(_seconds(each) for each in family) for family in families),
        tuple(host.num_ctx_switches().voluntary for host in hosts),
        counters.bytes_sent,
        counters.packets_sent,
    )


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(
    hosts: int, seconds: float, preset: str, rest: float, *, builtins: bool
) -> dict[str, float]:
    """Run a mesh at rest and return what one host of it costs."""
    with LocalMesh(hosts, preset=preset, builtins=builtins) as mesh:
        _come_to_rest(rest)
        load = _load()
        before = moment(mesh)
        time.sleep(seconds)
        after = moment(mesh)
    length = after.time - before.time
    cpu = [100 * (b - a) / length for a, b in zip(before.cpu, after.cpu, strict=True)]
    wakes = [(b - a) / length for a, b in zip(before.switches, after.switches, strict=True)]
    packets = (after.packets - before.packets) / length / hosts
    sent = (after.sent_bytes - before.sent_bytes) / length / hosts
    return {
        "cpu": sum(cpu) / hosts,
        "cpu_least": min(cpu),
        "cpu_most": max(cpu),
        "http": (sent - packets * FRAME_BYTES) * 8 / 1000,
        "all": sent * 8 / 1000,
        "packets": packets,
        "wakes": sum(wakes) / hosts,
        "load_least": min(load, _load()),
        "load_most": max(load, _load()),
    }


def _come_to_rest(least: float) -> None:
    """Wait until news of the start is told, and the machine's load has forgotten it."""
    time.sleep(least)
    end = time.monotonic() + REST_MOST - least
    while _load() > REST_LOAD and time.monotonic() < end:
        time.sleep(1.0)


def _load() -> float:
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def _in_own_network() -> None:
    """Start this program again in a network namespace of its own, where that is allowed."""
    unshare, ip = shutil.which("unshare"), shutil.which("ip")
    if os.environ.get(INSIDE) or unshare is None or ip is None:
        return
    flags = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    up = [unshare, *flags, "sh", "-c", f"{ip} link set lo up"]
    if subprocess.run(up, check=False, stderr=subprocess.DEVNULL).returncode != 0:
        told = "no network namespace here: other traffic on loopback is counted too"
        print(told, file=sys.stderr)
        return
    command = f'{ip} link set lo up && exec "$0" "$@"'
    program = [sys.executable, str(Path(__file__).resolve()), *sys.argv[1:]]
    arguments = [unshare, *flags, "sh", "-c", command, *program]
    os.execve(unshare, arguments, {**os.environ, INSIDE: "1"})


def main() -> int:
    """Measure and print a table; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rest", type=float, help="least seconds before it")
    parser.add_argument("--builtins", action="store_true", help="with the built-in residents")
    parser.add_argument("--preset", default="lan", choices=["local", "lan", "wan"])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON alone")
    options = parser.parse_args()
    _in_own_network()
    rest = options.rest or (BUILTINS_REST if options.builtins else REST)
    found = measure(options.hosts, options.seconds, options.preset, rest, builtins=options.builtins)
    if options.json:
        print(json.dumps(found))
        return 0
    running = ", built-ins running" if options.builtins else ""
    where = f"{options.hosts} idle hosts{running}, preset {options.preset}"
    print(f"{where}, {options.seconds:g} s, per host:")
    print(f"  processor    {found['cpu']:.2f} % of a core (target {CPU_TARGET:g}), "
          f"the busiest {found['cpu_most']:.2f} %")  # fmt: skip
    print(f"  traffic      {found['http']:.2f} kbit/s sent with HTTP headers (target "
          f"{LOAD_TARGET:g}), {found['all']:.2f} with those of TCP and IP, in "
          f"{found['packets']:.1f} packets/s")  # fmt: skip
    print(f"  wake-ups     {found['wakes']:.1f} per second")
    print(f"  machine      load {found['load_least']:.2f} to {found['load_most']:.2f} for each CPU")
    return 0 if found["cpu"] <= CPU_TARGET and found["http"] <= LOAD_TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
