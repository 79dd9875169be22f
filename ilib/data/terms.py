"""The terms under which each set is published, as its source states them: what weights trained on it must name."""

TERMS = {
    "embedded": "free licences, see ilib.data.embedded",
    "dead_leaves": "none needed: drawn by ilib",
    "bsds500": "not stated",
    "cid22": "CC BY-SA 4.0",
    "set5": "not stated",
    "set14": "not stated",
    "kodak24": "unrestricted (Kodak)",
    "gopro": "not stated",
    "reds": "not stated",
    "celeba": "non-commercial research",
    "svhn": "non-commercial",
    "shoes": "not stated",
}


def terms_of(name: str) -> str:
    """Return the terms of a set by the name that `load` takes; "not known here" for any other."""
    return TERMS.get(name.partition("/")[0], "not known here")
