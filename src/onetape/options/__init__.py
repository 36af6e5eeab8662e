"""What a process is started with: values that whoever starts it hands over."""
