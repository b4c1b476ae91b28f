"""The jobs that come with the engine: each is the function NAME in the module ``jobs/NAME.py``."""
