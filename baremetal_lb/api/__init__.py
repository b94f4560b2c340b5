"""Custom resources as users write them, their CRDs, and compile() from objects to a Configuration."""
