"""`GET /metrics`: the figures of a host in Prometheus' text form. Needs the `metrics` extra."""

from collections.abc import Iterator, Mapping

from paglets.host.http.asked import ApiAnswer
from paglets.host.http.tally import Tally
from paglets.model.errors import UnavailableError
from paglets.wire.failures import error_body
from paglets.wire.hostbodies import HealthBody

_LEVELS = {"awareness": "Own health of this host's mesh; 0 is healthy."}
"""What goes up and down; all else only grows."""

try:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.exposition import CONTENT_TYPE_LATEST
    from prometheus_client.registry import Collector
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

    class _Figures(Collector):
        """Makes the families at each scrape from what the host counts anyway."""

        def __init__(self, health: HealthBody, tally: Tally, mesh: Mapping[str, int]) -> None:
            self._health = health
            self._tally = tally
            self._mesh = mesh

        def collect(self) -> Iterator[Metric]:
            """Yield every family; called by `generate_latest`."""
            health = self._health
            agents = GaugeMetricFamily("paglets_agents", "Paglets by status.", labels=["status"])
            for state in ("active", "inactive", "in_doubt", "crashed"):
                agents.add_metric([state], getattr(health, state))
            yield agents
            yield GaugeMetricFamily(
                "paglets_agents_limit",
                "Active paglets this host has room for.",
                health.paglet_limit,
            )
            yield GaugeMetricFamily(
                "paglets_start_time_seconds", "Unix time of the start.", health.started_at
            )
            yield GaugeMetricFamily("paglets_boots", "Starts of this host.", health.boots)
            answers = CounterMetricFamily(
                "paglets_http_answers", "Answers by route and status.", labels=["route", "status"]
            )
            for (route, status), count in sorted(self._tally.answers.items()):
                answers.add_metric([route, str(status)], count)
            yield answers
            for name, count in self._mesh.items():
                if name in _LEVELS:
                    yield GaugeMetricFamily(f"paglets_mesh_{name}", _LEVELS[name], count)
                else:
                    text = f"{name.replace('_', ' ').capitalize()} of this host's mesh."
                    yield CounterMetricFamily(f"paglets_mesh_{name}", text, count)


def exposition(health: HealthBody, tally: Tally, mesh: Mapping[str, int]) -> ApiAnswer:
    """Return the figures as an answer; 501 naming the extra where it is not installed."""
    if not AVAILABLE:
        error = UnavailableError('metrics need an extra: pip install "paglets-mesh[metrics]"')
        return ApiAnswer(501, error_body(error))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(health, tally, mesh))
    return ApiAnswer(body=generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
