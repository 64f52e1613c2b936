"""What drives delivery: the queue, and a sender that waits, sleeps and posts. One pipeline serves all equal clients."""
