"""Build the optional C extension; everything else about the package stands in pyproject.toml.

Without a compiler the package still installs, and counts with the pure kernel.
``MAPREDUCE_REQUIRE_NATIVE=1`` turns a failed build into an error: CI sets it.

One build serves every CPython from 3.11 on, because the C code keeps to the limited API. On a
free-threaded CPython there is no limited API, so the extension is built for that one version.
"""

import os
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

limited = not sysconfig.get_config_var("Py_GIL_DISABLED")
native = Extension(
    "mapreduce.kernel._native",
    sources=sorted(str(source) for source in Path("mapreduce/kernel").glob("*.c")),
    depends=[str(header) for header in Path("mapreduce/kernel").glob("*.h")],
    define_macros=[("Py_LIMITED_API", "0x030B0000")] if limited else [],
    extra_compile_args=["-O2", "-std=c11"],
    py_limited_api=limited,
    optional=os.environ.get("MAPREDUCE_REQUIRE_NATIVE") != "1",
)
setup(
    ext_modules=[native],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if limited else {},
)
