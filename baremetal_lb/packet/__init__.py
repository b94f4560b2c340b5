"""Fixed-offset codecs for the frames of the hot path: ARP (RFC 826, RFC 5227) and NDP (RFC 4861)."""
