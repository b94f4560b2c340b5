"""The command line bmlb."""
