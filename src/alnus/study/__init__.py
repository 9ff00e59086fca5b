"""The whole protocol, from a configuration to a report; a finished stage is not repeated unless its inputs changed."""
