"""The web pages: show the content of tapes, tables and records, and send commands through the processes' sockets."""
