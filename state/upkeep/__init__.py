"""Taking memory out, in and away: export, import, copies, forgetting."""
