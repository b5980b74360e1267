"""What a turn is made of, whichever step looks: events, limits, time, interruption."""
