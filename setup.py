"""Only the optional C extension; everything else about the package stands in pyproject.toml.

Without a compiler the package installs all the same and counts with the pure kernel.
``MAPREDUCE_REQUIRE_NATIVE=1`` makes a failed build an error, as CI wants it.
"""

import os
from pathlib import Path

from setuptools import Extension, setup

native = Extension(
    "mapreduce.kernel._native",
    sources=[f"mapreduce/kernel/_{name}.c" for name in ("native", "packing", "ranking")],
    depends=[str(header) for header in Path("mapreduce/kernel").glob("*.h")],
    extra_compile_args=["-O2", "-std=c11"],
    py_limited_api=True,
    optional=os.environ.get("MAPREDUCE_REQUIRE_NATIVE") != "1",
)
setup(ext_modules=[native], options={"bdist_wheel": {"py_limited_api": "cp311"}})
