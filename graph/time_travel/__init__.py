"""Time travel: list a thread's checkpoints and fork the thread from one."""
