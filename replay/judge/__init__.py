"""What can be compared about calls, and whether one side of a comparison is worse: statistics, no calls."""
