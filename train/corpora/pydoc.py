"""The Python language reference as text: `pydoc_data.topics`, which every CPython carries.

English technical prose, about half a million characters in 79 topics. The text changes with the micro version of
Python, so losses are comparable only where the corpus's SHA-256 is the same.
"""


def documents() -> list[str]:
    """The topics, one document each, sorted by name."""
    from pydoc_data.topics import topics

    return [topics[name] for name in sorted(topics)]
