"""Check data quality: errors in the market data of a tape whose bytes are valid."""
