"""What one run is made of, whoever runs it: options, plan, data, and what came of it."""
