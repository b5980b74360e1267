"""How model servers are reached: addresses, keys, proxies, certificates."""
