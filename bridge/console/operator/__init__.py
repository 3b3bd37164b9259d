"""What may be done about a call that goes on: hear it, tell its agent something, put the caller through, hang up."""
