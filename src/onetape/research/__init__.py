"""Run many backtests: single runs, sweeps, walk-forward, and tests for how much of the best result is luck."""
