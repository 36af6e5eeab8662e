"""Many runs: backtests, sweeps, walk-forward, and how much of the best is luck."""
