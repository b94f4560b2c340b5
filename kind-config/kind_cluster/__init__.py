"""A kind cluster for trials and tests, on machines with and without a registry of images. ``python -m kind_cluster --help``."""
