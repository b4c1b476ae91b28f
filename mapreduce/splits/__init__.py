"""How work is cut: line-aligned ``Split``s, and the plan of who counts them."""
