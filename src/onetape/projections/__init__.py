"""State folded from journals: the read side that processes, commands and pages share."""
