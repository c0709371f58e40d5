"""The demo: three real incidents of a real AI service, contained on a real control plane."""
