"""BGP: which routes go to which peer, and what ExaBGP is told to make it so."""
