"""FanOut: one clone of a paglet on each of many hosts does a method, and the results come back."""
