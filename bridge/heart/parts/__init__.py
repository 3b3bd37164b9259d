"""The parts of a call that decide: each on what one side tells, or on one thing that can happen. Pure."""
