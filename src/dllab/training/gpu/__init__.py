"""What only a GPU can show, measured by one command: `dllab gpu-check`."""
