"""What follows a venue's market for any process: streams, polls, and the address they share."""
