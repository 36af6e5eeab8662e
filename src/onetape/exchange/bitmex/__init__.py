"""BitMEX as a simulated exchange: the inverse-contract API of a venue that has closed."""
