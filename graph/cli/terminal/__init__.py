"""What commands share: options, output, logs, failures."""
