"""Text of any origin, fit for a terminal."""


def printable(text: str) -> str:
    """Return text with everything that could steer a terminal escaped."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
