"""The engines that need torch, with their real packages and tiny random weights."""
