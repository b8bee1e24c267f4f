"""The event-time loop: what was committed in, judgements and anomalies out."""
