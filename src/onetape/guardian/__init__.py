"""The guardian: limits the loss of positions, independently of the robots that opened them."""
