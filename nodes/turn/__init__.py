"""What all steps of a turn share: events, limits, time, interruption."""
