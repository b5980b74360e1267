"""Export, import, copy and erase stored memory."""
