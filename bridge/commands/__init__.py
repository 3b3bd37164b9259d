"""The commands of `bridge`, one file each: options and printing, nothing else. Nobody imports them."""
