"""The commands of `replay`, one file each: options and printing, nothing else. Nobody imports them."""
