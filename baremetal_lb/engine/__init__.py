"""The engine: ExaBGP as a process that outlives the speaker, behind a hub that watches over both."""
