"""The user of most tests."""

from voicegraph.state import Actor

ADA = Actor("acme", "ada")
