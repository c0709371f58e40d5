"""What runs inside the lab's namespaces: its first process, the components, the doors to the outside."""
