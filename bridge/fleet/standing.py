"""What comes of asking another host whether it takes calls, in the words of the log."""

from enum import Enum


class Standing(Enum):
    """How a host stands to new calls. Its value says why it is away, where it is."""

    TAKES_CALLS = ""
    DRAINS = "it drains"
    REFUSES = "it refuses our admin token"
    SILENT = "it does not answer"
    ODD = "what answers there is no host of ours, or does not answer to this name ([admin] hosts there)"
