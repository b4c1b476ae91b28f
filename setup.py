"""Everything about the package stands in pyproject.toml; here comes only what TOML cannot say."""

from setuptools import setup

setup()
