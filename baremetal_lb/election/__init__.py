"""Who may announce an IP on the local link, who does, and the reason for each exclusion."""
