"""The embedded API server: a small kube-apiserver as a pure function, for labs, the demo and simulations.

``server.ApiServer`` is the door: requests and the time in, responses and watches out. An HTTP shell around it is
``baremetal_lb.lab.api_shell``; a simulator calls it directly.

    server     routes; the one place where a refusal becomes a response          messages  requests, responses, forms of objects
    reading    GET, LIST, WATCH          writing   CREATE, UPDATE, PATCH, APPLY          deleting  DELETE and what goes along
    store      objects, revisions, what happened          watches   cursors into that          faults    on demand
    resources  the kinds served          kinds     their rules          services  those of Services          definitions  CRDs
    schema     structural schemas          patches   three formats          ownership  managed fields, server-side apply
    tables     what kubectl prints          discovery  what clients ask first          selectors, timestamps, protobuf, errors, targets

It is held to the real kube-apiserver by ``tests/conformance``. What it leaves out: ``docs/design``.
"""
