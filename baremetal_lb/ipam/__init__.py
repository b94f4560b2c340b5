"""IP address management: ranges, the ledger, sharing, eligibility of pools, allocation, utilization."""
