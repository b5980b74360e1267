"""Access to model servers: addresses, keys, proxies, certificates."""
