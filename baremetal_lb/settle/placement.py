"""Which node a new entry of the ledger is to prefer as announcer.

    the other IP of a dual-stack pair            the same node, if it can
    a person asks for a node, or an              who would be elected: wishes and weights decide, not the load
    advertisement has node preferences
    externalTrafficPolicy Local                  the eligible node with most ready endpoints, then the least loaded one
    externalTrafficPolicy Cluster                the least loaded eligible node

Load is the number of entries that prefer a node. For a Service of policy Cluster its endpoints do not matter here: it would be
announced from any node once it has some. Where nobody is eligible there is no preference, and the speakers elect by rendezvous.
"""

from collections.abc import Mapping
from dataclasses import replace

from baremetal_lb.election.elect import ElectionInput, elect
from baremetal_lb.model.net import family_of
from baremetal_lb.model.views import EndpointView, TrafficPolicy


def preferred_announcer(subject: ElectionInput, load: Mapping[str, int]) -> str | None:
    """Return the node that a new entry for the IP is to prefer, or None.

    ``subject`` has the one Service that the entry is made for, no preferred and no current announcer, and the choice for the other IP of
    its pair as ``sibling``.
    """
    (service,) = subject.services
    is_local = service.traffic_policy is TrafficPolicy.LOCAL
    if not is_local:
        everywhere = tuple(EndpointView(node, family_of(subject.address), ready=True) for node in sorted(subject.nodes))
        subject = replace(subject, endpoints={service.key: everywhere})
    election = elect(subject)
    if not election.eligible:
        return None
    pool = subject.pool
    has_preferences = pool is not None and any(a.preferences for a in subject.advertisements if a.selects_pool(pool.name))
    if service.wanted_announcer in election.eligible or has_preferences:
        return election.announcer
    if subject.sibling in election.eligible:
        return subject.sibling
    ready = {candidate.node: candidate.ready_endpoints for candidate in election.candidates}
    return min(election.eligible, key=lambda node: (-ready[node] if is_local else 0, load.get(node, 0), node))
