"""The lab's node: takes the pods that the scheduler binds to it and runs each container's command as a process."""
