"""The processes around the engine: shells that own files, clocks and sockets."""
