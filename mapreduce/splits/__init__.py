"""Cut the sources into line-aligned ``Split``s, and plan which processes count them."""
