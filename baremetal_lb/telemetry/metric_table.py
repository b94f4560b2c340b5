"""All metrics there are: the processes register and read from here, and ``docs/reference/metrics.md`` is written from here. Pure.

Rules: a label has few values. Those of ``reason`` are members of our enumerations; pools, peers and Services are objects of the cluster,
and a series goes with its object. Nothing carries a label per client, per frame or per request path. Seconds and bytes are in the name.
"""

from baremetal_lb.telemetry.definitions import MetricDefinition, MetricType, Process

_C, _G, _H = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM
_CONTROLLER, _SPEAKER, _BOTH = (Process.CONTROLLER,), (Process.SPEAKER,), (Process.CONTROLLER, Process.SPEAKER)


def _pool(name: str, text: str) -> MetricDefinition:
    return MetricDefinition(f"allocator_{name}", _G, text, _CONTROLLER, ("pool",))


# -- both processes: the API server -----------------------------------------------------------------------------------------------------

BUILD_INFO = MetricDefinition("build_info", _G, "Always 1; which version runs.", _BOTH, ("version",))
REQUESTS = MetricDefinition(
    "k8s_client_requests_total",
    _C,
    "Answers of the API server; an empty code stands for no answer.",
    _BOTH,
    ("method", "code"),
    metallb_name="rest_client_requests_total",
)
UPDATES = MetricDefinition("k8s_client_updates_total", _C, "Changes of objects that watches brought.", _BOTH)
UPDATE_ERRORS = MetricDefinition(
    "k8s_client_update_errors_total", _C, "Objects that could not be read; the last good version holds.", _BOTH
)
WATCH_FAILURES = MetricDefinition(
    "k8s_client_watch_failures_total", _C, "Lists and watches that failed, and were begun again.", _BOTH, ("resource",)
)
LISTS = MetricDefinition(
    "k8s_client_lists_total", _C, "Complete lists; more than one each means that a watch had to start over.", _BOTH, ("resource",)
)
OBJECTS = MetricDefinition("k8s_client_objects", _G, "Objects in memory.", _BOTH, ("resource",))
EVENTS_SENT = MetricDefinition("k8s_client_events_sent_total", _C, "Events that the API server took.", _BOTH)
EVENTS_DROPPED = MetricDefinition("k8s_client_events_dropped_total", _C, "Events not sent: too many at a time, or refused.", _BOTH)
CONFIG_LOADED = MetricDefinition("k8s_client_config_loaded_bool", _G, "1 once a configuration was compiled.", _BOTH)
CONFIG_STALE = MetricDefinition(
    "k8s_client_config_stale_bool", _G, "1 while an object of the configuration is wrong and its last accepted meaning holds.", _BOTH
)
CONFIG_PROBLEMS = MetricDefinition("config_problems", _G, "What is wrong with resources now, by reason.", _BOTH, ("reason",))
CONNECTIONS_CLOSED = MetricDefinition(
    "http_connections_closed_total",
    _C,
    "Connections to the health and metrics ports that were closed before they had their answer, by reason.",
    _BOTH,
    ("reason",),
)
QUEUE_DEPTH = MetricDefinition(
    "work_queue_depth", _G, "What waits to be decided: Services (controller), IPs (speaker).", _BOTH, metallb_name="workqueue_depth"
)
OLDEST_BUSY = MetricDefinition(
    "work_queue_oldest_busy_seconds",
    _G,
    "Time since the Service that is under way the longest was taken up; 0 when none is. Minutes mean that it is stuck.",
    _CONTROLLER,
)
RECONCILE_TIME = MetricDefinition(
    "reconcile_seconds",
    _H,
    "Time from taking up a Service to its last write: `unchanged`, `written`, `superseded`, `unfinished`, `withheld`, `failed`.",
    _CONTROLLER,
    ("result",),
    metallb_name="controller_runtime_reconcile_time_seconds",
)

# -- controller: election, Services, pools -----------------------------------------------------------------------------------------------

