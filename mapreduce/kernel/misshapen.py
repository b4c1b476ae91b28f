"""The exception for a line that does not have the shape it should have."""


class Misshapen(ValueError):  # noqa: N818 - the field's term for such a line
    """Raised for a line that cannot be split; its text is the reason."""
