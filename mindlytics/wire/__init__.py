"""The services' protocols: how an event becomes bytes, and what a reply means. One module a service."""
