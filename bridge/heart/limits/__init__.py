"""What ends a call that nobody ends by themselves, and the words before it: a time, a silence, money, a shutdown."""
