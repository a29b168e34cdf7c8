"""Which host a job goes to, and how long it pauses when there is none. Pure.

Not here: asking the hosts and going there (`steps.py`).
"""

import hashlib
from collections.abc import Sequence

from paglets.system.compute_slots.contract import Offer
from paglets.system.compute_slots.needs import Needs

ASKED = 8
"""Hosts asked for an offer at a time: some of many find nearly as good a one as all."""
FIRST_PAUSE = 2.0
"""Seconds before a job that found no host looks again; doubled each time."""
LONGEST_PAUSE = 300.0
QUEUE_PAUSE = 60.0
"""Seconds after which a job in a queue looks whether it is still in it, and for a host that is
free; doubled each time. It is woken at once when its turn comes."""
LONGEST_QUEUE_PAUSE = 900.0


def in_order(offers: Sequence[Offer], job_id: str, *, last: str = "") -> list[Offer]:
    """Return the offers of hosts that can run a job, best first.

    First those that can begin now, then those with the least waiting for each core. Equal ones are
    in another order for each job, so that many jobs at once do not all go to one host.

    Args:
        offers: What the hosts said.
        job_id: Of the job.
        last: Host to try only when no other is left.
    """
    return sorted(
        (offer for offer in offers if not offer.is_final),
        key=lambda offer: (
            offer.host_name == last,
            bool(offer.blockers),
            round(offer.cores_waiting / max(offer.cores, 0.01), 1),
            _shuffled(offer.host_name, job_id),
        ),
    )


def free_elsewhere(offers: Sequence[Offer], here: str, needs: Needs, job_id: str) -> list[Offer]:
    """Return the hosts that would run a job at once which waits `here`, best first."""
    return [
        offer
        for offer in in_order(offers, job_id)
        if offer.host_name != here
        and not offer.blockers
        and offer.cores_waiting + needs.cores <= offer.cores
    ]


def sample(hosts: Sequence[str], job_id: str, count: int = ASKED) -> list[str]:
    """Return at most `count` of the hosts, others for each job."""
    return sorted(hosts, key=lambda host: _shuffled(host, job_id))[:count]


def pause(times: int, *, in_queue: bool = False) -> float:
    """Return the seconds of a pause after so many in a row."""
    first, longest = (
        (QUEUE_PAUSE, LONGEST_QUEUE_PAUSE) if in_queue else (FIRST_PAUSE, LONGEST_PAUSE)
    )
    return float(min(first * 2 ** min(times, 16), longest))


def _shuffled(host: str, job_id: str) -> bytes:
    return hashlib.sha256(f"{host} {job_id}".encode()).digest()
