"""Live events: what the service has stored, and what it found, handed to the program as it happens.

What a listener wants and has seen is in ``subscription.py``, how it gets it in ``listener.py``; where that runs is the
face's: on a thread of its own (``thread.py``), or as a task on the caller's loop (``task.py``). Delivery knows nothing
of it, and nothing of it delays or loses an event that is recorded.
"""
