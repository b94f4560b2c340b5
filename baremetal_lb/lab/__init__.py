"""A cluster on one Linux machine, in network namespaces.

Every namespace below is one of the lab's own, named ``bmlb-LAB-...``; nothing of the machine's own network is touched, except one
listening socket on 127.0.0.1, by which ``kubectl`` reaches the lab from outside::

    client ──eth0──┐                     ┌──eth0── node1 ──veth-a── web-node1-a      (each Pod has its own namespace)
                   ├── switch (bridge) ──┤              └──veth-b── web-node1-b
                                         ├──eth0── node2 ...
                                         └──eth0── node3 ...
    api (API server)        control (controllers, service proxy)

The wire, that is the bridge, carries only data. The API server is reached by all through a TCP relay on 127.0.0.1, at the same port
in each namespace and outside, so that *losing the wire* (``fault cut``) and *losing the API server* (``fault stop-api``) are two
separate faults, and a node has one network interface only, as ``kubectl get servicel2statuses`` and people expect.

A lab is described by three things, and ``down`` uses all of them, so that it cleans up after a crash at any point:
its state file (written before each step), the prefix of its namespaces, and a mark in the environment of each of its processes.
"""
