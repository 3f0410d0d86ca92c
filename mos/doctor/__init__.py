"""`.scripts/doctor`: what this machine is, what is wrong with it, and what to do about it."""
