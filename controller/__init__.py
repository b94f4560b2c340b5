"""The controller: gives Services their IPs and records them in the ledger."""
