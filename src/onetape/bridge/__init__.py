"""A process that speaks ccxt: run by the Python of an environment in which ccxt is.

ccxt pins its dependencies by `==`, ours among them, so it lives apart. What is here needs the
standard library, ccxt and the aiohttp that ccxt brings, and nothing else of this project: not even
its compiled core is there. `python <this folder>` runs it; `gateway/bridge_process.py` does.
"""
