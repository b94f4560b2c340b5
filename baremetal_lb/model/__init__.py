"""Values that several packages share: identifiers, addresses, views, configuration, reasons, problems."""
