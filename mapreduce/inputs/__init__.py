"""From what the user named to ``Source``s: where bytes are."""
