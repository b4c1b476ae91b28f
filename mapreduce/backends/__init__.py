"""Where functions run; nothing here knows of counting."""
