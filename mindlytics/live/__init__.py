"""Live events: what the service has stored and found, passed to the program as it happens.

``subscription.py`` holds what a listener wants and has seen. ``listener.py`` gets it: on a thread of its own
(``thread.py``), or as a task on the caller's loop (``task.py``). Listening and delivery are independent, so a listener
delays no event.
"""
