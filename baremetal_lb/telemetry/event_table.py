"""All names of log events there are, with what each means; ``docs/reference/logs.md`` is written from here. Pure.

A line says that something changed, or failed; an unchanged cluster logs nothing. What a process writes at ``error`` somebody has to look
at, at ``warning`` it goes on by itself, ``info`` is the history of the cluster. A test holds names and levels equal to those in the code.
"""

from baremetal_lb.telemetry.definitions import LogEvent, Process

_C, _S, _E, _B, _L = (Process.CONTROLLER,), (Process.SPEAKER,), (Process.ENGINE,), (Process.BFD,), (Process.LAB,)
_KUBE = (Process.CONTROLLER, Process.SPEAKER)
_ALL = tuple(Process)


def _events(processes: tuple[Process, ...], *rows: tuple[str, str, str]) -> tuple[LogEvent, ...]:
    return tuple(LogEvent(name, level, meaning, processes) for name, level, meaning in rows)


TABLE: tuple[LogEvent, ...] = (
    *_events(
        _C,
        ("api_server", "info", "The API server was found, and is new enough."),
        ("api_server_unusable", "warning", "The API server does not answer, or not as one does; tried again every two seconds."),
        ("cannot_run", "critical", "The process ends: settings, version of the API server, or another controller in the way."),
        ("term_began", "info", "This process leads and has read the ledger; `dirty` Services are looked at."),
        (
            "left_by_older_term",
            "error",
            "Services or IPs that an older term of this process did not let go of, an error of ours; they are looked at like all others.",
        ),
        ("not_started_yet", "warning", "The ledger cannot be read or adopted yet; tried again."),
        ("adopting", "info", "The ledger was empty: IPs that Services have are entered into it."),
        ("configuration_changed", "info", "Pools, reservations or advertisements mean something else now."),
        ("status_written", "info", "A Service was given IPs, lost them, or is told why it has none."),
        ("status_contested", "warning", "Somebody keeps changing the IPs in a Service's status; left alone for a while."),
        ("released", "info", "A Service gave an IP back."),
        ("hold_ended", "info", "An IP that was kept for a deleted Service (`retainFor`) is free."),
        ("preferred_announcer_changed", "info", "The ledger names another node for an IP."),
        (
            "sharers_left_out",
            "warning",
            "A shared IP is announced without regard to these Services, since no node could serve them beside the others.",
        ),
        ("ledger_entry_missing", "warning", "Somebody deleted the entry of an IP that is in use; it is made again."),
        ("entry_unreadable", "warning", "An entry of the ledger cannot be read; its IP counts as taken, and is not touched."),
        ("entry_lost_while_written", "info", "An entry was deleted while it was being written; decided anew."),
        ("outcome_unknown", "info", "A write had no answer; what became of it is read before anything else is done."),
        ("resource_problem", "warning", "A resource is wrong; its conditions and an event say the same."),
        ("decided_again", "info", "The world moved while a Service was being written; decided anew."),
        ("unfinished", "warning", "The API server did not do what was asked; tried again after `retry_in_s`."),
        ("write_withheld", "info", "A write was not sent, since this process leads no more."),
        ("service_failed", "error", "A fault of ours with one Service; the others go on. Please report the traceback."),
        ("announcer_not_written", "warning", "A preferred announcer could not be written; tried again."),
        ("hold_not_released", "warning", "The end of a hold could not be written; tried again."),
        ("garbage_removed", "info", "A status object of a node or Service that is gone was removed."),
        ("garbage_not_removed", "warning", "Such an object could not be removed; tried again."),
        ("stopping", "info", "The process was told to stop."),
        ("stopped", "info", "The process has stopped, and gave its Lease back if it led."),
    ),
    *_events(
        _S,
        ("api_server_found", "info", "The API server answers, and is new enough."),
        ("api_server_away", "warning", "It does not answer; the speaker starts from its state file if there is one."),
        ("started_from_state_file", "warning", "What was known last is announced until the API server is back."),
        ("state_file_read", "info", "The state file has been read."),
        ("state_file_refused", "warning", "A copy of the state file is not fit to start from, with the reason; the previous one is tried."),
        ("started_with_nothing", "warning", "No copy of the state file is fit; nothing is announced until the API server is back."),
        ("state_file_not_written", "warning", "The state file could not be written; a start without API server would know nothing."),
        ("configuration_compiled", "info", "Pools, advertisements or peers mean something else now."),
        ("address_announced", "info", "This node answers for an IP from now on."),
        ("address_withdrawn", "info", "This node answers for an IP no more."),
        ("address_handed_over", "info", "Another node takes an IP over; this one answers until it is heard, two seconds at most."),
        (
            "address_yielded",
            "warning",
            "An IP is left to another speaker, which announced it and answers for it, since this one is cut off and may be wrong.",
        ),
        ("address_taken_back", "warning", "An IP that was left to another speaker is this one's again, with the reason."),
        (
            "address_claim_unconfirmed",
            "warning",
            "Cut off, this node heard a speaker announce an IP of its own, and nobody answers for it: forged, or out of date.",
        ),
        (
            "address_claimed_by_stranger",
            "warning",
            "A host that is no speaker claims an IP that this node announces. Two hosts have one IP.",
        ),
        ("member_changed", "info", "Another speaker came, went, or can do something else now."),
        ("links_changed", "info", "Interfaces came or went, or their carrier did."),
        ("links_resync", "info", "Events of the kernel about links were lost; all were read anew."),
        ("interface_opened", "info", "An interface is listened on."),
        ("interface_closed", "info", "An interface is listened on no more."),
        ("interface_failed", "warning", "An interface could not be listened on; tried again."),
        ("announcer_not_started", "error", "No IP is answered from this node: a capability or a program is missing."),
        ("filter_not_narrowed", "warning", "The kernel kept a wider filter, which costs processor time and nothing else."),
        (
            "group_membership_failed",
            "warning",
            "The kernel refused a multicast group: Neighbor Solicitations for some IPv6 addresses may not arrive.",
        ),
        ("lease_not_renewed", "warning", "The own Lease could not be renewed; when it ends the others take over."),
        ("lease_renewed_again", "info", "The own Lease is renewed again."),
        ("lease_not_released", "warning", "The own Lease could not be given back; the others wait until it ends."),
        ("sessions_refused", "info", "Peers that this node has no session with, with the reason of each."),
        ("secret_read", "info", "A Secret with a password of a peer was read, or why not. Never what is in it."),
        ("exabgp_configuration_not_written", "warning", "The new configuration was refused; ExaBGP goes on with the one it has."),
        ("bfd_lost", "warning", "The BFD process does not answer; BGP goes on without."),
        ("router_message_not_sent", "debug", "A Router Solicitation could not be sent; sent again."),
        ("router_message_not_read", "debug", "A Router Advertisement could not be read."),
        ("leaving_phase", "info", "Routes: `staying`, on `notice` or `gone`, as the node is drained or its Pod stopped."),
        ("own_pod_not_read", "warning", "Whether the own Pod is being deleted could not be found out; routes are left alone."),
        ("routes_left", "info", "The process stops and leaves its routes with the engine, which holds them."),
        ("routes_withdrawn", "info", "The Pod stops, and its routes were withdrawn."),
        ("speaker_failed", "error", "The process ends: settings, a port that is taken, or an API server that cannot be used."),
    ),
    *_events(
        _KUBE,
        ("synced", "info", "All objects of one kind have been listed for the first time."),
        ("watch_failed", "warning", "A kind cannot be listed or watched; what was known stays in force, and it is tried again."),
        ("watch_recovered", "info", "It can be watched again."),
        ("list_held_back", "warning", "A list came back empty or older than what was seen; for a while nothing is taken for deleted."),
        ("event_not_sent", "warning", "The API server refused an Event."),
        ("status_not_written", "warning", "The status of an object could not be written; tried again."),
    ),
    *_events(
        _C,
        ("leading", "info", "This process leads."),
        ("leadership_lost", "warning", "Another one leads, or the Lease could not be renewed in time."),
        ("election_failed", "warning", "The Lease cannot be read or written; tried again."),
        ("renewal_failed", "warning", "A renewal failed; this process leads until `--renew-deadline-s` is over."),
        ("lease_released", "info", "The Lease was given back; a standby takes over at once."),
        ("release_failed", "warning", "It could not be given back; a standby waits until it ends."),
    ),
    *_events(_S, ("reconcile_failed", "warning, error", "Writing a status object failed; tried again. At `error`: a fault of ours.")),
    *_events(
        _E,
        ("exabgp_started", "info", "ExaBGP runs; `epoch` counts its processes."),
        ("exabgp_ended", "warning", "ExaBGP ended by itself, and is started again."),
        ("exabgp_not_started", "error", "ExaBGP could not be started; tried again."),
        ("exabgp_killed", "error", "ExaBGP did not answer for `--stall-limit-s`, and is started again."),
        ("exabgp_said", "warning", "A line that ExaBGP wrote, and that is no answer."),
        ("all_routes_withdrawn", "warning", "The speaker was away for longer than `--speaker-loss-limit-s`."),
        ("speaker_disconnected", "warning", "The connection to the speaker was closed, with the reason; it connects again."),
        ("engine_failed", "error", "The process ends: its directory cannot be used."),
    ),
    *_events(
        _B,
        ("started", "info", "The process runs."),
        ("no_realtime", "info", "SCHED_FIFO is not granted; under load packets may be late."),
        ("port_not_opened", "error", "A UDP port of BFD is taken by another daemon; tried again."),
        ("session_changed", "info", "A BFD session has another state."),
        ("line_refused", "warning", "The speaker sent what cannot be read; the connection is closed."),
        ("bfd_failed", "error", "The process ends: its directory cannot be used."),
    ),
    *_events(
        (Process.SPEAKER, Process.ENGINE, Process.BFD),
        ("leaving", "info", "The process was told to stop, and hands over."),
        ("left", "info", "It has."),
    ),
    *_events(
        _L,
        ("api_server_started", "info", "The embedded API server runs."),
        ("api_server_stopped", "info", "It has stopped."),
        ("rules_applied", "info", "Rules that carry packets to backends were written."),
        ("rules_refused", "error", "nftables refused them."),
    ),
    *_events(
        _KUBE,
        (
            "listen_address_missing",
            "warning",
            "An address of `--listen-address` is not on this machine; the port is answered there once it is.",
        ),
    ),
    *_events(_ALL, ("library_message", "warning", "What a library logged, at `warning` or worse.")),
)
"""Each name once; where two processes write one, it means the same."""

FROM_STRANGERS: frozenset[str] = frozenset(
    {
        "address_claimed_by_stranger",  # a frame from the link
        "address_yielded",  # likewise
        "exabgp_said",  # what a BGP peer sends may make ExaBGP complain
        "library_message",  # an HTTP request that is none, which aiohttp complains of
        "line_refused",  # bytes on a socket
        "router_message_not_read",  # a Router Advertisement
        "session_changed",  # BFD packets
        "speaker_disconnected",  # bytes on a socket
    }
)
"""Events that bytes of strangers cause, as often as they like; their lines are limited in rate."""
