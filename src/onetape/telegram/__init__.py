"""A Telegram bot: a home as a telephone asks about it, and commands it."""
