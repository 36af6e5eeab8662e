"""The process that follows a feed from outside."""
