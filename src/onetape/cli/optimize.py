"""`onetape optimize`: a search over the sweep's machinery."""

from onetape.cli.sweep import optimize as command

__all__ = ["command"]
