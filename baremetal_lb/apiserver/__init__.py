"""The core of the embedded API server: objects, resource versions, watches, patches; no I/O."""
