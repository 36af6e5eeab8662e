"""A Telegram bot: shows the state of a home on a telephone, and sends commands."""
