"""Models as plain modules and weights, with no training in them."""
