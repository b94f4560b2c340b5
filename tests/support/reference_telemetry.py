"""The pages docs/reference/metrics.md and logs.md, written from the tables of telemetry."""

from baremetal_lb.telemetry.definitions import Process
from baremetal_lb.telemetry.event_table import TABLE as EVENTS
from baremetal_lb.telemetry.metric_table import TABLE
from tests.support.log_events import written
from tests.support.reference_markdown import NOTE, cell, table

METRICS = """# Metrics

Controller and speaker serve them on `/metrics` (`--metrics-port`: 9120 and 9121), in the formats of Prometheus and OpenMetrics.
All names begin with `baremetal_lb_`, or `metallb_` with `--identity metallb`; a name that is another one under that identity, so
that existing dashboards and alerts find it, stands below the tables. Beside these there are the usual `process_` and `python_` ones.

Values of a label `reason` are those of [reasons](reasons.md). A series goes when its pool, peer, Service or IP does. Engine and
BFD have no port of their own: the speaker of their node tells what they do. What to alert on: [monitoring](../how-to/monitoring.md)."""
OTHER_NAMES = """
Under that identity a BGP peer is named by `address:port`, otherwise by its BGPPeer. Layer 2 is counted by `protocol` (`arp`, `ndp`)
and not by IP. MetalLB's counts of BGP messages (`bgp_updates_total` and the like), and those of FRR, are not there."""
SECTIONS: dict[str, tuple[Process, ...]] = {
    "Controller": (Process.CONTROLLER,),
    "Speaker": (Process.SPEAKER,),
    "Both": (Process.CONTROLLER, Process.SPEAKER),
}


def metrics_page() -> str:
    """Return the reference of the metrics of all processes."""
    lines = [NOTE, METRICS]
    for title, processes in SECTIONS.items():
        rows = [
            (f"`{one.name}`", one.type.value, ", ".join(f"`{label}`" for label in one.labels), cell(one.help))
            for one in TABLE
            if one.processes == processes
        ]
        lines += ["", f"## {title}", "", *table(("name", "type", "labels", ""), rows)]
    others = [(f"`{one.name}`", f"`{one.metallb_name}`") for one in TABLE if one.metallb_name]
    lines += ["", "## Names under the identity `metallb`", "", *table(("name", "under `--identity metallb`"), others), OTHER_NAMES]
    return "\n".join(lines) + "\n"


LOGS = """# Logs

One line for each change or failure; nothing per packet, and nothing while nothing changes. `--log-format json` (the default) writes one
JSON object per line, `console` the same for people; `--log-level` is `info` by default.

    {"event": "address_announced", "level": "info", "timestamp": "2026-01-31T12:00:00.000000Z", "component": "speaker", "node": "node1",
     "ip": "203.0.113.10", "services": ["default/web"], "interfaces": null}

Names of events are constant: search and alert by `event`. Every line has `event`, `level`, `timestamp` and `component`, those of a
speaker `node` too; the keys below come besides. `reason` is one of [reasons](reasons.md). Passwords and tokens are never written.
Lines that strangers cause, by frames, packets or requests, are limited in rate: `suppressed` says how many were left out before."""
LOG_SECTIONS = ("Controller", "Speaker", "Controller and speaker", "Engine (`bmlb exabgp`)", "BFD (`bmlb bfd`)", "Several", "Lab")
_WRITERS: dict[tuple[Process, ...], str] = {
    (Process.CONTROLLER,): "Controller",
    (Process.SPEAKER,): "Speaker",
    (Process.CONTROLLER, Process.SPEAKER): "Controller and speaker",
    (Process.ENGINE,): "Engine (`bmlb exabgp`)",
    (Process.BFD,): "BFD (`bmlb bfd`)",
    (Process.LAB,): "Lab",
}


def logs_page() -> str:
    """Return the reference of all log events."""
    keys: dict[str, dict[str, None]] = {}
    for one in written():
        keys.setdefault(one.name, {}).update(dict.fromkeys(one.keys))
    lines = [NOTE, LOGS]
    for title in LOG_SECTIONS:
        rows = [
            (f"`{event.name}`", event.level, ", ".join(f"`{key}`" for key in keys.get(event.name, ())), cell(event.meaning))
            for event in EVENTS
            if _WRITERS.get(event.processes, "Several") == title
        ]
        lines += ["", f"## {title}", "", *table(("event", "level", "keys", ""), rows)]
    return "\n".join(lines) + "\n"
