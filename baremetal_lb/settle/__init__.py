"""The settled state of a whole cluster, computed from its objects, with reasons."""
