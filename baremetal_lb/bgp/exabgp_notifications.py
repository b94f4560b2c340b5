"""NOTIFICATIONs in words: RFC 4271 §4.5 and §6, RFC 4486 (Cease), RFC 9003 (the peer's own words), 6608, 9234, 9384."""

_CODES = {
    1: "Message Header Error",
    2: "OPEN Message Error",
    3: "UPDATE Message Error",
    4: "Hold Timer Expired",
    5: "Finite State Machine Error",
    6: "Cease",
    7: "ROUTE-REFRESH Message Error",
}

_SUBCODES = {
    (1, 1): "Connection Not Synchronized",
    (1, 2): "Bad Message Length",
    (1, 3): "Bad Message Type",
    (2, 1): "Unsupported Version Number",
    (2, 2): "Bad Peer AS",
    (2, 3): "Bad BGP Identifier",
    (2, 4): "Unsupported Optional Parameter",
    (2, 6): "Unacceptable Hold Time",
    (2, 7): "Unsupported Capability",
    (2, 11): "Role Mismatch",
    (3, 1): "Malformed Attribute List",
    (3, 2): "Unrecognized Well-known Attribute",
    (3, 3): "Missing Well-known Attribute",
    (3, 4): "Attribute Flags Error",
    (3, 5): "Attribute Length Error",
    (3, 6): "Invalid ORIGIN Attribute",
    (3, 8): "Invalid NEXT_HOP Attribute",
    (3, 9): "Optional Attribute Error",
    (3, 10): "Invalid Network Field",
    (3, 11): "Malformed AS_PATH",
    (5, 1): "Receive Unexpected Message in OpenSent State",
    (5, 2): "Receive Unexpected Message in OpenConfirm State",
    (5, 3): "Receive Unexpected Message in Established State",
    (6, 1): "Maximum Number of Prefixes Reached",
    (6, 2): "Administrative Shutdown",
    (6, 3): "Peer De-configured",
    (6, 4): "Administrative Reset",
    (6, 5): "Connection Rejected",
    (6, 6): "Other Configuration Change",
    (6, 7): "Connection Collision Resolution",
    (6, 8): "Out of Resources",
    (6, 9): "Hard Reset",
    (6, 10): "BFD Down",
    (7, 1): "Invalid Message Length",
}

_LONGEST_TEXT = 255
_COMMUNICATION = "Shutdown Communication: "


def notification_words(code: int, subcode: int, text: str = "") -> str:
    """Return ``Cease, Administrative Shutdown: "maintenance at noon"``; the peer's text is cut and made printable."""
    words = _CODES.get(code, f"code {code}")
    if subcode:
        words += ", " + _SUBCODES.get((code, subcode), f"subcode {subcode}")
    said = "".join(letter for letter in text.removeprefix(_COMMUNICATION) if letter.isprintable()).strip().strip('"')[:_LONGEST_TEXT]
    if not said or said in words or (code, subcode) not in {(6, 2), (6, 4), (2, 2)}:
        return words
    return f'{words}: "{said}"'
