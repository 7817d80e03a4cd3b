"""How sure a counted share is."""

import math


def wilson(errors, trials):
    """The 95 % interval [low, high] of a rate (Wilson 1927)."""
    if trials == 0:
        return [0.0, 1.0]
    z, rate = 1.96, errors / trials
    middle, half = rate + z * z / (2 * trials), z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials**2))
    return [min(max((middle + sign * half) / (1 + z * z / trials), 0.0), 1.0) for sign in (-1, 1)]
