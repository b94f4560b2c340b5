"""The embedded API server: a small kube-apiserver as a pure function, for labs, the demo and simulations.

``server.ApiServer`` is the door. There is an HTTP shell around it in ``baremetal_lb.lab.api_shell``; a simulator calls it directly.
"""
