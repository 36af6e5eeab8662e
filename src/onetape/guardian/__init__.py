"""The guardian: bounds what a position may lose, apart from the robot that opened it."""
