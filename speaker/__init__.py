"""The speaker: makes the IPs that this node is to announce reachable."""
