"""The results of a run: tables, their formats, and files that are written all or nothing."""
