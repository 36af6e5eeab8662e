"""A process that uses ccxt, run by the Python of an environment that has ccxt.

ccxt pins its dependencies by `==`, also packages that we use, so it needs an environment of its own. This package uses
the standard library, ccxt and ccxt's aiohttp, and nothing else of this project, not even its compiled core. `python
<this folder>` runs it; `gateway/bridge_process.py` does.
"""
