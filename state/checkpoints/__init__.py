"""Where LangGraph keeps the state of each thread between steps: what both databases' savers share."""
