"""Find the inputs that the user named: each file or stream becomes one ``Source``."""
