"""A whole cluster under a virtual clock: the real controllers' code on the embedded API server's core, without sockets.

``clock`` makes hours pass in seconds, ``network`` loses, delays and breaks requests, ``cluster`` starts and kills controllers,
``laws`` looks at the API server's objects after every write. One seed is one history: it replays exactly.
"""
