"""From the broker to the store: subscribe, decode, commit, acknowledge."""
