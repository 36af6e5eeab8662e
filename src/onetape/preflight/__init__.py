"""What is looked at before anything trades: venue, key, configuration, strategies."""
