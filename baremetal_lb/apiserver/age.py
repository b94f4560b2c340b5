"""Ages of objects, as kubectl's tables have them."""

from baremetal_lb.model.time import SECOND


def format_age(duration: int) -> str:
    """Write a duration (ns) as kubectl does: the two largest units while they matter, else one."""
    seconds = max(duration, 0) // SECOND
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m" + (f"{seconds % 60}s" if seconds % 60 else "")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + (f"{minutes % 60}m" if minutes % 60 else "")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d" + (f"{hours % 24}h" if hours % 24 else "")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    years, days = divmod(days, 365)
    return f"{years}y" + (f"{days}d" if days and years < 8 else "")
