"""The terms under which each set is published, as its source states them: what weights trained on it must name."""

TERMS = {
    "embedded": "free licences, see ilib.data.embedded",
    "dead_leaves": "none needed: drawn by ilib",
    "bsds500": "not stated",
    "bsds500_derain": "not stated",
    "cid22": "CC BY-SA 4.0",
    "cid22_val": "CC BY-SA 4.0",
    "set5": "not stated",
    "set14": "not stated",
    "kodak24": "unrestricted (Kodak)",
    "odcnn": "not stated",
    "gopro": "not stated",
    "reds": "not stated",
    "coco": "each photograph under its own Flickr terms",
    "celeba": "non-commercial research",
    "celeba_official": "non-commercial research",
    "svhn": "non-commercial",
    "svhn_official": "non-commercial",
    "zappos": "academic, non-commercial",
    "shoes": "not stated",
    "haze": "not stated",
    "hazy_leaves": "none needed: drawn by ilib",
    "text_pages": "none needed: drawn by ilib",
    "numbers": "none needed: drawn by ilib",
}


def terms_of(name: str) -> str:
    """Return the terms of a set by the name that `load` takes; "not known here" for any other."""
    return TERMS.get(name.partition("/")[0], "not known here")
