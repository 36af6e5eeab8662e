"""Data quality: what is wrong with the market on a tape whose bytes are well."""
