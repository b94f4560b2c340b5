"""Bidirectional Forwarding Detection (RFC 5880, 5881, 5883), pure: sessions, which packet is whose, and what BGP makes of it (RFC 5882).

    transitions   the state machine of §6.2 as a table, each cell written down
    session       one session: timers, polls, what is sent when
    table         all sessions of a node: which packet is whose, and which is nobody's
    holds         for how long a session of BGP is held down
    wire          what the process that runs sessions and the speaker say to each other
    wanted        which sessions a node is to have, from those of BGP

Implemented: asynchronous mode, single hop and multihop, both IP families, passive role, poll sequences, C bit.
Not implemented: demand mode of our own (a peer's is respected), the echo function, authentication, S-BFD, BFD over bundles.
"""