LEADER = MetricDefinition("leading", _G, "1 while this process leads; of pools and Services only the leader tells.", _CONTROLLER)
TERMS = MetricDefinition("terms_total", _C, "Times that this process became the leader.", _CONTROLLER)
SERVICES = MetricDefinition(
    "services",
    _G,
    "Services of type LoadBalancer that are ours to serve, by the reason of their condition `Satisfied`.",
    _CONTROLLER,
    ("reason",),
)
ALLOCATED = MetricDefinition("services_allocated_total", _C, "Services that were given IPs.", _CONTROLLER)
DENIED = MetricDefinition(
    "services_denied_total", _C, "Services left without (all of) what they ask for, by reason.", _CONTROLLER, ("reason",)
)
CONTESTED = MetricDefinition("status_contested_total", _C, "Times that a foreign change of a status was only reported.", _CONTROLLER)
WRITES = MetricDefinition("api_writes_total", _C, "Writes sent to the API server, by what they write.", _CONTROLLER, ("kind",))
ENTRIES = MetricDefinition("ledger_entries", _G, "IPAllocations in the API server, of all installs.", _CONTROLLER)
POOL_CAPACITY = _pool("addresses_total", "Addresses that the pool can give.")
POOL_IN_USE = _pool("addresses_in_use_total", "Addresses of the pool that Services use.")
POOL_CAPACITY_V4 = _pool("ipv4_addresses_total", "IPv4 addresses that the pool can give.")
POOL_IN_USE_V4 = _pool("ipv4_addresses_in_use_total", "IPv4 addresses of the pool that Services use.")
POOL_CAPACITY_V6 = _pool("ipv6_addresses_total", "IPv6 addresses that the pool can give.")
POOL_IN_USE_V6 = _pool("ipv6_addresses_in_use_total", "IPv6 addresses of the pool that Services use.")
POOL_ADDRESSES = MetricDefinition(
    "pool_addresses",
    _G,
    "Addresses of the pool: `allocated`, `held` for a Service that was deleted, `foreign` (of another install), `reserved`, `available`.",
    _CONTROLLER,
    ("pool", "family", "state"),
)

# -- speaker: who announces ---------------------------------------------------------------------------------------------------------------

ANNOUNCED = MetricDefinition(
    "speaker_announced",
    _G,
    "1 for each IP that this node announces (`layer2`) or advertises to a peer that it has a session for (`bgp`), by Service.",
    _SPEAKER,
    ("service", "protocol", "node", "ip"),
)
ANNOUNCEMENT_CHANGES = MetricDefinition(
    "speaker_announcement_changes_total",
    _C,
    "IPs that this node began (`announced`) or ceased (`withdrawn`) to announce.",
    _SPEAKER,
    ("change",),
)
YIELDS = MetricDefinition(
    "speaker_yields_total",
    _C,
    "While cut off from the API server: IPs left to a member that answers for them (`MemberAnswered`), kept since nobody does"
    " (`Unconfirmed`), taken back (all other reasons).",
    _SPEAKER,
    ("reason",),
)
IPS_ANNOUNCED = MetricDefinition("speaker_ips_announced", _G, "IPs that this node announces.", _SPEAKER)
IPS_SILENT = MetricDefinition("speaker_ips_silent", _G, "IPs that this node does not announce, by reason.", _SPEAKER, ("reason",))
ROSTER = MetricDefinition("speaker_roster_members", _G, "Speakers in the roster: `serving`, `not_serving`, `dead`.", _SPEAKER, ("state",))
TURN_TIME = MetricDefinition("speaker_turn_seconds", _H, "Time that it took to work off the IPs that something had happened to.", _SPEAKER)
CUT_OFF = MetricDefinition("speaker_cut_off", _G, "1 while own renewals do not come back, so that nobody is taken for dead.", _SPEAKER)
STATE_COPIES = MetricDefinition(
    "speaker_state_file_copies",
    _G,
    "Copies of the state file that a start without API server looked at: `used`, or the reason why not.",
    _SPEAKER,
    ("copy", "result"),
)

