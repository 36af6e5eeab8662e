"""Figures of all accounts and their markets as of one moment, for control plane and pages."""
