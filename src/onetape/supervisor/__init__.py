"""The process that starts, watches and restarts all others of a home."""