# -- speaker: layer 2 ---------------------------------------------------------------------------------------------------------------------

L2_REQUESTS = MetricDefinition(
    "layer2_requests_received_total",
    _C,
    "Questions for IPs that this node announces.",
    _SPEAKER,
    ("protocol",),
    metallb_name="metallb_layer2_requests_received",
)
L2_RESPONSES = MetricDefinition(
    "layer2_responses_sent_total", _C, "Replies.", _SPEAKER, ("protocol",), metallb_name="metallb_layer2_responses_sent"
)
L2_GRATUITOUS = MetricDefinition(
    "layer2_gratuitous_sent_total", _C, "Frames of announcements.", _SPEAKER, ("protocol",), metallb_name="metallb_layer2_gratuitous_sent"
)
L2_PROBES = MetricDefinition(
    "layer2_probes_sent_total",
    _C,
    "Questions for IPs that another member claims, while cut off from the API server.",
    _SPEAKER,
    ("protocol",),
)
L2_DROPPED = MetricDefinition("layer2_requests_dropped_total", _C, "Frames without a reply, by reason.", _SPEAKER, ("reason",))
L2_CONFLICTS = MetricDefinition("layer2_conflicts_total", _C, "Frames in which another host claimed an IP of ours.", _SPEAKER)
L2_JOINS_FAILED = MetricDefinition("layer2_joins_failed_total", _C, "Multicast groups that the kernel let nobody join.", _SPEAKER)
L2_OPENS_FAILED = MetricDefinition("layer2_opens_failed_total", _C, "Interfaces whose sockets did not open; tried again.", _SPEAKER)
L2_RESYNCS = MetricDefinition("layer2_link_resyncs_total", _C, "Times that events of links were lost.", _SPEAKER)

# -- speaker: BGP and BFD -----------------------------------------------------------------------------------------------------------------

ENGINE_UP = MetricDefinition("bgp_engine_connected", _G, "1 while the engine (`bmlb exabgp`) of this node answers.", _SPEAKER)
ENGINE_EPOCH = MetricDefinition(
    "bgp_engine_epoch", _G, "Counts the ExaBGP processes since the engine began; a change means that one ended.", _SPEAKER
)
SESSION_UP = MetricDefinition(
    "bgp_session_up", _G, "1 while the session is established, 0 also where there is none to be had.", _SPEAKER, ("peer",)
)
SESSION_SINCE = MetricDefinition(
    "bgp_session_since_seconds", _G, "When the session came into its present state, in seconds since the epoch.", _SPEAKER, ("peer",)
)
PREFIXES = MetricDefinition("bgp_announced_prefixes_total", _G, "Routes that the peer has of this node.", _SPEAKER, ("peer",))
PREFIXES_PENDING = MetricDefinition(
    "bgp_pending_prefixes_total", _G, "Routes that the peer is to have of this node and has not yet.", _SPEAKER, ("peer",)
)
SESSIONS_REFUSED = MetricDefinition("bgp_sessions_refused", _G, "Peers of this node without session, by reason.", _SPEAKER, ("reason",))
BGP_SILENT = MetricDefinition("bgp_addresses_silent", _G, "Addresses without a route from here, by reason.", _SPEAKER, ("reason",))
BFD_RUNNING = MetricDefinition("bfd_connected", _G, "1 while the BFD process (`bmlb bfd`) of this node answers.", _SPEAKER)
BFD_UP = MetricDefinition("bfd_session_up", _G, "1 while the BFD session with the peer is Up.", _SPEAKER, ("peer",))
BFD_DISCARDED = MetricDefinition(
    "bfd_packets_discarded_total", _C, "BFD packets that were not taken, by reason, since the BFD process began.", _SPEAKER, ("reason",)
)

TABLE: tuple[MetricDefinition, ...] = tuple(value for value in globals().values() if isinstance(value, MetricDefinition))
"""All of the above, in this order."""
