"""One call with its tasks, all calls, and who may become one."""
