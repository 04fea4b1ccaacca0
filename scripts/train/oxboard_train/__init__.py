"""Makes the embedded model: composes songs, trains on them, evaluates and exports."""
