"""Figures of all accounts and their markets at one time, for control plane and pages."""
