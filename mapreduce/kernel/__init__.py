"""The kernel counts fields of lines; this module chooses which implementation does it.

The pure one is the reference. ``NAME`` says which one is in use.
"""

from mapreduce.kernel._pure import NAME, PAYS_FROM, FieldTable, Scan

__all__ = ["NAME", "PAYS_FROM", "FieldTable", "Scan"]
