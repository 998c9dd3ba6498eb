"""The worker: takes tasks from the queue and has their handlers do them."""
