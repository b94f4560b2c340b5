"""``bmlb bfd``: the process that runs the BFD sessions of a node. Small and alone, since it must never be late by some ms."""
