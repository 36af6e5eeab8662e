"""Several machines: journals of other hosts as local copies, over NATS."""
