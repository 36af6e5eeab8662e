"""What an order passes before it leaves."""
