"""Builds the frame templates with scapy: runs only as a short-lived process of its own (``python -m baremetal_lb.frames``).

Nothing imports this package. scapy costs a process 28 MiB and 150 ms for good, so the speaker starts this one, reads the templates
from its standard output (JSON: form -> hexadecimal octets) and lets it go.
"""
