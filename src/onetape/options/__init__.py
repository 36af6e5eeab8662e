"""The options of processes: values passed at their start."""
