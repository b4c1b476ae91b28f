"""A measure: the product of the values of a key."""

from typing import Any

from mapreduce import Measure


class Product(Measure):
    """The product. A ``merge`` must be associative and commutative: splits end in any order."""

    def merge(self, left: Any, right: Any, /) -> Any:
        return left * right
