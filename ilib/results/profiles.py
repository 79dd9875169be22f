"""Profiles: how much a run may cost, in increasing order."""

PROFILES = {
    "smoke": "under a minute a row on two cores, embedded pictures: shows that everything runs",
    "cpu": "public pictures, minutes to an hour on two cores",
    "gpu": "public pictures, at most 8 minutes a command on one H200-class GPU",
    "paper": "the paper's own settings and data, whatever they cost",
}
NAMES = tuple(PROFILES)


def check_profile(name: str) -> None:
    """Raise ValueError unless the name is that of a profile."""
    if name not in PROFILES:
        raise ValueError(f"profile {name!r} is unknown; choose one of {', '.join(PROFILES)}")


def rank(name: str) -> int:
    """Return the place of a profile in the order smoke < cpu < gpu < paper."""
    check_profile(name)
    return NAMES.index(name)
