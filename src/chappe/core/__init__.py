"""The ground: settings, database, blobs, jobs, errors, telemetry, languages."""
