"""What leaves: tables, their text, and files that are written all or nothing."""
