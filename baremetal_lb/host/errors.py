"""What this machine may refuse us."""


class MissingCapability(RuntimeError):
    """The process may not open packet sockets."""

    def __init__(self) -> None:
        super().__init__(
            "announcing IPs on the local link takes the capability NET_RAW, which this process does not have; "
            "run it as root, or give its container securityContext.capabilities.add: [NET_RAW]"
        )


class TemplateBuildFailed(RuntimeError):
    """The child process that builds the reply templates failed; the text says how."""
