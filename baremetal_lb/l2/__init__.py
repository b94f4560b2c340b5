"""Layer 2 decisions: responder table, filter plan, announcement bursts, multicast groups."""
