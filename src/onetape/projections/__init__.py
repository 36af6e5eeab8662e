"""What journals come to: the read side that processes, commands and pages share."""
