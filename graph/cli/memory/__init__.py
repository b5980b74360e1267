"""`voicegraph memory`: commands for what an agent remembers."""
