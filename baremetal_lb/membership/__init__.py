"""The roster: which speakers are alive and serving, and what each node can do."""
