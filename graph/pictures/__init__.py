"""What notebooks show: drawings and plots."""
