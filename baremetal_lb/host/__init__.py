"""The only package that opens sockets, netlink and processes."""
