"""BitMEX as a simulated exchange: the inverse-contract dialect of a venue that has closed."""
